"""Every guard says no, says why, and can be let through on purpose."""

from collections.abc import Callable
from typing import Any

import pytest
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit
from meentwerk.moderation import work
from meentwerk.moderation.audit import AuditLog
from meentwerk.moderation.policy import Policy
from meentwerk.moderation.sections import GUARDS

from .conftest import by_api, by_batch
from .strict import Strict

Make = Callable[..., Policy]
OWN = {
    "own_domains": ["ministry.example.org"],
    "partner_domains": ["city.example.net"],
    "own_addresses": ["198.51.100.0/24"],
}


def block(domain: str, severity: str = "suspend", **more: Any) -> dict[str, Any]:
    return {"domain": domain, "severity": severity, "reason": "Spam", **more}


def ip(network: str, severity: str = "no_access") -> dict[str, Any]:
    return {"ip": network, "severity": severity, "reason": "Attack"}


@pytest.mark.parametrize(
    ("guard", "what", "body"),
    [
        ("own-domains", "ministry.example.org", {"domain_blocks": [block("ministry.example.org", "silence")]}),
        ("own-domains", "sub.ministry.example.org", {"domain_blocks": [block("sub.ministry.example.org")]}),
        ("own-domains", "example.org", {"domain_blocks": [block("example.org", "noop", reject_media=True)]}),
        ("own-domains", "city.example.net", {"domain_blocks": [block("city.example.net")]}),
        (
            "own-domains",
            "ministry.example.org",
            {"email_domain_blocks": [{"domain": "ministry.example.org", "reason": "x"}]},
        ),
        # The server's own domain need not be listed
        ("own-domains", "tides.example.org", {"domain_blocks": [block("tides.example.org")]}),
        ("public-suffixes", "nl", {"domain_blocks": [block("nl")]}),
        ("public-suffixes", "co.uk", {"domain_blocks": [block("co.uk", "silence")]}),
        ("own-addresses", "198.51.100.7/32", {"ip_blocks": [ip("198.51.100.7")]}),
        ("own-addresses", "198.51.0.0/16", {"ip_blocks": [ip("198.51.0.0/16", "sign_up_block")]}),
        ("wide-networks", "0.0.0.0/0", {"ip_blocks": [ip("0.0.0.0/0")]}),
        ("wide-networks", "::/0", {"ip_blocks": [ip("::/0")]}),
        ("wide-networks", "10.1.0.0/16", {"ip_blocks": [ip("10.1.0.0/16")]}),
        ("wide-networks", "127.0.0.1/32", {"ip_blocks": [ip("127.0.0.1")]}),
        ("wide-networks", "fd00::/8", {"ip_blocks": [ip("fd00::/8")]}),
    ],
)
def test_what_hits_the_wrong_ones_is_refused(
    policy: Make, audit: AuditLog, guard: str, what: str, body: dict[str, Any]
) -> None:
    server = Strict()
    wanted = policy(guards=OWN, **body)
    plan, state = work.plan_and_state(by_api(server), wanted, audit)
    assert guard in {it.guard for it in plan.refused()}
    assert {it.what for it in plan.refused() if it.guard == guard} == {what}
    with pytest.raises(MeentwerkError) as caught:
        work.carry_out(plan, state, by_api(server), audit)
    assert caught.value.exit is Exit.REFUSED
    assert server.writes() == 0

    # On purpose, for this run
    guards = {it.guard for it in plan.refused()}
    assert not work.make_plan(by_api(server), wanted, audit, override=guards).refused()
    # On purpose, for good
    overrides = [{"guard": it.guard, "what": it.what, "reason": "Agreed"} for it in plan.refused()]
    assert not work.make_plan(by_api(server), policy(guards={**OWN, "overrides": overrides}, **body), audit).refused()


@pytest.mark.parametrize(
    "body",
    [
        {"domain_blocks": [block("ministry.example.org", "noop")]},
        {"domain_blocks": [block("notministry.example.org")]},
        {"domain_blocks": [block("spam.example.com"), block("spam.co.uk")]},
        {"ip_blocks": [ip("203.0.113.0/24"), ip("2001:db8::/32")]},
        {"domain_allows": [{"domain": "ministry.example.org", "reason": "x"}]},
    ],
)
def test_what_hits_nobody_passes(policy: Make, audit: AuditLog, body: dict[str, Any]) -> None:
    assert not work.make_plan(by_api(Strict()), policy(guards=OWN, **body), audit).refused()


