"""Names that could be taken for another's: within the fleet, on known servers, and among a register's domains."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from meentwerk.identities import names
from meentwerk.identities.fetch import Fetcher, FetchError
from meentwerk.identities.model import Check, Result, Verdict
from meentwerk.identities.registry import Registry
from meentwerk.identities.webfinger import OK, parsed

NAME = "lookalike"


async def look(
    results: Sequence[Result], registry: Registry, fetcher: Fetcher, servers: Sequence[str]
) -> dict[str, Check]:
    """Return the check `lookalike` for each account, by handle."""
    within_fleet = _within_fleet(results)
    remote = await asyncio.gather(*(_on_servers(result, fetcher, servers) for result in results))
    found = {}
    for result, (elsewhere, unseen) in zip(results, remote, strict=True):
        handle = result.account.handle
        problems = [*_own(result), *within_fleet[handle], *_among_domains(result, registry), *elsewhere]
        if problems:
            cure = "look at each: report an impostor to its server, rename an account of the fleet"
            found[handle] = Check(NAME, Verdict.FAIL, "; ".join(problems[:5]), cure, tuple(problems))
        elif unseen:
            found[handle] = Check(NAME, Verdict.UNKNOWN, f"not every known server answers: {', '.join(unseen[:5])}")
        else:
            where = f" and on {len(servers)} known servers" if servers else ""
            found[handle] = Check(NAME, Verdict.PASS, f"no name in the fleet{where} looks like it")
    return found


def _own(result: Result) -> Iterable[str]:
    for what, text in (("display name", result.display_name), ("domain", result.account.domain)):
        if names.mixed_scripts(text):
            yield f"its {what} mixes scripts: {text!a}"
        if names.invisible(text):
            yield f"its {what} holds characters that nobody sees: {text!a}"


def _within_fleet(results: Sequence[Result]) -> dict[str, list[str]]:
    by_handle: dict[str, list[Result]] = defaultdict(list)
    by_title: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_handle[names.skeleton(result.account.handle)].append(result)
        if result.display_name.strip():
            by_title[names.skeleton(result.display_name)].append(result)
    found: dict[str, list[str]] = defaultdict(list)
    for kind, groups in (("handle", by_handle), ("display name", by_title)):
        for group in groups.values():
            for one in group:
                others = [
                    other.account.handle
                    for other in group
                    if other is not one and (kind == "handle" or other.account.organisation != one.account.organisation)
                ]
                if others:
                    found[one.account.handle].append(f"its {kind} looks like that of {', '.join(others[:5])}")
    return found


def _among_domains(result: Result, registry: Registry) -> Iterable[str]:
    organisation = registry.get(result.account.organisation)
    for domain in organisation.domains if organisation else ():
        for other, owner in registry.lookalikes.get(domain.name, {}).items():
            yield f"{names.shown(other)} of {owner} looks like its {names.shown(domain.name)}"


async def _on_servers(result: Result, fetcher: Fetcher, servers: Sequence[str]) -> tuple[list[str], list[str]]:
    """Ask other servers for an account of this name that shows itself as the same; return problems, silent servers."""
    problems, unseen = [], []
    own = {names.skeleton(result.display_name)} | {names.skeleton(name) for name in result.names}
    for server in servers:
        if server == result.account.domain or server == names.host_of(result.profile_url):
            continue
        url = f"https://{server}/api/v1/accounts/lookup?acct={quote(result.account.name)}"
        try:
            answer = await fetcher.get(url, "application/json")
        except FetchError:
            unseen.append(server)
            continue
        said = parsed(answer) if answer.status == OK else None
        if said is None:
            if answer.status not in {404, 410}:
                unseen.append(server)
            continue
        title = str(said.get("display_name") or "")[:300]
        if title.strip() and names.skeleton(title) in own:
            problems.append(f"{result.account.name}@{server} shows itself as {title!a}")
    return problems, unseen
