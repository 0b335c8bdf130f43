"""Plans, their application, what is read back, and what is written down."""

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from meentwerk.api.errors import GaveUpError, NotAllowedError
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.moderation import plan as plans
from meentwerk.moderation import work
from meentwerk.moderation.audit import AuditLog
from meentwerk.moderation.policy import Policy
from meentwerk.moderation.work import Done, Ways

from .conftest import by_api, by_batch, by_both
from .strict import Strict

Make = Callable[..., Policy]
EXCLUSIVE = {"domain_blocks": "exclusive"}
each_way = pytest.mark.parametrize("way", [by_api, by_batch])


def blocks(first: int, last: int, severity: str = "silence") -> list[dict[str, Any]]:
    return [{"domain": f"spam{n}.example.com", "severity": severity, "reason": "Spam"} for n in range(first, last)]


def apply(ways: Ways, policy: Policy, audit: AuditLog, **more: Any) -> Done:
    plan, state = work.plan_and_state(ways, policy, audit, **more)
    return work.carry_out(plan, state, ways, audit)


# --- five thousand


@each_way
@pytest.mark.parametrize("kind", ["additive", "exclusive"])
def test_five_thousand_blocks(policy: Make, audit: AuditLog, way: Any, kind: str) -> None:
    """4,800 of them are there, and 300 more that were made by hand."""
    server = Strict()
    wanted = policy(ownership={"domain_blocks": kind}, domain_blocks=blocks(0, 5000))
    apply(by_batch(server), policy(domain_blocks=blocks(0, 4800)), audit)
    for number in range(300):
        server.block(f"hand{number}.example.net", "suspend", private_comment="by hand")
    server.requests.clear()
    plan, state = work.plan_and_state(way(server), wanted, audit)
    actions = [change.action for change in plan.changes]
    assert (actions.count("create"), actions.count("delete")) == (200, 300 if kind == "exclusive" else 0)
    assert len(actions) == (500 if kind == "exclusive" else 200)
    assert not plan.refused()
    if way is by_api:
        # 5,100 entries in pages of 500, and what the server is
        assert len(server.requests) == 12
    work.carry_out(plan, state, way(server), audit)
    assert len(server.lists["domain_blocks"]) == (5000 if kind == "exclusive" else 5300)
    writes = server.writes()
    again = work.make_plan(way(server), wanted, audit)
    assert not again.changes
    assert server.writes() == writes
    if kind == "additive":
        assert [remark.kind for remark in again.remarks] == ["kept"]


# --- every section


WAVE = {"ip": "203.0.113.0/24", "severity": "sign_up_block", "reason": "Wave"}
SPAM = {"domain": "spam.example.com", "severity": "suspend", "public_comment": "Spam", "reason": "Spam"}
EVERYTHING: dict[str, Any] = {
    "domain_blocks": [SPAM],
    "domain_allows": [{"domain": "city.example.net", "reason": "Partner"}],
    "email_domain_blocks": [{"domain": "throwaway.example.com", "reason": "Nobody's mailboxes"}],
    "ip_blocks": [{**WAVE, "expires": datetime(2999, 1, 1, tzinfo=UTC)}],
    "canonical_email_blocks": [{"hash": "a" * 64, "reason": "Came back"}],
}
CHANGED: dict[str, Any] = {
    "domain_blocks": [{"domain": "spam.example.com", "severity": "silence", "reason": "Better now"}],
    "domain_allows": [],
    "email_domain_blocks": [{"domain": "throwaway.example.com", "allow_with_approval": True, "reason": "By hand"}],
    "ip_blocks": [{"ip": "203.0.113.0/24", "severity": "sign_up_requires_approval", "reason": "Less"}],
    "canonical_email_blocks": [],
}
NOTHING: dict[str, Any] = {name: [] for name in EVERYTHING}


@each_way
@pytest.mark.parametrize("kind", ["additive", "exclusive"])
def test_every_list_applied_changed_and_removed(policy: Make, audit: AuditLog, way: Any, kind: str) -> None:
    server = Strict()
    ownership = {"ownership": dict.fromkeys(EVERYTHING, kind)}
    for body, actions in (
        (EVERYTHING, ["create"] * 5),
        (CHANGED, ["delete", "update", "replace", "delete", "update"]),
        (NOTHING, ["delete", "delete", "delete"]),
    ):
        wanted = policy(**ownership, **body)
        plan, state = work.plan_and_state(way(server), wanted, audit)
        assert [change.action for change in plan.changes] == actions
        assert work.carry_out(plan, state, way(server), audit).failed == ()
        assert not work.make_plan(way(server), wanted, audit).changes
    assert not any(server.lists.values())


