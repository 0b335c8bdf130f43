"""Every rule of the roles (their meta/controls.yml), by what a run of site.yml in check mode would change."""

from collections.abc import Mapping, Sequence
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured

AREA = "controls"
_WANTED = "a run of site.yml changes nothing"
_NOT_RUN = "Its role is not part of site.yml, it is switched off, or it does not apply to this host."
_CURE = "See the difference: site.yml --check --diff --limit THE-HOST. Bring it back: site.yml --limit THE-HOST."


def _said(task: Mapping[str, Any]) -> str:
    place = f"{task['role']}: {task['task']}" if task["role"] else str(task["task"])
    return f"{place}: {task['message']}" if task["message"] else place


def _rule(judge: Judge, rule: Mapping[str, Any], asked: bool, drift: Sequence[Mapping[str, Any]]) -> None:
    touched = [task for task in drift if rule["id"] in task["tags"]]
    if touched:
        holds, found, cure = False, "; ".join(map(_said, touched)), _CURE
    elif asked:
        holds, found, cure = True, "nothing would change", ""
    else:
        holds, found, cure = None, "no task of it was run here", _NOT_RUN
    judge.rule(rule["id"], rule["title"], holds=holds, wanted=_WANTED, found=found, cure=cure)


def judge(measured: Mapping[str, Any], _promise: Mapping[str, Any]) -> list[Result]:
    """Judge {tasks: [{role, task, tags}], drift: [{..., message}], rules: [{id, title}], seconds} of one host."""
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
        wanted=_WANTED,
        found="; ".join(map(_said, others)) or f"nothing would change; asking took {measured['seconds']} s",
        cure=_CURE,
    )
    return result.results
