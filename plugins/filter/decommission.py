"""What decommissioning says and decides: how far upstream's self-destruct is, and what would happen next."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

# lib/mastodon/cli/federation.rb and its successors: a signed message of Rails' MessageVerifier
VALUE = re.compile(r"SELF_DESTRUCT=([A-Za-z0-9+/=_-]+--[0-9a-f]+)")
ENABLED = "Self-destruct mode is already enabled"
DONE = "Every deletion notice has been sent"
RETRIES = "scheduled for retry"
# playbooks/decommission/progress.sh: of all jobs that are tried again, those that tell other servers something
DELIVERIES = re.compile(r"^Deliveries that wait for another attempt: (\d+)$", re.MULTILINE)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")

STATES = ("serving", "leaving", "removing", "gone")


def progress(output: str) -> dict[str, Any]:
    """Read what `tootctl self-destruct` says, and the number of waiting deliveries where it was counted.

    `enabled`: the server knows that it leaves. `value`: what the environment needs before it does, or empty.
    `done`: every server was told. `retries`: each was tried once, and some did not answer. `sentence`: for people.
    Upstream counts other jobs too, such as mail that nobody takes: where no delivery is among them, all were told.
    """
    text = COLOURS.sub("", output).replace("\r", "")
    waiting = DELIVERIES.search(text)
    text = DELIVERIES.sub("", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = VALUE.search(text)
    enabled = ENABLED in text
    told = waiting is not None and int(waiting[1]) == 0
    return {
        "enabled": enabled,
        "value": found[1] if found else "",
        "done": enabled and (DONE in text or (RETRIES in text and told)),
        "retries": enabled and RETRIES in text and not told,
        "sentence": (lines[-1].rstrip(".!") if lines else "it said nothing") + ".",
    }


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def plan(state: str, domain: str, counts: Mapping[str, int], servers: int, repositories: Sequence[str]) -> list[str]:
    """Say in sentences what a run does from a state on; `counts` as meentwerk_archive gives them."""
    size = f"{counts.get('media_bytes', 0) / 2**20:,.0f} MB"
    posts = _number(counts.get("posts", 0), "post")
    accounts = _number(counts.get("accounts", 0), "account")
    backup = f"A last backup, labelled decommission, goes to {', '.join(repositories)}." if repositories else ""
    steps = {
        "serving": [
            f"Announcements in Dutch and English are written for {domain}.",
            f"People can write no more. {posts} of {accounts} and {size} of media are archived on this controller.",
            backup or "No last backup is made: the archive is all that stays.",
        ],
        "leaving": [
            f"{domain} leaves the federation for good: {_number(servers, 'server is', 'servers are')} told that "
            f"{_number(counts.get('accounts', 0), 'account is', 'accounts are')} gone. "
            "Nobody can take that back, no backup either. Every visitor gets 410.",
            "Sidekiq runs until every server was told; that can take days.",
        ],
        "removing": [
            "After a second consent, database, media, queues, secrets, releases and logs of the web server are removed "
            "from the host.",
        ],
        "gone": [f"The entry is marked: no playbook sets {domain} up again, and the domain stays reserved."],
    }
    return [sentence for step in STATES[STATES.index(state) :] for sentence in steps[step]]


class FilterModule:
    """The filters, as Ansible loads them."""

    def filters(self) -> dict[str, Any]:
        """Return filters by name."""
        return {"meentwerk_decommission_progress": progress, "meentwerk_decommission_plan": plan}
