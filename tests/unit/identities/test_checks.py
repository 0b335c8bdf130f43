"""Each check of an account, right and wrong, against servers that answer as Mastodon and web sites do."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from meentwerk.identities import run
from meentwerk.identities.model import Domain, Organisation, Result, SocialMedium, Verdict
from meentwerk.identities.registry import Claimant, Registry

from .samples import LAKES, NEWS, SOURCE, TIDES, account
from .world import World

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
WEB = "social.tides.example.test"
PROFILE = f"https://{WEB}/@news"
SITE = "https://www.tides.example.test/"
GOOD = f'<html><head><link rel="me" href="{PROFILE}"></head></html>'
ORGANISATION = Organisation(
    (TIDES,), ("Ministry of Tides",), domains=(Domain("tides.example.test"),), sources=(SOURCE,)
)
VERIFIED = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def right(world: World) -> World:
    """A world in which everything is right."""
    world.account(NEWS, WEB, [(SITE, VERIFIED)])
    world.page(SITE, GOOD)
    return world


def judge(world: World, organisation: Organisation | None = ORGANISATION, **more: Any) -> Result:
    organisations = {TIDES: organisation} if organisation else {}
    known = more.pop("registry", None) or Registry(organisations)
    (found,) = run.judge_all([account(web=WEB)], known, world.fetcher(seconds=0.8, connect_seconds=0.5), **more)
    return found


def verdicts(result: Result) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in result.checks}


def why(result: Result, name: str) -> str:
    check = result.check(name)
    assert check is not None
    return f"{check.why} {check.cure}"


def test_everything_is_right(right: World) -> None:
    result = judge(right)
    assert set(verdicts(result).values()) == {PASS}, [c for c in result.checks if c.verdict != PASS]
    assert result.verdict is PASS
    assert (result.profile_url, result.link, result.display_name) == (PROFILE, SITE, "News")


Change = Callable[[World], None]


def page(body: str = "", status: int = 200, url: str = SITE, **headers: str) -> Change:
    return lambda world: world.page(url, body, status, **headers)


BACK = {"link_back", "link_strict", "server_verified"}
# how it comes about, the check to read, all checks that do not pass (server_verified is stale then), words in it
CASES: dict[str, tuple[Change, str, dict[str, Verdict], str]] = {
    "no link": (page("<p>hello"), "link_back", dict.fromkeys(BACK, FAIL), "does not link back"),
    "trailing slash": (page(GOOD.replace("@news", "@news/")), "link_back", dict.fromkeys(BACK, FAIL), "in a slash"),
    "another account": (page(GOOD.replace("@news", "@other")), "link_back", dict.fromkeys(BACK, FAIL), "does not link"),
    "wrong case": (page(GOOD.replace("@news", "@NEWS")), "link_back", {}, "links back"),
    "only by script": (
        page(f"<script>document.write('<a rel=\"me\" href=\"{PROFILE}\">')</script>"),
        "link_back", dict.fromkeys(BACK, FAIL), "works without scripts",
    ),
    "behind the first MB": (page("x" * 1_100_000 + GOOD), "link_back", dict.fromkeys(BACK, FAIL), "first MB"),
    "at the end of the first MB": (page(f"{'x' * 1_000_000}{GOOD}{'x' * 100_000}"), "link_back", {}, "links back"),
    "gone": (page("", 404), "link_back", dict.fromkeys(BACK, FAIL), "answers 404"),
    "broken today": (page("", 502), "link_back", dict.fromkeys(BACK, UNKNOWN), "answers 502"),
    "redirect within": (page("", 301, Location="https://tides.example.test/"), "link_back", {}, "links back"),
    "redirect to a stranger": (
        page("", 301, Location="https://other.example.test/"),
        "link_strict", {"link_strict": FAIL}, "no domain of the organisation",
    ),
    "redirect to plain http": (
        page("", 301, Location="http://tides.example.test/"),
        "link_strict", {"link_back": UNKNOWN, "link_strict": FAIL, "server_verified": UNKNOWN}, "not https",
    ),
    "redirect to nonsense": (page("", 302, Location="//["), "link_back", dict.fromkeys(BACK, FAIL), "no address"),
    "endless redirects": (page("", 302, Location="/"), "link_back", dict.fromkeys(BACK, FAIL), "more than 3 redirects"),
    "redirect inside": (
        page("", 302, Location="https://10.0.0.1/"), "link_back", dict.fromkeys(BACK, FAIL), "is an address",
    ),
    "redirect to another port": (
        page("", 301, Location="https://tides.example.test:8443/"),
        "link_strict", {"link_back": UNKNOWN, "link_strict": FAIL, "server_verified": UNKNOWN}, "not the port of https",
    ),
    "in a template": (page(f"<template>{GOOD}</template>"), "link_back", {}, "links back"),
    "in a drawing": (
        page(f'<svg><a rel="me" href="{PROFILE}">x</a></svg>'),
        "link_back", dict.fromkeys(BACK, FAIL), "names the profile",
    ),
    "first rel=me redirects back": (
        page('<a rel="me" href="https://tides.example.test/mastodon">'), "link_back", {}, "redirects to the profile",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_the_page(right: World, what: str) -> None:
    change, name, wrong, words = CASES[what]
    right.page("https://tides.example.test/", GOOD)
    right.page("https://other.example.test/", GOOD)
    right.page("https://tides.example.test/mastodon", "", 302, Location=PROFILE)
    change(right)
    result = judge(right)
    assert {n: v for n, v in verdicts(result).items() if v is not PASS} == wrong
    assert words in why(result, name)
    expected = FAIL if FAIL in wrong.values() else UNKNOWN if wrong else PASS
    assert result.verdict is expected


def test_the_first_link_is_asked_as_mastodon_asks(right: World) -> None:
    """Mastodon's HEAD names no type; its own /users/NAME redirects to the profile then, and not for any type."""
    right.page(SITE, f'<a rel="me" href="https://{WEB}/users/news">')
    right.page(f"https://{WEB}/users/news", "", 301, Location=PROFILE)
    judge(right)
    assert right.accepted == {None}


