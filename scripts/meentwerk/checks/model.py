"""What a check says: one result for each rule, and the counts over them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

AREAS = ("health", "controls", "sockets", "tls", "headers", "ssh", "units", "dns", "cis", "lynis")


class Status(StrEnum):
    """How a rule stands."""

    PASS = "pass"  # noqa: S105  # no password
    """Measured, and as promised."""
    FAIL = "fail"
    """Measured, and not as promised: drift."""
    UNKNOWN = "unknown"
    """Not measured; `found` says why, `cure` what would make it known. Never a pass."""
    INFO = "info"
    """Advice about something that nobody promised."""


@dataclass(frozen=True)
class Result:
    """One rule, as it was found. All texts are for people; none holds a secret."""

    id: str
    area: str
    title: str
    status: Status
    wanted: str
    found: str
    cure: str = ""

    def as_dict(self) -> dict[str, str]:
        """Give the record as it stands in the JSON report."""
        return {name: str(value) for name, value in asdict(self).items()}


class Judge:
    """Collects the results of one area; a rule is one call, and a cure is shown only where something is to cure."""

    def __init__(self, area: str) -> None:
        self.area = area
        self.results: list[Result] = []

    def rule(self, rule_id: str, title: str, *, holds: bool | None, wanted: str, found: str, cure: str) -> None:
        """Record a rule that holds, does not, or (None) could not be measured."""
        status = Status.UNKNOWN if holds is None else Status.PASS if holds else Status.FAIL
        shown = "" if status is Status.PASS else cure
        self.results.append(Result(rule_id, self.area, title, status, wanted, found, shown))

    def advise(self, rule_id: str, title: str, *, found: str, cure: str, wanted: str = "") -> None:
        """Record something that is not promised but worth knowing."""
        self.results.append(Result(rule_id, self.area, title, Status.INFO, wanted, found, cure))


def not_measured(area: str, measured: Mapping[str, Any]) -> list[Result]:
    """Give the one result of an area whose `measured` says {unknown: why, cure: what would help}."""
    title = f"Measure {area}"
    cure = str(measured.get("cure", ""))
    return [Result(f"{area.upper()}-000", area, title, Status.UNKNOWN, "a measurement", str(measured["unknown"]), cure)]


def count(results: Iterable[Result]) -> dict[str, int]:
    """Count the results by status; each status has a number."""
    found = Counter(result.status for result in results)
    return {str(status): found[status] for status in Status}