def test_what_was_made_by_hand_stays_in_additive_sections(policy: Make, audit: AuditLog) -> None:
    server = Strict()
    for section, key, value in (
        ("domain_allows", "domain", "hand.example.net"),
        ("email_domain_blocks", "domain", "hand.example.net"),
        ("canonical_email_blocks", "canonical_email_hash", "b" * 64),
        ("ip_blocks", "ip", "192.0.2.0/24"),
    ):
        server.post(f"/api/v1/admin/{section}", {key: value})
    apply(by_api(server), policy(**EVERYTHING), audit)
    apply(by_api(server), policy(**NOTHING), audit)
    assert [len(entries) for name, entries in server.lists.items() if name != "domain_blocks"] == [1, 1, 1, 1]


def test_an_entry_that_somebody_made_again_by_hand_is_theirs(policy: Make, audit: AuditLog) -> None:
    """Only the id tells: such sections have no comment for a mark."""
    server = Strict()
    apply(by_api(server), policy(**EVERYTHING), audit)
    del server.lists["domain_allows"]["city.example.net"]
    server.post("/api/v1/admin/domain_allows", {"domain": "city.example.net"})
    apply(by_api(server), policy(**NOTHING), audit)
    assert list(server.lists["domain_allows"]) == ["city.example.net"]


def test_adopting_takes_over_what_the_policy_names(policy: Make, audit: AuditLog) -> None:
    server = Strict()
    server.block("spam.example.com", "silence", private_comment="by hand")
    server.block("other.example.com", "silence")
    server.post("/api/v1/admin/domain_allows", {"domain": "city.example.net"})
    wanted = policy(**EVERYTHING)
    plan = work.make_plan(by_api(server), wanted, audit)
    assert {(change.section, change.action) for change in plan.changes} >= {("ip_blocks", "create")}
    assert not [change for change in plan.changes if change.section in {"domain_blocks", "domain_allows"}]
    assert [remark.kind for remark in plan.remarks] == ["by hand", "kept"]
    apply(by_api(server), wanted, audit, adopt=True)
    assert server.lists["domain_blocks"]["spam.example.com"]["severity"] == "suspend"
    apply(by_api(server), policy(**NOTHING), audit)
    assert list(server.lists["domain_blocks"]) == ["other.example.com"]
    assert not server.lists["domain_allows"]


def test_rules_and_settings_go_by_batch(policy: Make, audit: AuditLog) -> None:
    server = Strict(rules=[{"id": "1", "text": "Old rule.", "hint": "", "translations": {}}])
    words = {"nl": {"text": "Wees aardig."}}
    body: dict[str, Any] = {
        "rules": [{"text": "Be kind.", "hint": "Always", "translations": words, "reason": "House rules"}],
        "registrations": {"mode": "approval", "reason": "Guests"},
    }
    with pytest.raises(UsageError, match="does not change"):
        work.make_plan(by_api(server), policy(**body), audit)
    for ways in (by_both(server), by_batch(server)):
        wanted = policy(**body)
        apply(ways, wanted, audit)
        assert [rule["text"] for rule in server.rules] == ["Be kind."]
        assert server.rules[0]["translations"] == {"nl": {"text": "Wees aardig.", "hint": ""}}
        assert server.settings["registrations_mode"] == "approved"
        assert not work.make_plan(ways, wanted, audit).changes
    apply(
        by_batch(server), policy(ownership={"rules": "additive"}, rules=[{"text": "No adverts.", "reason": "x"}]), audit
    )
    # «Be kind.» was made by Meentwerk, and no layer names it any more
    assert [rule["text"] for rule in server.rules] == ["No adverts."]


def test_rules_of_others_stay_and_come_first_when_rules_are_additive(policy: Make, audit: AuditLog) -> None:
    server = Strict(rules=[{"id": str(n), "text": text, "hint": "", "translations": {}} for n, text in enumerate("AB")])
    wanted = policy(ownership={"rules": "additive"}, rules=[{"text": "C", "reason": "x"}, {"text": "A", "reason": "x"}])
    apply(by_batch(server), wanted, audit)
    assert [rule["text"] for rule in server.rules] == ["A", "B", "C"]
    assert not work.make_plan(by_batch(server), wanted, audit).changes


def test_an_unknown_setting_fails_and_the_rest_is_done(policy: Make, audit: AuditLog) -> None:
    server = Strict()
    body = [
        {"name": "no_such", "value": 1, "reason": "x"},
        {"name": "registrations_mode", "value": "open", "reason": "x"},
    ]
    done = apply(by_batch(server), policy(settings=body), audit)
    assert [(change.key, why) for change, why in done.failed] == [("no_such", "unknown setting 'no_such'")]
    assert server.settings["registrations_mode"] == "open"


