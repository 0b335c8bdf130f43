"""Lynis: index and warnings against what is promised; its suggestions as advice."""

from collections.abc import Mapping
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured


def judge(measured: Mapping[str, Any], promise: Mapping[str, Any]) -> list[Result]:
    """Compare `measured` (index, warnings, suggestions, version) with `promise` (index, warnings)."""
    if "unknown" in measured:
        return not_measured("lynis", measured)
    report = Judge("lynis")
    report.rule(
        "LYNIS-001",
        f"Hardening index of Lynis {measured['version']}",
        holds=measured["index"] >= promise["index"],
        wanted=f">= {promise['index']}",
        found=str(measured["index"]),
        cure="the suggestions below",
    )
    warnings = measured["warnings"]
    report.rule(
        "LYNIS-002",
        "Warnings of Lynis",
        holds=len(warnings) <= promise["warnings"],
        wanted=f"<= {promise['warnings']}",
        found="; ".join(warnings) or "none",
        cure="each warning names what to change",
    )
    for number, text in enumerate(measured["suggestions"], start=101):
        report.advise(f"LYNIS-{number}", text, found="suggested", cure="")
    return report.results
