"""The CIS benchmark: the score against what is promised, and each rule that does not hold."""

from collections.abc import Mapping
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured


def judge(measured: Mapping[str, Any], promise: Mapping[str, Any]) -> list[Result]:
    """Compare `measured` (score 0 to 100, failed, left_out, values, version) with `promise` (score)."""
    if "unknown" in measured:
        return not_measured("cis", measured)
    report = Judge("cis")
    failed = measured["failed"]
    report.rule(
        "CIS-001",
        f"CIS Debian 13 Level 1 for servers, rules {measured['version']}",
        holds=measured["score"] >= promise["score"],
        wanted=f"score >= {promise['score']}",
        found=f"score {measured['score']}, {len(failed)} rules do not hold",
        cure="the rules that do not hold stand below; docs/controls.md says which role keeps which",
    )
    for number, rule in enumerate(failed, start=101):
        report.advise(f"CIS-{number}", rule["title"], found=f"{rule['result']} ({rule['severity']})", cure=rule["id"])
    if measured["left_out"]:
        report.advise(
            "CIS-002",
            "Rules left out, since a web server cannot keep them",
            found=", ".join(measured["left_out"]),
            cure="",
        )
    if measured["values"]:
        found = ", ".join(f"{name} = {value}" for name, value in sorted(measured["values"].items()))
        report.advise("CIS-003", "Parameters of the profile that are chosen here", found=found, cure="")
    return report.results
