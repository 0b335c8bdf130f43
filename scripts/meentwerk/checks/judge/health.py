"""What the instance says of itself, and what its visitors get: asked by playbooks/tasks/check.yml."""

from collections.abc import Mapping
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured

AREA = "health"


def judge(measured: Mapping[str, Any], _promise: Mapping[str, Any]) -> list[Result]:
    """Judge {healthy, problem}: `problem` is what the task that failed said."""
    if "unknown" in measured:
        return not_measured(AREA, measured)
    result = Judge(AREA)
    result.rule(
        "HEALTH-001",
        "The instance serves, and is well inside",
        holds=bool(measured["healthy"]),
        wanted="every page answers with 200, and bin/check finds nothing",
        found="so it is" if measured["healthy"] else str(measured["problem"]),
        cure="On the host: sudo mastodon-run check, and systemctl list-units --failed.",
    )
    return result.results
