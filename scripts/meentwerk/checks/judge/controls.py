"""Every rule of the roles (their meta/controls.yml), by what a run of site.yml in check mode would change."""

from collections.abc import Mapping, Sequence
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured

AREA = "controls"
_CURE = "See the difference: site.yml --check --diff --limit THE-HOST. Bring it back: site.yml --limit THE-HOST."


def _said(task: Mapping[str, Any]) -> str:
    place = f"{task['role']}: {task['task']}" if task["role"] else str(task["task"])
    return f"{place}: {task['message']}" if task["message"] else place


def _rule(judge: Judge, rule: Mapping[str, Any], asked: bool, drift: Sequence[Mapping[str, Any]]) -> None:
    touched = [task for task in drift if rule["id"] in task["tags"]]
    judge.rule(
        rule["id"],
        rule["title"],
        holds=False if touched else True if asked else None,
        wanted="a run of site.yml changes nothing",
        found="; ".join(map(_said, touched))
        if touched
        else "nothing would change"
        if asked
        else "no task of it was run here",
        cure=_CURE
        if touched
        else "The role is not part of site.yml, the rule is switched off, or its tasks do not apply to this host.",
    )


def judge(measured: Mapping[str, Any], _promise: Mapping[str, Any]) -> list[Result]:
    """Judge one host: {tasks: [{role, task, tags}], drift: [{role, task, tags, message}], rules: [{id, title}]}."""
    if "unknown" in measured:
        return not_measured(AREA, measured)
    result, drift = Judge(AREA), measured["drift"]
    asked = {tag for task in measured["tasks"] for tag in task["tags"]}
    ids = {rule["id"] for rule in measured["rules"]}
    for rule in measured["rules"]:
        _rule(result, rule, rule["id"] in asked, drift)
    others = [task for task in drift if not ids & set(task["tags"])]
    result.rule(
        "CONTROLS-001",
        "The host is as site.yml describes it",
        holds=not others,
        wanted="a run of site.yml changes nothing",
        found="; ".join(map(_said, others)) or "nothing would change",
        cure=_CURE,
    )
    return result.results
