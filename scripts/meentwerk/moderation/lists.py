"""Lists of blocked domains that others publish, in every shape there is; a bad row is told and never stops the rest.

Shapes: Mastodon's CSV export (columns begin with #), the CSV of fediblockhole and of administrators' spreadsheets, the
JSON of Mastodon's API, public and admin, RapidBlock as CSV (bare domains) and JSON, and a plain list of domains.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meentwerk.entries.problem import Place, Problem, Wrong, quoted
from meentwerk.moderation import names
from meentwerk.moderation.sections import STRICTNESS

MOST_ROWS = 200_000
TRUE, FALSE = frozenset({"true", "t", "1", "y", "yes"}), frozenset({"", "false", "f", "0", "n", "no"})
FLAGS = ("reject_media", "reject_reports", "obfuscate")
COLUMNS = ("domain", "severity", *FLAGS, "public_comment", "private_comment", "comment", "reason")


class Obfuscated(Wrong):
    """Says that a row hides its domain: nothing is wrong with it, and nothing can be done with it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One domain as a list has it."""

    domain: str
    severity: str
    line: int
    reject_media: bool = False
    reject_reports: bool = False
    obfuscate: bool = False
    public_comment: str = ""


@dataclass
class BlockList:
    """What could be read of a list, and what could not."""

    origin: str
    entries: dict[str, Listed] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    obfuscated: int = 0

    def add(self, file: Path, row: Mapping[str, Any], line: int, *, severity: str = "suspend") -> None:
        """Take one row over, or say what is wrong with it. The strictest of two rows for one domain holds."""
        try:
            entry = _entry(row, line, severity)
        except Obfuscated:
            self.obfuscated += 1
            return
        except Wrong as error:
            self.problems.append(Problem(Place(file, line, 1 if line else 0), "", error.wrong, error.cure))
            return
        known = self.entries.get(entry.domain)
        if known is None or STRICTNESS[entry.severity] > STRICTNESS[known.severity]:
            self.entries[entry.domain] = entry


def parse(text: str, file: Path, origin: str, shape: str = "auto", default: str = "suspend") -> BlockList:
    """Read a list; `default` is the severity of what it does not rate. `file` is where problems are said to be."""
    found = BlockList(origin)
    shape = _shape(text) if shape == "auto" else shape
    try:
        if shape in {"json", "rapidblock-json"}:
            _json(found, text, file, default)
        elif shape in {"domains", "rapidblock-csv"}:
            _domains(found, text, file, default)
        else:
            _csv(found, text, file, default)
    except Wrong as error:
        found.problems.append(Problem(Place(file, 1, 1), "", error.wrong, error.cure))
    except csv.Error as error:
        found.problems.append(
            Problem(Place(file, 1, 1), "", f"This is no CSV: {error}.", "Save it again as CSV in UTF-8.")
        )
    if not found.entries and not found.problems and not found.obfuscated:
        wrong = "No domain was found in this list."
        cure = "Look at it, and at its format. If it is empty for good, take the source out of the policy."
        found.problems.append(Problem(Place(file, 1, 1), "", wrong, cure))
    return found


def _shape(text: str) -> str:
    head = text.lstrip("\ufeff \t\r\n")[:1]
    if head in {"{", "["}:
        return "json"
    first = next((line for line in text.lstrip("\ufeff").splitlines() if line.strip()), "")
    words = {word.strip().strip('"').lstrip("#").strip().lower() for word in first.split(",")}
    return "csv" if "domain" in words else "domains"


def _csv(found: BlockList, text: str, file: Path, default: str) -> None:
    lines = io.StringIO(text.lstrip("\ufeff"), newline="")
    reader = csv.reader(lines, strict=True)
    header = next(reader, None)
    if header is None:
        return
    columns = [name.strip().lstrip("#").strip().lower() for name in header]
    if "domain" not in columns:
        wrong = f"The first line names no column «domain»: {quoted(','.join(header))}"
        raise Wrong(wrong, "Put the line #domain,#severity at the top, or set format: domains.")
    before = reader.line_num
    for number, row in enumerate(reader):
        line, before = before + 1, reader.line_num
        if number >= MOST_ROWS:
            raise Wrong(f"The list has more than {MOST_ROWS} rows.", "Is it the right file?")
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(columns):
            wrong = f"The row has {len(row)} cells, the first line names {len(columns)}."
            found.problems.append(Problem(Place(file, line, 1), "", wrong, "Put a text with a comma in double quotes."))
            continue
        found.add(file, dict(zip(columns, row, strict=False)), line, severity=default)


def _domains(found: BlockList, text: str, file: Path, default: str) -> None:
    for line, row in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        name = row.partition("#")[0].strip()
        if not name or (line == 1 and name.lower() == "domain"):
            continue
        found.add(file, {"domain": name}, line, severity=default)


def _json(found: BlockList, text: str, file: Path, default: str) -> None:
    try:
        data = json.loads(text.lstrip("\ufeff"))
    except ValueError as error:
        line = getattr(error, "lineno", 0)
        column = getattr(error, "colno", 0)
        wrong = f"This is no JSON: {getattr(error, 'msg', error)}."
        found.problems.append(Problem(Place(file, line, column), "", wrong, "Fetch the list again; it may be cut off."))
        return
    except RecursionError:
        raise Wrong("This JSON is nested too deeply to be a list.", "Is it the right file?") from None
    for number, row in enumerate(_rows(data), 1):
        if not isinstance(row, dict):
            wrong = f"Entry {number} is no object."
            found.problems.append(Problem(Place(file), f"entry {number}", wrong, 'Write {"domain": ...}.'))
            continue
        before = len(found.problems)
        found.add(file, row, 0, severity=default)
        # JSON keeps no lines: the number of the entry leads to it
        found.problems[before:] = [
            Problem(problem.place, f"entry {number}", problem.wrong, problem.cure)
            for problem in found.problems[before:]
        ]


def _rows(data: object) -> Iterator[object]:
    if isinstance(data, list):
        yield from data
        return
    blocks = data.get("blocks") if isinstance(data, dict) else None
    if not isinstance(blocks, dict):
        raise Wrong(
            "The JSON is neither a list of blocks nor a RapidBlock list.", "Set the format; see docs/moderation.md."
        )
    for name, about in blocks.items():
        if not isinstance(about, dict):
            yield None
            continue
        blocked = about.get("isBlocked")
        severity = "suspend" if blocked is True else "noop" if blocked is False else f"isBlocked: {blocked!r}"
        yield {"domain": name, "severity": severity, "public_comment": about.get("reason")}


def _entry(row: Mapping[str, Any], line: int, default: str) -> Listed:
    given = row.get("domain")
    if not isinstance(given, str):
        raise Wrong("The row names no domain.", "Write the domain in the column «domain».")
    name = given.strip()
    if "*" in name.removeprefix("*."):
        raise Obfuscated(f"{quoted(name)} is obfuscated.", "Ask its source for the full name.")
    severity = row.get("severity")
    severity = (severity.strip().lower() if isinstance(severity, str) else severity) or default
    if not isinstance(severity, str) or severity not in STRICTNESS:
        raise Wrong(f"{quoted(severity)} is no severity.", "Write noop, silence or suspend.")
    return Listed(
        names.domain(name.removeprefix("*.")),
        severity,
        line,
        _flag(row, "reject_media"),
        _flag(row, "reject_reports"),
        _flag(row, "obfuscate"),
        _text(row, "public_comment") or _text(row, "comment") or _text(row, "reason"),
    )


def _flag(row: Mapping[str, Any], name: str) -> bool:
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    if word not in FALSE:
        raise Wrong(f"{quoted(value)} in the column «{name}» is neither true nor false.", "Write true or false.")
    return False


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""