def test_a_field_without_a_link_of_its_own(right: World) -> None:
    """Mastodon makes no link of a name under a top-level domain that it does not know, and verifies it all the same."""
    shown = {"username": "news", "display_name": "News", "url": PROFILE}
    lookup = f"https://{WEB}/api/v1/accounts/lookup?acct=news"
    for value, found in ((f"{SITE}?a=1&amp;b=2", f"{SITE}?a=1&b=2"), (f"see {SITE}", ""), ("weekdays", "")):
        right.page(lookup, json.dumps({**shown, "fields": [{"name": "Web", "value": value, "verified_at": VERIFIED}]}))
        assert judge(right).link == found


@pytest.mark.parametrize("path", ["%c3%a9", "%7Etilde", "a[1]"])
def test_spellings_that_mastodon_never_looks_at(right: World, path: str) -> None:
    url = f"{SITE}{path}"
    right.account(NEWS, WEB, [(url, None)])
    right.page(url, GOOD)
    assert verdicts(judge(right))["link_back"] is FAIL
    assert "never looks" in why(judge(right), "link_back")


def test_a_slow_page_is_unknown_not_wrong(right: World) -> None:
    right.addresses["www.tides.example.test"] = [["127.0.0.9"]]
    result = judge(right)
    assert verdicts(result)["link_back"] is UNKNOWN
    assert result.verdict is UNKNOWN


def test_the_server_has_not_looked_since(right: World) -> None:
    right.account(NEWS, WEB, [(SITE, None)])
    assert verdicts(judge(right))["server_verified"] is FAIL
    right.page(SITE, "nothing")
    assert verdicts(judge(right))["server_verified"] is PASS, "both say: not verified"
    right.account(NEWS, WEB, [(SITE, VERIFIED)])
    result = judge(right)
    assert verdicts(result)["server_verified"] is FAIL
    assert "stale: verified since" in why(result, "server_verified")


