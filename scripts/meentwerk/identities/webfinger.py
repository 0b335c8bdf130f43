"""WebFinger, host-meta and the actor document of an account: does the fediverse find what the department means?

Rules: RFC 7033 (WebFinger), RFC 6415 (host-meta), Mastodon's documentation on WEB_DOMAIN and on WebFinger, and
ActivityPub::FetchRemoteActorService (the actor must confirm what WebFinger said).
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]

from meentwerk.identities import names
from meentwerk.identities.fetch import LASTING, Answer, Fetcher, FetchError
from meentwerk.identities.model import Account, Check, Verdict

ACTIVITY = "application/activity+json"
PROFILE = "http://webfinger.net/rel/profile-page"
JRD_TYPES = ("application/jrd+json", "application/json", ACTIVITY)
OK = 200
# Mastodon says who may read an answer only where a page of another site asks, as apps in a browser do (rack-cors)
ORIGIN = "https://example.org"


@dataclass(frozen=True, slots=True)
class Found:
    """What WebFinger said: the actor's address and the profile page's."""

    actor: str = ""
    profile: str = ""


def trouble(name: str, what: str, error: FetchError, cure: str = "") -> Check:
    """Return the check for a request without answer: fail where its owner made it so, unknown otherwise."""
    verdict = Verdict.FAIL if error.trouble in LASTING else Verdict.UNKNOWN
    return Check(name, verdict, f"{what}: {error}", cure, tuple(f"asked {url}" for url in error.hops))


def path_of(answer: Answer) -> tuple[str, ...]:
    """Return the addresses on the way to an answer, as evidence."""
    return (*(f"{hop.status} {hop.url}" for hop in answer.hops), f"{answer.status} {answer.url}")


def parsed(answer: Answer) -> dict[str, Any] | None:
    """Return a JSON object, or None for anything else."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


async def webfinger(fetcher: Fetcher, account: Account, domain: str, name: str) -> tuple[Check, Found]:
    """Ask `domain` for the account by WebFinger."""
    resource = f"acct:{account.name}@{domain}"
    url = f"https://{domain}/.well-known/webfinger?resource={quote(resource, safe=':@')}"
    cure = f"https://{domain}/.well-known/webfinger must lead, with its query, to the server that has the account"
    try:
        answer = await fetcher.get(url, "application/jrd+json, application/json", headers={"Origin": ORIGIN})
    except FetchError as error:
        return trouble(name, "WebFinger", error, cure), Found()
    seen = path_of(answer)
    if answer.status >= 500 or answer.status == 429:  # noqa: PLR2004
        return Check(name, Verdict.UNKNOWN, f"WebFinger answers {answer.status}", "look again later", seen), Found()
    if answer.status != OK:
        return Check(name, Verdict.FAIL, f"WebFinger answers {answer.status} instead of 200", cure, seen), Found()
    said = parsed(answer)
    if said is None:
        return Check(name, Verdict.FAIL, "WebFinger's answer is no JSON", cure, seen), Found()
    links = [link for link in said.get("links") or [] if isinstance(link, dict)]
    actor = _href(links, "self", ACTIVITY)
    found = Found(actor, _href(links, PROFILE, ""))
    problems = list(_wrong(said, account, answer, actor))
    seen += (f"subject {str(said.get('subject'))[:200]}", f"self {actor[:300] or 'none'}")
    if problems:
        return Check(name, Verdict.FAIL, f"WebFinger: {'; '.join(problems)}", cure, seen), found
    return Check(name, Verdict.PASS, f"{domain} finds {account.handle}", "", seen), found


def _wrong(said: dict[str, Any], account: Account, answer: Answer, actor: str) -> list[str]:
    problems = []
    if str(said.get("subject", "")).lower() != f"acct:{account.handle}":
        problems.append(f"its subject is {str(said.get('subject'))[:100]!r}, not acct:{account.handle}")
    if not actor.startswith("https://"):
        problems.append("it has no link rel=self of the type application/activity+json")
    elif not names.host_of(actor):
        problems.append(f"its link rel=self is no address: {actor[:100]!r}")
    elif account.web_domain and names.host_of(actor) != account.web_domain:
        problems.append(f"it leads to {names.host_of(actor)}, not to {account.web_domain}")
    if answer.media_type not in JRD_TYPES:
        problems.append(f"its type is {answer.media_type or 'not given'}, not application/jrd+json")
    without = [hop.url for hop in answer.hops if hop.headers.get("access-control-allow-origin") != "*"]
    if answer.headers.get("access-control-allow-origin") != "*":
        without.append(answer.url)
    if without:
        problems.append(f"Access-Control-Allow-Origin: * is missing at {without[0]}")
    return problems


