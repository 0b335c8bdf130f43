"""How a report is shown: lines for a screen, JSON for machines, one page that needs nothing else."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import jinja2

from meentwerk.checks.model import Result, Status, count
from meentwerk.checks.run import Report

_WIDTH = 110
_ORDER = (Status.FAIL, Status.UNKNOWN, Status.INFO, Status.PASS)


def _table(report: Report) -> Iterator[str]:
    yield f"{'area':<10} {'fail':>5} {'unknown':>8} {'info':>5} {'pass':>5}"
    for area, results in report.areas.items():
        counts = count(results)
        yield f"{area:<10} {counts['fail']:>5} {counts['unknown']:>8} {counts['info']:>5} {counts['pass']:>5}"


def _result(result: Result) -> Iterator[str]:
    yield f"{result.status:<8} {result.id}  {result.title}"
    for name in ("wanted", "found", "cure"):
        for number, line in enumerate(str(getattr(result, name)).splitlines()):
            first = f"  {name + ':' if number == 0 else '':<8}"
            yield from textwrap.wrap(
                line, _WIDTH, initial_indent=first, subsequent_indent=" " * 10, break_long_words=False
            )


def lines(report: Report) -> list[str]:
    """Give what a person reads on a screen: figures for each area, then everything that does not pass, worst first."""
    shown = [*_table(report)]
    for status in _ORDER[:-1]:
        for result in report.results:
            if result.status is status:
                shown += ["", *_result(result)]
    return shown


def page(report: Report) -> str:
    """Give the report as one HTML page without script, font or picture from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("meentwerk.checks", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    areas = {
        area: sorted(results, key=lambda result: _ORDER.index(result.status)) for area, results in report.areas.items()
    }
    counts = {area: count(results) for area, results in report.areas.items()}
    return environment.get_template("page.html.j2").render(
        report=report, areas=areas, counts=counts, total=count(report.results)
    )


def _write(path: Path, text: str) -> None:
    """Write a file for its owner only: findings are of use to an attacker first."""
    beside = path.with_suffix(path.suffix + ".new")
    beside.touch(mode=0o600)
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def write(report: Report, folder: Path) -> list[Path]:
    """Write HOST.json and HOST.html; return where."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    document, html = folder / f"{report.host}.json", folder / f"{report.host}.html"
    _write(document, json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n")
    _write(html, page(report))
    return [document, html]
