"""What people and programs read of a check, a plan and a run."""

from collections import Counter
from collections.abc import Sequence

from meentwerk.accounts.applying import Outcome
from meentwerk.accounts.checks import Checked
from meentwerk.accounts.planning import Action, Step
from meentwerk.console import note, say, show_json
from meentwerk.entries.problem import printable, quoted

_OF_EVERY_NEW_ONE = ("confirmed", "approved")
_SIGN = {Action.CREATE: "+", Action.CHANGE: "~", Action.UNCHANGED: " ", Action.CONFLICT: "!", Action.DELETE: "-"}


def findings(checked: Checked, *, as_json: bool) -> None:
    """Show everything that is wrong or doubtful in a list."""
    if as_json:
        records = [finding.record() for finding in checked.findings]
        show_json({"file": str(checked.file), "accounts": len(checked.accounts), "findings": records})
        for finding in checked.problems:
            note(finding.text(checked.file))
        return
    for finding in checked.findings:
        say(finding.text(checked.file))
    problems = len(checked.problems)
    if problems:
        note(f"\n{problems} problem{'s' * (problems != 1)}; nothing was sent. Every column: docs/accounts.md")
    else:
        warnings = len(checked.findings)
        say(f"{len(checked.accounts)} accounts: all right" + (f", {warnings} warnings" if warnings else ""))


def plan(steps: Sequence[Step], *, as_json: bool) -> None:
    """Show each account with the fields that differ."""
    if as_json:
        show_json({"accounts": [_step(step) for step in steps], "counts": Counter(str(step.action) for step in steps)})
        _tell([(step.account.username, step.reason) for step in steps if step.action is Action.CONFLICT])
        return
    for step in steps:
        if step.action is Action.UNCHANGED:
            continue
        reason = f": {step.reason}" if step.reason else ""
        say(printable(f"{_SIGN[step.action]} {step.account.username}  {step.action}{reason}"))
        if step.action is Action.CREATE:
            names = [difference.name for difference in step.differences if difference.name not in _OF_EVERY_NEW_ONE]
            say(f"    {', '.join(names) or 'no profile'}")
            continue
        for difference in step.differences:
            say(f"    {difference.name}: {_shown(difference.before)} -> {_shown(difference.after)}")
    say(_counts(Counter(str(step.action) for step in steps)))


def outcomes(done: Sequence[Outcome], writes: int, *, as_json: bool) -> None:
    """Show what became of each account."""
    counts = Counter(outcome.outcome for outcome in done)
    if as_json:
        show_json({"writes": writes, "counts": counts, "accounts": [_outcome(outcome) for outcome in done]})
        bad = [outcome for outcome in done if outcome.outcome in {"failed", "conflict"}]
        _tell([(outcome.step.account.username, outcome.error) for outcome in bad])
        return
    for outcome in done:
        if outcome.outcome == "unchanged":
            continue
        more = outcome.error or (f"first password in {outcome.credentials}" if outcome.credentials else "")
        say(printable(f"{outcome.step.account.username}: {outcome.outcome}{f': {more}' if more else ''}"))
    say(f"{_counts(counts)}; {writes} writes")


def _tell(bad: Sequence[tuple[str, str]]) -> None:
    """Say on stderr what is wrong, for who reads no JSON, such as a playbook's operator."""
    for username, reason in bad:
        note(printable(f"{username}: {reason}"))


def _step(step: Step) -> dict[str, object]:
    return {
        "username": step.account.username,
        "department": step.account.department,
        "action": str(step.action),
        "reason": step.reason,
        "fields": [difference.name for difference in step.differences],
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "username": outcome.step.account.username,
        "outcome": outcome.outcome,
        "error": outcome.error,
        "credentials": outcome.credentials,
    }


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "no accounts"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return quoted("; ".join(": ".join(part) if isinstance(part, tuple) else str(part) for part in value))
    return quoted(value) if isinstance(value, str) else str(value)