# --- what is sent


def test_expiry_is_a_moment_and_a_little_later_is_the_same(policy: Make, audit: AuditLog) -> None:
    server = Strict()
    moment = datetime.now(UTC) + timedelta(days=30)
    entry = {"ip": "203.0.113.0/24", "severity": "sign_up_block", "expires": moment, "reason": "Wave"}
    apply(by_api(server), policy(ip_blocks=[entry]), audit)
    there = datetime.fromisoformat(server.lists["ip_blocks"]["203.0.113.0/24"]["expires_at"])
    assert abs((there - moment).total_seconds()) < 5
    assert not work.make_plan(by_api(server), policy(ip_blocks=[entry]), audit).changes
    later = {**entry, "expires": moment + timedelta(hours=1)}
    assert work.make_plan(by_api(server), policy(ip_blocks=[later]), audit).changes[0].changed == ["expires_at"]
    apply(by_api(server), policy(ip_blocks=[{key: entry[key] for key in entry if key != "expires"}]), audit)
    assert server.lists["ip_blocks"]["203.0.113.0/24"]["expires_at"] is None


def test_a_yes_that_saved_nothing_is_found(policy: Make, audit: AuditLog) -> None:
    server = Strict(deaf=frozenset({"203.0.113.0/24"}))
    entry = {"ip": "203.0.113.0/24", "severity": "sign_up_block", "reason": "Wave"}
    apply(by_api(server), policy(ip_blocks=[entry]), audit)
    done = apply(by_api(server), policy(ip_blocks=[{**entry, "severity": "no_access"}]), audit)
    ((_, why),) = done.failed
    assert why == "the server said yes, but severity did not change"
    assert [line["result"] for line in audit.lines()][-1] == "read back: severity did not change"


def test_a_list_that_the_api_does_not_take_at_once_goes_by_batch(policy: Make, audit: AuditLog) -> None:
    server = Strict()
    done = apply(by_both(server), policy(domain_blocks=blocks(0, work.MANY + 1)), audit)
    assert done.way == "bin/batch"
    done = apply(by_both(server), policy(domain_blocks=blocks(0, work.MANY + 3)), audit)
    assert done.way == "API"


# --- stale, interrupted, not allowed


def test_a_plan_is_bound_to_the_state_it_was_made_from(policy: Make, audit: AuditLog, tmp_path: Path) -> None:
    server = Strict()
    server.block("other.example.com")
    plan = plans.load(work.make_plan(by_api(server), policy(domain_blocks=blocks(0, 3)), audit).text(), "x")
    state = work.stale(plan, by_api(server), audit)
    assert work.carry_out(plan, state, by_api(server), audit).made == 3
    for change in (
        lambda: server.block("new.example.com"),
        lambda: server.lists["domain_blocks"]["other.example.com"].update(severity="noop"),
        lambda: server.lists["domain_blocks"].pop("other.example.com"),
    ):
        kept = work.make_plan(by_api(server), policy(domain_blocks=blocks(0, 5)), audit)
        change()
        with pytest.raises(MeentwerkError, match="changed since") as caught:
            work.stale(kept, by_api(server), audit)
        assert caught.value.exit is Exit.REFUSED


def test_a_plan_with_a_setting_that_stays(policy: Make, audit: AuditLog) -> None:
    server = Strict(settings={"registrations_mode": "none", "trends": True})
    body = [
        {"name": "trends", "value": False, "reason": "x"},
        {"name": "registrations_mode", "value": "none", "reason": "x"},
    ]
    plan = plans.load(work.make_plan(by_batch(server), policy(settings=body), audit).text(), "x")
    work.carry_out(plan, work.stale(plan, by_batch(server), audit), by_batch(server), audit)
    assert server.settings["trends"] is False


def test_a_plan_for_another_server_is_refused(policy: Make, audit: AuditLog) -> None:
    plan = work.make_plan(by_api(Strict()), policy(domain_blocks=blocks(0, 1)), audit)
    with pytest.raises(UsageError, match=r"not for other\.example\.org"):
        work.stale(plan, by_api(Strict(domain="other.example.org")), audit)


def test_a_plan_survives_being_written(policy: Make, audit: AuditLog) -> None:
    server = Strict(follows={"spam0.example.com": 2})
    plan = work.make_plan(
        by_api(server), policy(domain_blocks=blocks(0, 3, "suspend")), audit, override=["severed-follows"]
    )
    assert plans.load(plan.text(), "x") == plan


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1}', '{"version": 1, "changes": [{}]}', "null", "1"])
def test_what_is_no_plan(text: str) -> None:
    with pytest.raises(UsageError):
        plans.load(text, "tides.plan")