def test_the_profile_is_no_cache_s(right: World) -> None:
    """A cache before the server answers an address it knows with what it had, however old (nginx: updating)."""
    judge(right)
    judge(right)
    asked = [path for _, host, path in right.asked if host == WEB and "/lookup?acct=news" in path]
    assert len(set(asked)) == len(asked) == 2


def test_the_register(right: World) -> None:
    assert "no register" in why(judge(right, None), "register")
    ended = replace(ORGANISATION, until=date(2020, 1, 1))
    result = judge(right, ended)
    assert (verdicts(result)["register"], result.verdict) == (FAIL, FAIL)
    assert "ended on 2020-01-01" in why(result, "register")


def test_links_of_the_profile(right: World) -> None:
    other = replace(ORGANISATION, domains=(Domain("lakes.example.test"),))
    result = judge(right, other)
    assert verdicts(result)["profile_link"] is FAIL
    assert "its domains are: lakes.example.test" in why(result, "profile_link")
    given_up = replace(ORGANISATION, domains=(Domain("tides.example.test", until=date(2020, 1, 1)),))
    assert verdicts(judge(right, given_up))["profile_link"] is FAIL
    shared = replace(ORGANISATION, domains=(Domain("tides.example.test", "/ministry"),))
    assert verdicts(judge(right, shared))["profile_link"] is FAIL
    right.account(NEWS, WEB, [(f"{SITE}ministry/x", VERIFIED)])
    right.page(f"{SITE}ministry/x", GOOD)
    assert judge(right, shared).verdict is PASS
    for path in ("ministry/../x", "ministry/%2e%2e/x", "ministry/%2E./x"):
        assert shared.domain_of("tides.example.test", f"/{path}", date(2026, 1, 1)) is None


def test_a_domain_claimed_twice_proves_nothing(right: World) -> None:
    claims = {"tides.example.test": {TIDES: Claimant("Tides", None), LAKES: Claimant("Lakes", None)}}
    result = judge(right, registry=Registry({TIDES: ORGANISATION}, claims))
    assert verdicts(result)["profile_link"] is UNKNOWN
    assert "another organisation too: Lakes" in why(result, "profile_link")
    assert result.verdict is UNKNOWN


def finger(**changes: Any) -> Change:
    def change(world: World) -> None:
        answer = {
            "subject": f"acct:{NEWS}",
            "links": [{"rel": "self", "type": "application/activity+json", "href": f"https://{WEB}/users/news"}],
        }
        url = f"https://{WEB}/.well-known/webfinger?resource=acct:{NEWS}"
        headers = {"Content_Type": "application/jrd+json", "Access_Control_Allow_Origin": "*"} | changes.pop(
            "headers", {}
        )
        world.page(url, json.dumps(answer | changes), changes.pop("status", 200), **headers)

    return change


FINGERS: dict[str, tuple[Change, Verdict, str]] = {
    "right": (finger(), PASS, "finds"),
    "another subject": (finger(subject="acct:other@tides.example.test"), FAIL, "its subject is"),
    "no self": (finger(links=[]), FAIL, "no link rel=self"),
    "links are no list of objects": (finger(links=["x", 1, None]), FAIL, "no link rel=self"),
    "elsewhere": (
        finger(links=[{"rel": "self", "type": "application/activity+json", "href": "https://other.example.test/u"}]),
        FAIL,
        "leads to other.example.test",
    ),
    "another type": (finger(headers={"Content_Type": "text/html"}), FAIL, "its type is text/html"),
    "no CORS": (
        finger(headers={"Access_Control_Allow_Origin": "https://x.example"}),
        FAIL,
        "Access-Control-Allow-Origin",
    ),
    "nonsense": (
        finger(links=[{"rel": "self", "type": "application/activity+json", "href": "https://[x"}]),
        FAIL,
        "is no address",
    ),
    "not found": (finger(status=404), FAIL, "answers 404"),
    "down": (finger(status=503), UNKNOWN, "answers 503"),
}


