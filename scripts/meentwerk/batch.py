"""bin/batch of an instance's release: many items in one start of the application, JSON in and JSON out.

`docs/architecture.md`, «The release», has the contract. `several` does more than one list in one start.
"""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.on_host import Finished, Host

CONTRACT = 1
MASTODON_RUN = "/usr/local/sbin/mastodon-run"
NO_PROGRAM = 127  # of the shell
DONE, FAILED, BAD_INPUT, SOME_FAILED = 0, 1, 2, 4

Item = dict[str, Any]
Result = dict[str, Any]
"""`key`, `outcome` (created, updated, deleted, unchanged, failed, or what the batch says), `error`, and more."""


class Batch(Protocol):
    """Runs lists of items; tests and other ways to reach a server bring their own."""

    def run(self, name: str, items: Sequence[Item], *, dry_run: bool = False) -> list[Result]:
        """Return one result for each item (and for rules one for each that is retired)."""

    def several(self, lists: Sequence[tuple[str, Sequence[Item]]], *, dry_run: bool = False) -> list[list[Result]]:
        """Do lists one after the other in one start; return the results of each."""


class HostBatch:
    """bin/batch on the host of an instance."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def run(self, name: str, items: Sequence[Item], *, dry_run: bool = False) -> list[Result]:
        """Return one result for each item. A failed item is a result; a batch that could not be done raises."""
        request = json.dumps({"contract": CONTRACT, "dry_run": dry_run, "items": list(items)})
        return _results(name, self.host.name, self.host.run([MASTODON_RUN, "batch", name], request))

    def several(self, lists: Sequence[tuple[str, Sequence[Item]]], *, dry_run: bool = False) -> list[list[Result]]:
        """Do lists one after the other in one start; return the results of each."""
        items = [{"batch": name, "items": list(items)} for name, items in lists]
        return [result["results"] for result in self.run("several", items, dry_run=dry_run)]


def tootctl(host: Host, *arguments: str) -> str:
    """Run the release's own command line on the host and return what it says; MeentwerkError when it fails."""
    finished = host.run([MASTODON_RUN, "tootctl", *arguments], "")
    if finished.code != DONE:
        said = next((line for line in reversed(finished.stderr.splitlines()) if line.strip()), "no reason given")[:300]
        raise MeentwerkError(f"tootctl {' '.join(arguments[:2])} on {host.name} ended with {finished.code}: {said}")
    return finished.stdout


def _results(name: str, host: str, finished: Finished) -> list[Result]:
    """Read the answer. What the program says on stderr never holds an item's value, by its contract."""
    said = next((line for line in reversed(finished.stderr.splitlines()) if line.strip()), "no reason given")[:300]
    if finished.code == NO_PROGRAM:
        raise MeentwerkError(f"there is no instance on {host} yet", "ansible-playbook playbooks/site.yml deploys it")
    if finished.code not in {DONE, SOME_FAILED}:
        if finished.code == BAD_INPUT and "usage: bin/batch" in finished.stderr:
            raise UsageError(
                f"the release on {host} is older than this and knows no batch {name}", "deploy a newer build of it"
            )
        raise MeentwerkError(
            f"bin/batch {name} on {host} ended with {finished.code}: {said}",
            "look there: journalctl -t mastodon-run; sudo mastodon-run check",
            Exit.NOT_ALLOWED if "only root" in said else Exit.UNEXPECTED,
        )
    line = next((line for line in finished.stdout.splitlines() if line.startswith("{")), "")
    try:
        answer = json.loads(line)
        results: list[Result] = answer["results"]
    except (ValueError, KeyError, TypeError):
        raise MeentwerkError(f"bin/batch {name} on {host} gave no JSON", "is the release built whole?") from None
    return results
