"""Module: to which release can this host go back, and does its database allow it?"""

import json
import subprocess
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]
from ansible.module_utils.mastodon_versions import path_problem  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: mastodon_rollback_info
short_description: Say to which release a host can go back
description:
  - Takes the release that was in service before, or the one that is named, and compares the steps of the database's
    schema with those it knows. Fails with the reason where it could not run. Changes nothing.
  - Steps before a switch are made so that the older release goes on with them; a step after a switch is not.
options:
  release: {description: Identifier of the release to go back to; empty for the one before., type: str, default: ""}
  root: {description: Folder of the releases., type: path, default: /opt/mastodon}
  runner: {description: Command that runs a program of the release., type: path, default: /usr/local/sbin/mastodon-run}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Ask where the way back leads
  mastodon_rollback_info:
"""
RETURN = r"""
installed: {description: Identifier of the release in service., type: str, returned: always}
release: {description: Identifier of the release to go back to., type: str, returned: always}
"""

_SHOWN = 5


class RefusedError(Exception):
    """There is no way back; the message says why and what else would do."""


def before(history: Iterable[Mapping[str, str]], installed: str) -> tuple[str, str]:
    """Return which release was in service before `installed`, and when that ended (ISO 8601); empty when unknown."""
    for event in reversed(list(history)):
        if event.get("event") == "switched" and event.get("to") == installed:
            return event.get("from", ""), event.get("time", "")
    return "", ""


def blocking_steps(
    applied: Collection[str], older: Mapping[str, list[str]], newer: Mapping[str, list[str]]
) -> list[str]:
    """Return the steps that the older release cannot live with: those it does not know, unless made for both."""
    unknown = set(applied) - set(older["pre"]) - set(older["post"])
    return sorted(unknown - set(newer["pre"]))


def schema_refusal(release: str, installed: str, steps: list[str], since: str) -> str:
    """Say why not, and which restore would bring the release back."""
    shown = ", ".join(steps[:_SHOWN]) + (f" and {len(steps) - _SHOWN} more" if len(steps) > _SHOWN else "")
    moment = f"before {since}" if since else f"while {release} was in service"
    return (
        f"{release} cannot run on the database as it is: {installed} has taken {shown}, which {release} does not know. "
        f"The way back is a restore of a backup made {moment}, together with {release}: whatever was written since is "
        f"then lost. Nothing was changed, and {installed} serves on."
    )


def read_history(path: Path) -> list[dict[str, str]]:
    """Read history.jsonl; a line that an interrupted run left half is passed over."""
    events = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def choose(wanted: str, history: list[dict[str, str]], installed: str, present: Collection[str]) -> str:
    """Return the release to go back to; RefusedError where there is none."""
    release = wanted or before(history, installed)[0]
    others = sorted(set(present) - {installed})
    listed = f"On this host: {', '.join(others)}." if others else "There is no other release on this host."
    if not release:
        raise RefusedError(f"what was in service before {installed} is not on record. {listed} Name one.")
    if release == installed:
        raise RefusedError(f"{release} is in service already. {listed}")
    if release not in present:
        raise RefusedError(f"{release} is not on this host any more. {listed}")
    return release


def status(runner: str, release: str) -> dict[str, Any]:
    """Ask a release which steps it knows and which the database has."""
    command = [runner, "--release", release, "migrate", "status"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
        answer["known"]["pre"], answer["known"]["post"], answer["applied"]
    except (ValueError, KeyError, TypeError):
        raise RefusedError(
            f"{release} does not say which steps of the database it knows (bin/migrate status: "
            f"{done.stderr.strip()[-300:] or done.returncode}). It cannot be judged, so nothing is changed."
        ) from None
    return answer


def find(wanted: str, root: Path, runner: str) -> tuple[str, str]:
    """Return the release in service and the one to go back to; RefusedError where there is no way."""
    current = root / "current"
    if not current.is_symlink():
        raise RefusedError("no release is in service here.")
    installed = current.readlink().name
    history = read_history(root / "history.jsonl")
    present = [path.name for path in (root / "releases").glob("[!.]*") if path.is_dir()]
    release = choose(wanted, history, installed, present)
    if problem := path_problem(installed, release, {}, going_back=True):
        raise RefusedError(str(problem))
    older, newer = status(runner, release), status(runner, installed)
    if steps := blocking_steps(newer["applied"], older["known"], newer["known"]):
        raise RefusedError(schema_refusal(release, installed, steps, before(history, installed)[1]))
    return installed, release


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "default": ""},
            "root": {"type": "path", "default": "/opt/mastodon"},
            "runner": {"type": "path", "default": "/usr/local/sbin/mastodon-run"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        installed, release = find(given["release"], Path(given["root"]), given["runner"])
    except RefusedError as refusal:
        module.fail_json(msg=f"There is no way back: {refusal}")
    module.exit_json(changed=False, installed=installed, release=release)


if __name__ == "__main__":
    main()