def test_a_block_that_is_there_already_is_not_refused_again(policy: Make, audit: AuditLog) -> None:
    server = Strict()
    server.block("ministry.example.org", "silence", private_comment="Spam")
    plan = work.make_plan(
        by_api(server), policy(guards=OWN, domain_blocks=[block("ministry.example.org", "silence")]), audit
    )
    assert not plan.changes
    assert not plan.refusals


@pytest.mark.parametrize(("gone", "of", "refused"), [(5, 10, False), (6, 10, True), (10, 100, False), (11, 100, True)])
def test_many_deletions_are_refused(policy: Make, audit: AuditLog, gone: int, of: int, refused: bool) -> None:
    server = Strict()
    for number in range(of):
        server.block(f"spam{number}.example.com", private_comment="Spam")
    kept = [block(f"spam{number}.example.com", "silence") for number in range(gone, of)]
    wanted = policy(ownership={"domain_blocks": "exclusive"}, domain_blocks=kept)
    plan = work.make_plan(by_api(server), wanted, audit)
    assert len(plan.changes) == gone
    assert [it.what for it in plan.refused()] == (["domain_blocks"] if refused else [])
    assert not work.make_plan(by_api(server), wanted, audit, override=["deletions"]).refused()


@pytest.mark.parametrize("way", [by_api, by_batch])
@pytest.mark.parametrize("peers", [True, False])
def test_follows_that_would_be_cut_are_counted_first(policy: Make, audit: AuditLog, way: Any, peers: bool) -> None:
    server = Strict(follows={"spam.example.com": 0, "sub.loud.example.com": 3}, peers=peers)
    body: dict[str, Any] = {
        "domain_blocks": [
            block("loud.example.com"),
            block("unknown.example.com"),
            block("quiet.example.com", "silence"),
        ]
    }
    plan = work.make_plan(way(server), policy(**body), audit)
    assert plan.follows == {"loud.example.com": 3}
    (refusal,) = plan.refused()
    assert (refusal.guard, refusal.what) == ("severed-follows", "loud.example.com")
    assert "3 follows" in refusal.text
    assert not work.make_plan(way(server), policy(guards={"most_severed_follows": 3}, **body), audit).refused()
    let = [{"guard": "severed-follows", "what": "loud.example.com", "reason": "They were told"}]
    assert not work.make_plan(way(server), policy(guards={"overrides": let}, **body), audit).refused()


def test_a_suspension_that_holds_already_cuts_nothing(policy: Make, audit: AuditLog) -> None:
    server = Strict(follows={"spam.example.com": 3})
    server.block("spam.example.com", "suspend", private_comment="Other words [meentwerk]")
    plan = work.make_plan(by_api(server), policy(domain_blocks=[block("spam.example.com")]), audit)
    assert [change.changed for change in plan.changes] == [["private_comment"]]
    assert not plan.refused()


@pytest.mark.parametrize(("limited", "refused"), [(True, ["limited-federation"]), (False, [])])
def test_removing_an_allow_in_limited_federation(
    policy: Make, audit: AuditLog, limited: bool, refused: list[str]
) -> None:
    server = Strict(limited=limited)
    server.post("/api/v1/admin/domain_allows", {"domain": "city.example.net"})
    wanted = policy(ownership={"domain_allows": "exclusive"}, domain_allows=[])
    plan = work.make_plan(by_api(server), wanted, audit)
    assert [it.guard for it in plan.refused()] == refused


def test_lint_judges_what_needs_no_server(policy: Make) -> None:
    wanted = policy(guards=OWN, domain_blocks=[block("nl"), block("spam.example.com")], ip_blocks=[ip("10.0.0.0/8")])
    assert [(it.guard, it.what) for it in work.standing_refusals(wanted)] == [
        ("public-suffixes", "nl"),
        ("wide-networks", "10.0.0.0/8"),
    ]


def test_the_model_names_the_same_guards() -> None:
    from typing import get_args  # noqa: PLC0415

    from meentwerk.moderation.model import Guard  # noqa: PLC0415

    assert get_args(Guard) == GUARDS