def test_a_rate_limit_ends_the_run_and_a_second_one_goes_on(policy: Make, audit: AuditLog) -> None:
    server = Strict(patience=2)
    wanted = policy(domain_blocks=blocks(0, 5))
    with pytest.raises(GaveUpError):
        apply(by_api(server), wanted, audit)
    assert [line["result"] for line in audit.lines()] == ["done", "done"]
    server.patience = None
    assert apply(by_api(server), wanted, audit).made == 3


def test_what_the_server_refuses_does_not_stop_the_rest(
    policy: Make, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Strict()
    plan, state = work.plan_and_state(by_api(server), policy(domain_blocks=blocks(0, 3)), audit)
    server.block("spam1.example.com", "suspend")  # somebody was faster
    done = work.carry_out(plan, state, by_api(server), audit)
    assert done.made == 2
    assert [why for _, why in done.failed] == ["the block of spam1.example.com is stricter"]


@pytest.mark.parametrize(
    ("server", "missing"),
    [
        (Strict(permissions=1 << 7), "manage_federation"),
        (Strict(scopes=frozenset({"admin:write:domain_blocks"})), "admin:read:domain_blocks"),
        (Strict(scopes=frozenset({"admin:read:domain_blocks"})), "admin:write:domain_blocks"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_done(
    policy: Make, audit: AuditLog, server: Strict, missing: str
) -> None:
    with pytest.raises(NotAllowedError, match=missing) as caught:
        apply(by_api(server), policy(domain_blocks=blocks(0, 1)), audit)
    assert caught.value.exit is Exit.NOT_ALLOWED
    assert server.writes() == 0


def test_an_administrator_may_do_everything(policy: Make, audit: AuditLog) -> None:
    server = Strict(permissions=1 << 20 | (1 << 5))
    assert apply(by_api(server), policy(domain_blocks=blocks(0, 1)), audit).made == 1


def test_the_right_to_count_follows_is_named(policy: Make, audit: AuditLog) -> None:
    server = Strict(permissions=1 << 5, follows={"spam0.example.com": 1})
    with pytest.raises(NotAllowedError, match="view_dashboard"):
        work.make_plan(by_api(server), policy(domain_blocks=blocks(0, 1, "suspend")), audit)


# --- the audit log


def test_every_change_is_a_line(policy: Make, audit: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEENTWERK_OPERATOR", "operations")
    server = Strict(follows={"spam.example.com": 2})
    apply(by_api(server), policy(**EVERYTHING), audit, override=["severed-follows"])
    assert stat.S_IMODE(audit.file.stat().st_mode) == 0o600
    lines = list(audit.lines())
    assert [line["section"] for line in lines] == [
        "domain_allows", "domain_blocks", "email_domain_blocks", "canonical_email_blocks", "ip_blocks",
    ]  # fmt: skip
    line = lines[1]
    assert datetime.fromisoformat(line["at"]).tzinfo
    assert line | {"at": "", "plan": ""} == {
        "at": "",
        "operator": "operations",
        "account": "beheer",
        "server": "tides.example.org",
        "section": "domain_blocks",
        "action": "create",
        "key": "spam.example.com",
        "before": None,
        "after": line["after"],
        "reason": "Spam",
        "origin": ["organisation.yml:4"],
        "overridden": ["severed-follows: spam.example.com"],
        "plan": "",
        "way": "API",
        "result": "done",
        "id": line["id"],
    }
    before = audit.file.read_text()
    apply(by_api(server), policy(**CHANGED), audit)
    assert audit.file.read_text().startswith(before)


def test_nothing_is_changed_without_an_audit_log(policy: Make, tmp_path: Path) -> None:
    server = Strict()
    (tmp_path / "file").write_text("")
    with pytest.raises(MeentwerkError, match="audit log"):
        apply(by_api(server), policy(domain_blocks=blocks(0, 1)), AuditLog(tmp_path / "file/audit.jsonl"))
    assert server.writes() == 0


def test_a_line_that_was_cut_short_is_passed_over(policy: Make, audit: AuditLog) -> None:
    apply(by_api(Strict()), policy(domain_blocks=blocks(0, 1)), audit)
    with audit.file.open("a") as file:
        file.write('{"at": "2026-')
    assert len(list(audit.lines())) == 1
    assert json.loads(audit.file.read_text().splitlines()[0])
