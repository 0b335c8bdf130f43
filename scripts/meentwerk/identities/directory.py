"""The accounts of an instance that want to be found: its public directory (GET /api/v1/directory)."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meentwerk.identities.config import Instance, Listed, from_entry, instances, listed_in_entry
from meentwerk.identities.fetch import Fetcher, FetchError
from meentwerk.identities.model import Account

PAGE = 80
MOST = 2000


def accounts(inventory: Path, handles: Sequence[str], fetcher: Fetcher) -> tuple[list[Account], list[str]]:
    """Return the accounts of an inventory's instances, and a line for each instance whose accounts are not known.

    Those that an entry lists, and those of `handles` (name@domain) at its domain; where there are none, those of the
    instance's directory.
    """
    return asyncio.run(_accounts(inventory, instances(inventory), handles, fetcher))


async def _accounts(
    inventory: Path, found_instances: Sequence[Instance], handles: Sequence[str], fetcher: Fetcher
) -> tuple[list[Account], list[str]]:
    listed = [(name, entry, listed_in_entry(entry, inventory)) for name, entry in found_instances]
    found = await asyncio.gather(*(_of_instance(*one, handles, fetcher) for one in listed))
    return [account for accounts, _ in found for account in accounts], [line for _, line in found if line]


async def _of_instance(
    name: str, entry: dict[str, Any], listed: list[Listed] | None, handles: Sequence[str], fetcher: Fetcher
) -> tuple[list[Account], str]:
    one = from_entry(name, entry, [("x", "")])[0]
    given = [(handle.partition("@")[0], "") for handle in handles if handle.endswith(f"@{one.domain}")]
    if listed is not None or given:
        return from_entry(name, entry, [*given, *(listed or [])]), ""
    web = one.web_domain
    usernames: list[str] = []
    while len(usernames) < MOST:
        url = f"https://{web}/api/v1/directory?local=true&order=new&limit={PAGE}&offset={len(usernames)}"
        try:
            answer = await fetcher.get(url, "application/json")
            page = json.loads(answer.body) if answer.status == 200 else None  # noqa: PLR2004
        except (FetchError, ValueError) as error:
            return [], f"{name}: its directory cannot be read: {error}"
        if not isinstance(page, list):
            return [], f"{name}: its directory answers {answer.status}; list its accounts in the configuration"
        usernames += [str(item["username"]) for item in page if isinstance(item, dict) and "username" in item]
        if len(page) < PAGE:
            break
    return from_entry(
        name, entry, [(username, "") for username in usernames]
    ), "" if usernames else f"{name}: its directory is empty"