@pytest.mark.parametrize("what", FINGERS)
def test_webfinger(right: World, what: str) -> None:
    change, wanted, words = FINGERS[what]
    change(right)
    result = judge(right)
    assert verdicts(result)["webfinger"] is wanted
    assert words in why(result, "webfinger")


def test_a_redirect_of_webfinger_needs_cors_too(right: World) -> None:
    query = f"?resource=acct:{NEWS}"
    right.page(
        f"https://tides.example.test/.well-known/webfinger{query}",
        "",
        301,
        Location=f"https://{WEB}/.well-known/webfinger{query}",
    )
    assert "missing at https://tides.example.test/" in why(judge(right), "webfinger")


@pytest.mark.parametrize("body", ["[]", "null", "{", "[" * 100_000, "<html>"])
def test_json_that_is_none(right: World, body: str) -> None:
    for path in (f".well-known/webfinger?resource=acct:{NEWS}", "users/news", "api/v1/accounts/lookup?acct=news"):
        right.page(f"https://{WEB}/{path}", body)
    assert judge(right).verdict is FAIL


def test_host_meta(right: World) -> None:
    right.page(f"https://{WEB}/.well-known/host-meta", "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")
    assert "no XRD" in why(judge(right), "host_meta")
    right.page(f"https://{WEB}/.well-known/host-meta", "", 404)
    assert verdicts(judge(right))["host_meta"] is FAIL
    asked = [path for _, host, path in right.asked if path == "/.well-known/host-meta" and host == WEB]
    assert len(asked) == 4, "once for each domain and run, not for each account"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "https://other.example.test/users/news"}, "its id is"),
        ({"preferredUsername": "other"}, "its name is 'other'"),
        ({"url": "https://other.example.test/@news"}, "its profile is"),
        ({"webfinger": "news@other.example.test"}, "it calls itself"),
        ({"suspended": True}, "suspended"),
    ],
)
def test_the_actor_document(right: World, changes: dict[str, Any], words: str) -> None:
    right.account(NEWS, WEB, [(SITE, VERIFIED)], **changes)
    result = judge(right)
    assert verdicts(result)["actor"] is FAIL
    assert words in why(result, "actor")
    assert result.verdict is FAIL


def test_a_server_that_wants_signatures_is_unknown(right: World) -> None:
    right.page(f"https://{WEB}/users/news", "", 401)
    assert verdicts(judge(right))["actor"] is UNKNOWN


def test_attribution_domains(right: World) -> None:
    right.account(NEWS, WEB, [(SITE, VERIFIED)], attributionDomains=["tides.example.test", "evil.example", "!"])
    result = judge(right)
    assert verdicts(result)["attribution"] is FAIL
    assert "evil.example, !" in why(result, "attribution")
    assert result.verdict is PASS, "worth mending, but it says nothing about who stands behind the account"


def test_whether_the_register_lists_the_account(right: World) -> None:
    listed = replace(ORGANISATION, social=(SocialMedium("Mastodon", "news", f"{PROFILE}/"),))
    assert verdicts(judge(right, listed))["listed"] is PASS
    result = judge(right, replace(ORGANISATION, social=()))
    assert verdicts(result)["listed"] is FAIL
    assert f"platform Mastodon, user name @{NEWS}, address {PROFILE}" in why(result, "listed")
    assert "listed" not in verdicts(judge(right)), "a register that keeps no list cannot leave out an account"


def test_evidence_is_kept(right: World) -> None:
    result = judge(right)
    back = result.check("link_back")
    register = result.check("register")
    assert back is not None
    assert register is not None
    assert back.evidence == (f"200 {SITE}", f'rel="me" {PROFILE}')
    assert SOURCE.sha256 in register.evidence[0]


def test_nothing_answers(world: World, tmp_path: Path) -> None:
    world.addresses = {name: [["127.0.0.9"]] for name in (WEB, "tides.example.test", "www.tides.example.test")}
    result = judge(world)
    assert result.verdict is UNKNOWN
    assert FAIL not in verdicts(result).values()
    assert tmp_path
    world.addresses.clear()
