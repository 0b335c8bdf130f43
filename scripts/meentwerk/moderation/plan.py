"""What has to change, and nothing done yet: a policy held against a state. Pure functions."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from meentwerk.errors import UsageError
from meentwerk.moderation.policy import Policy, Remark, Wanted
from meentwerk.moderation.sections import BY_NAME, Fields, Name, Section
from meentwerk.moderation.state import Record, State, differs

VERSION = 1
Action = Literal["create", "update", "replace", "delete", "adopt"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that is made, changed, replaced (where Mastodon has no update), removed, or marked as Meentwerk's."""

    section: Name
    action: Action
    key: str
    before: Fields | None
    after: Fields | None
    reason: str
    origin: tuple[str, ...] = ()
    id: str = ""

    @property
    def changed(self) -> list[str]:
        """Names of the fields that change."""
        return differs(self.after, self.before) if self.before is not None and self.after is not None else []


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a guard says no to; `overridden` says by what it was let through on purpose, and is empty elsewhere."""

    guard: str
    what: str
    text: str
    cure: str
    overridden: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes in the order in which they are made, bound to the state that they were made from."""

    server: str
    made_at: str
    state: str
    layers: tuple[str, ...]
    changes: tuple[Change, ...]
    remarks: tuple[Remark, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    follows: Mapping[str, int] = field(default_factory=dict)
    sections: tuple[Name, ...] = ()
    settings: tuple[str, ...] = ()
    version: int = VERSION

    def refused(self) -> list[Refusal]:
        """Return what still stands against it."""
        return [refusal for refusal in self.refusals if not refusal.overridden]

    def text(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def load(text: str, file: str) -> Plan:
    """Read a plan from its JSON."""
    try:
        data: dict[str, Any] = json.loads(text)
        if data.get("version") != VERSION:
            raise UsageError(f"{file} was made by another version of Meentwerk", "make the plan again")
        data["changes"] = tuple(Change(**{**it, "origin": tuple(it["origin"])}) for it in data["changes"])
        data["remarks"] = tuple(Remark(**it) for it in data["remarks"])
        data["refusals"] = tuple(Refusal(**it) for it in data["refusals"])
        data |= {name: tuple(data[name]) for name in ("layers", "sections", "settings")}
        plan = Plan(**data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{file} is no plan", "make one: scripts/apply-moderation plan --out FILE") from error
    if any(change.section not in BY_NAME for change in plan.changes):
        raise UsageError(f"{file} is no plan", "make one: scripts/apply-moderation plan --out FILE")
    return plan


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a policy and a state have to say to each other."""

    changes: tuple[Change, ...]
    remarks: tuple[Remark, ...]


def compare(policy: Policy, state: State, *, adopt: bool = False) -> Comparison:
    """Return what brings the state in line.

    In an additive section, an entry that is not Meentwerk's is never changed or removed: where it differs from the
    policy, a remark says so. `adopt` makes those that the policy names Meentwerk's.
    """
    changes: list[Change] = []
    remarks: list[Remark] = []
    for name, wanted in policy.sections.items():
        section, there = BY_NAME[name], state.sections.get(name, {})
        exclusive = name in policy.exclusive or name == "settings"
        for key, given in wanted.items():
            one, record = given, there.get(key)
            if name == "rules" and not exclusive:
                # Between rules of others, a place is nobody's
                one = replace(
                    given, fields={field: given.fields[field] for field in given.fields if field != "position"}
                )
            if record is None:
                changes.append(Change(name, "create", key, None, one.fields, one.reason, one.origin))
            elif exclusive or record.ours or adopt:
                changes += _brought_in_line(section, one, record, mark=not exclusive)
            elif fields := differs(one.fields, record.fields):
                text = f"was made by hand and differs from the policy in {', '.join(fields)}; it is left alone"
                remarks.append(Remark("by hand", name, key, text, one.origin[-1]))
        if name != "settings":
            left = [record for key, record in there.items() if key not in wanted]
            changes += [_removal(name, record) for record in left if exclusive or record.ours]
            if kept := sum(not (exclusive or record.ours) for record in left):
                text = f"{kept} of the {section.many} there were made by hand; they are left alone"
                remarks.append(Remark("kept", name, section.many, text))
    return Comparison(tuple(changes), tuple(remarks))


def _brought_in_line(section: Section, one: Wanted, record: Record, *, mark: bool) -> list[Change]:
    action: Action
    if differs(one.fields, record.fields):
        action = "update" if section.can_update else "replace"
    elif mark and not record.ours:
        action = "adopt"
    else:
        return []
    return [Change(section.name, action, one.key, record.fields, one.fields, one.reason, one.origin, record.id)]


def _removal(name: Name, record: Record) -> Change:
    return Change(name, "delete", record.key, record.fields, None, "no longer in the policy", (), record.id)


def after(state: State, changes: tuple[Change, ...]) -> dict[Name, dict[str, Record]]:
    """Return the sections as they are when every change is made, for comparing and for tests; ids stay as they were."""
    sections = {name: dict(records) for name, records in state.sections.items()}
    for change in changes:
        there = sections.setdefault(change.section, {})
        if change.after is None:
            there.pop(change.key, None)
        else:
            there[change.key] = Record(change.key, {**(change.before or {}), **change.after}, change.id, True)
    return sections


def unfulfilled(changes: tuple[Change, ...], sections: Mapping[Name, Mapping[str, Record]]) -> list[tuple[Change, str]]:
    """Return the changes that cannot be seen in what was read back, each with what is there instead."""
    missing = []
    for change in changes:
        found = sections.get(change.section, {}).get(change.key)
        if change.after is None:
            if found is not None:
                missing.append((change, "it is still there"))
        elif found is None:
            missing.append((change, "it is not there"))
        elif fields := differs(change.after, found.fields):
            missing.append((change, f"{', '.join(fields)} did not change"))
    return missing
