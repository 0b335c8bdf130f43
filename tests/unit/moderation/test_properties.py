"""Whatever policy and state: applying ends in the policy, and nobody falls under a third rule on the way."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meentwerk.moderation import names, order, work
from meentwerk.moderation.audit import AuditLog
from meentwerk.moderation.plan import after, compare
from meentwerk.moderation.policy import Policy, Wanted
from meentwerk.moderation.sections import DOMAIN_BLOCKS, Fields, Name
from meentwerk.moderation.state import differs, marked

from .conftest import by_api, by_batch
from .strict import Strict

# Few names that stand above and below one another, so that they meet often
NAMES = [
    "a.example",
    "b.a.example",
    "c.b.a.example",
    "d.c.b.a.example",
    "x.a.example",
    "b.example",
    "a.b.example",
    "example",
]
SEVERITY = st.sampled_from(["noop", "silence", "suspend"])
BLOCK = st.fixed_dictionaries(
    {
        "severity": SEVERITY,
        "reject_media": st.booleans(),
        "reject_reports": st.booleans(),
        "private_comment": st.sampled_from(["", "why"]),
        "public_comment": st.just(""),
        "obfuscate": st.just(False),
    }
)
BLOCKS = st.dictionaries(st.sampled_from(NAMES), BLOCK, max_size=len(NAMES))
RULES = ("severity", "reject_media", "reject_reports")
EVERYTHING = tuple(sorted({"own-domains", "public-suffixes", "deletions", "severed-follows"}))


def policy_of(blocks: Mapping[str, Fields], *, exclusive: bool) -> Policy:
    wanted = {key: Wanted(key, fields, "because", ("layer.yml:1",)) for key, fields in blocks.items()}
    kinds: frozenset[Name] = frozenset({"domain_blocks"}) if exclusive else frozenset()
    return Policy({"domain_blocks": wanted}, kinds)


def rule(name: str, blocks: Mapping[str, Fields]) -> Any:
    found = order.rule_for(name, blocks)
    return found and tuple(found[field] for field in RULES)


def server_with(hand: Mapping[str, Fields], ours: Mapping[str, Fields]) -> Strict:
    server = Strict()
    for key, fields in hand.items():
        server.block(key, **fields)
    for key, fields in ours.items():
        server.block(key, **{**fields, "private_comment": marked(str(fields["private_comment"]))})
    return server


@pytest.mark.parametrize("way", ["api", "batch"])
@pytest.mark.parametrize("exclusive", [True, False], ids=["exclusive", "additive"])
@given(wanted=BLOCKS, hand=BLOCKS, ours=BLOCKS)
@settings(max_examples=150, deadline=None)
def test_applying_any_policy_to_any_state(
    way: str, exclusive: bool, wanted: dict[str, Fields], hand: dict[str, Fields], ours: dict[str, Fields]
) -> None:
    server = server_with(hand, ours)
    policy = policy_of(wanted, exclusive=exclusive)
    ways = by_api(server) if way == "api" else by_batch(server)
    by_hand = {key for key in hand if key not in ours}
    before: dict[str, Fields] = {key: dict(row) for key, row in server.lists["domain_blocks"].items()}
    with tempfile.TemporaryDirectory() as folder:
        audit = AuditLog(Path(folder) / "audit.jsonl")
        plan, state = work.plan_and_state(ways, policy, audit, override=EVERYTHING)
        done = work.carry_out(plan, state, ways, audit)
        assert not done.failed
        there = server.lists["domain_blocks"]

        # It ends in the policy
        for key, fields in wanted.items():
            if exclusive or key not in by_hand:
                comment = there[key]["private_comment"].removesuffix("[meentwerk]").strip()
                assert not differs(fields, {**there[key], "private_comment": comment})
        left = set(there) - set(wanted)
        assert left == (set() if exclusive else by_hand - set(wanted))
        for key in by_hand if not exclusive else ():
            assert there[key] == before[key], "what was made by hand is nobody else's"

        # On the way, everybody had the old rule or the new one
        for name in [*NAMES, *(f"z.{name}" for name in NAMES)]:
            allowed = {rule(name, before), rule(name, there)}
            assert {rule(name, step) for step in server.states} <= allowed, name

        # A second run writes nothing
        writes = server.writes()
        assert not work.make_plan(ways, policy, audit).changes
        assert server.writes() == writes


@given(wanted=BLOCKS, hand=BLOCKS, ours=BLOCKS, exclusive=st.booleans())
def test_a_plan_holds_no_more_than_what_differs(
    wanted: dict[str, Fields], hand: dict[str, Fields], ours: dict[str, Fields], exclusive: bool
) -> None:
    policy = policy_of(wanted, exclusive=exclusive)
    with tempfile.TemporaryDirectory() as folder:
        state = work.look(by_api(server_with(hand, ours)), policy, AuditLog(Path(folder) / "audit.jsonl"))
    changes = compare(policy, state).changes
    assert len({(change.section, change.key) for change in changes}) == len(changes)
    for change in changes:
        assert change.before != change.after
        assert change.before is None or change.action != "create"
    again = after(state, changes)
    assert not compare(policy, type(state)(again)).changes


@given(wanted=BLOCKS, hand=BLOCKS)
def test_the_order_is_the_same_however_the_changes_come(wanted: dict[str, Fields], hand: dict[str, Fields]) -> None:
    policy = policy_of(wanted, exclusive=True)
    with tempfile.TemporaryDirectory() as folder:
        state = work.look(by_api(server_with(hand, {})), policy, AuditLog(Path(folder) / "audit.jsonl"))
    changes = compare(policy, state).changes
    assert order.ordered(changes) == order.ordered(reversed(changes))


@given(new=BLOCK, other=BLOCK)
def test_whatever_is_as_strict_may_stand_below(new: dict[str, Any], other: dict[str, Any]) -> None:
    assert order.stricter(other, other)
    if order.stricter(new, other) and new["severity"] != "suspend":
        assert new["reject_media"] or not other["reject_media"]
        assert other["severity"] != "suspend"


@given(st.sampled_from(NAMES), BLOCKS)
def test_the_longest_match_rules(name: str, blocks: dict[str, Fields]) -> None:
    matching = [key for key in blocks if names.covers(key, name)]
    found = order.rule_for(name, blocks)
    assert found == (blocks[max(matching, key=len)] if matching else None)


def test_the_section_has_the_defaults_of_the_api() -> None:
    assert DOMAIN_BLOCKS.fields["severity"] == "silence"
