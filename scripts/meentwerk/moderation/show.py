"""How plans, problems and outcomes are shown to a person, and to a machine."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from meentwerk.console import note, say, show_json
from meentwerk.entries.problem import Problem, printable, quoted
from meentwerk.moderation.plan import Change, Plan
from meentwerk.moderation.policy import Remark
from meentwerk.moderation.sections import BY_NAME, Fields
from meentwerk.moderation.state import differs
from meentwerk.moderation.work import Done

SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "adopt": "="}
SHOWN = 40
SHOWN_PROBLEMS = 50


def problems(found: Sequence[Problem], heading: str = "") -> None:
    """Print what is wrong, each with file, line, cause and cure; many of one list are counted."""
    base = Path.cwd()
    if heading and found:
        say(heading)
    for problem in found[:SHOWN_PROBLEMS]:
        say(problem.text(base))
    if len(found) > SHOWN_PROBLEMS:
        say(f"... and {len(found) - SHOWN_PROBLEMS} more; --json has all")


def remarks(found: Sequence[Remark]) -> None:
    """Print remarks, a line each; many of a kind are counted."""
    shown: Counter[str] = Counter()
    for remark in found:
        shown[remark.kind] += 1
        if shown[remark.kind] <= SHOWN // 4:
            note(f"note: {printable(remark.line())}")
    for kind, number in shown.items():
        if number > SHOWN // 4:
            note(f"note: ... and {number - SHOWN // 4} more like these ({kind}); --json has all")


def plan(it: Plan, *, every: bool = False) -> None:
    """Print a plan: what changes and why, what guards say, and the sums."""
    remarks(it.remarks)
    by_section: dict[str, list[Change]] = {}
    for change in it.changes:
        by_section.setdefault(change.section, []).append(change)
    for name, changes in by_section.items():
        counts = Counter(change.action for change in changes)
        sums = ", ".join(f"{SIGNS[action]}{number} {action}" for action, number in counts.items())
        say(f"{BY_NAME[name].many}: {sums}")
        for change in changes if every else changes[:SHOWN]:
            say(f"  {printable(line(change, it))}")
        if not every and len(changes) > SHOWN:
            say(f"  ... and {len(changes) - SHOWN} more; --all shows each")
    for refusal in it.refusals:
        if refusal.overridden:
            note(f"let through by {refusal.overridden}: {printable(refusal.text)}")
        else:
            say(f"refused by the guard {refusal.guard}: {printable(refusal.text)}\n    {refusal.cure}")
    if not it.changes:
        say(f"{it.server}: nothing to change")


def line(change: Change, it: Plan | None = None) -> str:
    """Return one change as a line: what, how it changes, why, where it comes from."""
    text = f"{SIGNS[change.action]} {change.key}"
    if change.after is None:
        text += f"  ({_brief(change.section, change.before or {})})"
    elif change.before is None:
        text += f"  {_brief(change.section, change.after)}"
    else:
        text += "  " + ", ".join(_step(field, change.before, change.after) for field in change.changed)
    follows = it.follows.get(change.key) if it and change.section == "domain_blocks" else None
    if follows:
        text += f"  cuts follows: {follows}"
    origin = f"  [{change.origin[-1]}]" if change.origin else ""
    return f"{text}  {quoted(change.reason)}{origin}"


def _step(field: str, before: Fields, after: Fields) -> str:
    return f"{field}: {_value(before.get(field))} -> {_value(after.get(field))}"


def _value(value: object) -> str:
    return quoted(value) if isinstance(value, str) and (not value or " " in value) else str(value)


def _brief(section: str, fields: Fields) -> str:
    """Return what tells most of an entry: all that is not as Mastodon has it by default, comments aside."""
    defaults = BY_NAME[section].fields
    words = [str(fields["severity"])] if "severity" in fields else []
    words += [
        name if value is True else f"{name} {_value(value)}"
        for name, value in fields.items()
        if value != defaults.get(name) and name != "severity" and "comment" not in name and name != "position"
    ]
    return ", ".join(words)


def done(it: Done) -> None:
    """Print what came of a plan."""
    for change, why in it.failed:
        say(f"failed: {BY_NAME[change.section].one} {printable(change.key)}: {printable(why)}")
    say(f"{it.made} changes made and read back by {it.way}" + (f", {len(it.failed)} failed" if it.failed else ""))


def plan_json(it: Plan) -> None:
    """Print a plan for a machine."""
    import json  # noqa: PLC0415

    show_json(json.loads(it.text()))


def differences(it: Plan) -> Iterator[dict[str, Any]]:
    """Yield what is not as the policy says, field by field."""
    for change in it.changes:
        fields = differs(change.after, change.before) if change.before is not None and change.after is not None else []
        yield {
            "section": change.section,
            "key": change.key,
            "policy": dict(change.after) if change.after is not None else None,
            "server": dict(change.before) if change.before is not None else None,
            "differs": fields,
            "origin": list(change.origin),
        }


def unified(it: Plan) -> None:
    """Print the differences as people read them: - is on the server, + is in the policy."""
    say(f"--- {it.server}\n+++ policy: {', '.join(it.layers)}")
    for change in it.changes:
        say(
            f"@@ {BY_NAME[change.section].one} {printable(change.key)}"
            + (f"  {change.origin[-1]}" if change.origin else "")
        )
        before, after = change.before or {}, change.after or {}
        fields = change.changed if change.before is not None and change.after is not None else [*(after or before)]
        if change.action == "adopt":
            say("  made by hand; would be marked as Meentwerk's")
        for field in fields or [""]:
            if change.before is not None and field:
                say(f"-{field}: {printable(_value(before[field]))}")
            elif not field:
                say("-" if change.after is None else "+")
            if change.after is not None and field:
                say(f"+{field}: {printable(_value(after[field]))}")
