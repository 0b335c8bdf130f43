"""How far systemd confines each service, by its own measure (systemd-analyze security)."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured

AREA = "units"


def _limit(unit: str, limits: Sequence[Mapping[str, Any]], otherwise: float) -> float:
    """The first pattern that fits rules."""
    return next((float(it["exposure"]) for it in limits if fnmatchcase(unit, it["unit"])), otherwise)


def _confined(result: Judge, it: Mapping[str, Any], promise: Mapping[str, Any]) -> None:
    unit, exposure = str(it["unit"]), it["exposure"]
    rule = f"UNITS-{unit.removesuffix('.service')}"
    found = "systemd gives no figure" if exposure is None else str(exposure)
    reason = next((why for pattern, why in promise.get("exempt", {}).items() if fnmatchcase(unit, pattern)), "")
    if reason:
        result.advise(rule, f"{unit} has no sandbox", found=f"{found}: {reason}", cure="")
        return
    limit = _limit(unit, promise["limits"], float(promise["network"]))
    result.rule(
        rule,
        f"{unit} is confined" + (", and listens on the network" if it["network"] else ""),
        holds=None if exposure is None else float(exposure) <= limit,
        wanted=f"exposure of {limit} or less",
        found=found,
        cure=f"systemd-analyze security {unit} says what is open; site.yml brings the drop-ins back.",
    )


def judge(measured: Mapping[str, Any], promise: Mapping[str, Any]) -> list[Result]:
    """Judge {units: [{unit, exposure, network}]} of running services.

    promise: {limits: [{unit, exposure, required}], network: ceiling of every other unit that listens on the network,
    exempt: {unit: why it has none}}. A unit is a pattern.
    """
    if "unknown" in measured:
        return not_measured(AREA, measured)
    result = Judge(AREA)
    for it in sorted(measured["units"], key=lambda unit: str(unit["unit"])):
        if it["network"] or any(fnmatchcase(it["unit"], limit["unit"]) for limit in promise["limits"]):
            _confined(result, it, promise)
    running = [str(it["unit"]) for it in measured["units"]]
    missing = [
        limit["unit"]
        for limit in promise["limits"]
        if limit.get("required", True) and not any(fnmatchcase(unit, limit["unit"]) for unit in running)
    ]
    if missing:
        result.rule(
            "UNITS-000",
            "Every promised service runs",
            holds=False,
            wanted="each of the promise",
            found=f"not running: {', '.join(missing)}",
            cure="systemctl status says why. Run site.yml.",
        )
    return result.results