def _href(links: list[dict[str, Any]], rel: str, kind: str) -> str:
    for link in links:
        if link.get("rel") == rel and (not kind or link.get("type") == kind) and isinstance(link.get("href"), str):
            return str(link["href"])
    return ""


async def host_meta(fetcher: Fetcher, domain: str, web_domain: str) -> tuple[Verdict, str, tuple[str, ...]]:
    """Ask one domain for host-meta; return verdict, sentence and evidence."""
    try:
        answer = await fetcher.get(f"https://{domain}/.well-known/host-meta", "application/xrd+xml")
    except FetchError as error:
        return trouble("host_meta", "host-meta", error).verdict, f"host-meta of {domain}: {error}", error.hops
    seen = path_of(answer)
    if answer.status != OK:
        unknown = answer.status >= 500 or answer.status == 429  # noqa: PLR2004
        verdict = Verdict.UNKNOWN if unknown else Verdict.FAIL
        return verdict, f"host-meta of {domain} answers {answer.status}", seen
    try:
        links = [e for e in fromstring(answer.body, forbid_dtd=True).iter() if str(e.tag).endswith("}Link")]
    except (ParseError, DefusedXmlException, ValueError):
        return Verdict.FAIL, f"host-meta of {domain} is no XRD", seen
    templates = [e.get("template", "") for e in links if e.get("rel") == "lrdd"]
    right = [t for t in templates if "{uri}" in t and names.host_of(t) in {web_domain, domain}]
    if not right:
        return Verdict.FAIL, f"host-meta of {domain} has no template that leads to {web_domain}", seen
    return Verdict.PASS, f"host-meta of {domain} leads to {names.host_of(right[0])}", seen


@dataclass(frozen=True, slots=True)
class Actor:
    """What of an actor document is compared."""

    url: str = ""
    attribution_domains: tuple[str, ...] | None = None


async def actor(fetcher: Fetcher, account: Account, found: Found) -> tuple[Check, Actor]:
    """Hold the actor document against what WebFinger said."""
    if not found.actor:
        return Check("actor", Verdict.UNKNOWN, "WebFinger names no actor to look at", "mend WebFinger first"), Actor()
    try:
        answer = await fetcher.get(found.actor, ACTIVITY)
    except FetchError as error:
        return trouble("actor", "the actor document", error), Actor()
    seen = path_of(answer)
    if answer.status == 401:  # noqa: PLR2004
        why = "the server answers signed requests only (AUTHORIZED_FETCH, limited federation)"
        return Check("actor", Verdict.UNKNOWN, why, "", seen), Actor()
    said = parsed(answer) if answer.status == OK else None
    if said is None:
        unknown = answer.status >= 500 or answer.status == 429  # noqa: PLR2004
        verdict = Verdict.UNKNOWN if unknown else Verdict.FAIL
        return Check("actor", verdict, f"there is no actor document: {answer.status}", "", seen), Actor()
    problems = []
    if said.get("id") != found.actor:
        problems.append(f"its id is {str(said.get('id'))[:200]!r}")
    if str(said.get("preferredUsername", "")).lower() != account.name:
        problems.append(f"its name is {str(said.get('preferredUsername'))[:60]!r}")
    if found.profile and said.get("url") != found.profile:
        problems.append(f"its profile is {str(said.get('url'))[:200]!r}, WebFinger says {found.profile}")
    own = said.get("webfinger")
    if own is not None and str(own).lower() != account.handle:
        problems.append(f"it calls itself {str(own)[:100]!r}")
    if said.get("suspended"):
        problems.append("the account is suspended")
    listed = said.get("attributionDomains")
    listed = [listed] if isinstance(listed, str) else listed or []
    result = Actor(str(said.get("url") or ""), tuple(str(item) for item in listed)[:100])
    if problems:
        return Check("actor", Verdict.FAIL, f"the actor document disagrees: {'; '.join(problems)}", "", seen), result
    return Check("actor", Verdict.PASS, f"the actor document is that of {account.handle}", "", seen), result
