"""Reads a list, CSV or YAML, into rows that know their place. What is wrong with the file is a finding, not a crash."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meentwerk.accounts.columns import BY_NAME, FIELD_COLUMNS, MOST_FIELDS, csv_columns
from meentwerk.accounts.findings import Finding
from meentwerk.entries.document import Document, parse
from meentwerk.entries.names import INVISIBLE
from meentwerk.entries.problem import nearest, quoted
from meentwerk.errors import UsageError

MOST_BYTES = 16 * 1024 * 1024
MOST_ROWS = 20_000
SEPARATORS = ";,\t"
_SAVE = "Save it as «CSV UTF-8», or as UTF-8 in an editor."


@dataclass
class Row:
    """One account as the file has it. `cells` holds what is not empty, by column; `fields` the profile's lines."""

    number: int
    cells: dict[str, str]
    fields: list[tuple[str, str]] | None = None
    unread: set[str] = field(default_factory=set)
    """Columns of which it was said already what is wrong."""


@dataclass
class Listed:
    """A list: its rows, and what is wrong with the file."""

    file: Path
    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def complain(self, row: int, column: str, wrong: str, cure: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(row, column, wrong, cure))


def read(file: Path) -> Listed:
    """Read a list by its name's end: .csv, .yml or .yaml. UsageError when it is no file of these."""
    kinds = {".csv": _csv, ".yml": _yaml, ".yaml": _yaml}
    kind = kinds.get(file.suffix.lower())
    if kind is None:
        raise UsageError(f"{file} is neither .csv nor .yml", "save the list as CSV UTF-8, or write it in YAML")
    try:
        if not file.is_file():
            raise UsageError(f"there is no file {file}", "give the list of accounts; docs/accounts.md has a template")
        if (size := file.stat().st_size) > MOST_BYTES:
            raise UsageError(
                f"{file} has {size >> 20} MB", f"a list has {MOST_BYTES >> 20} MB at most; is it the right file?"
            )
        raw = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", "check its owner and mode") from None
    listed = Listed(file)
    kind(listed, raw)
    if not listed.rows and not listed.findings:
        listed.complain(0, "", "There is no account in the list.", "docs/accounts.md has a template.")
    return listed


def _text(listed: Listed, raw: bytes) -> str | None:
    if raw.startswith(b"PK\x03\x04"):
        listed.complain(0, "", "The file is a workbook, not CSV.", "In the spreadsheet program: Save as, CSV UTF-8.")
        return None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw:
        listed.complain(0, "", "The file is written in UTF-16, or is no text at all.", _SAVE)
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        listed.complain(row, "", "This line has a character that is not written in UTF-8.", _SAVE)
        return None


def _csv(listed: Listed, raw: bytes) -> None:
    text = _text(listed, raw)
    if text is None:
        return
    skipped, separator = 0, ""
    if found := re.match(r"sep=(.)\r?\n", text):  # a spreadsheet program's own note to itself
        skipped, separator, text = 1, found[1], text[found.end() :]
    separator = separator or _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    start = 1 + skipped
    columns: list[str] | None = None
    try:
        for cells in reader:
            row, start = start, reader.line_num + 1 + skipped
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _heading(listed, cells, row)
                if listed.findings:
                    return
            elif len(listed.rows) >= MOST_ROWS:
                listed.complain(row, "", f"The list has more than {MOST_ROWS} accounts.", "Split it.")
                return
            else:
                _csv_row(listed, columns, cells, row)
    except csv.Error as error:
        wrong = "A quotation mark is not closed, or stands in the middle of a cell."
        if "field larger" in str(error):
            wrong = "A cell is far too long; probably a quotation mark is not closed."
        listed.complain(start, "", wrong, 'A cell with quotation marks is written "so ""and"" so".')


def _separator(text: str) -> str:
    """Return which of the separators stands most often in the heading, outside of quotation marks."""
    heading = re.sub(r'"[^"]*"', "", next(iter(text.splitlines()), ""))
    return max(SEPARATORS, key=heading.count)


def _heading(listed: Listed, cells: list[str], row: int) -> list[str]:
    known = csv_columns()
    names = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    if len(names) == 1 and names[0] not in known:
        listed.complain(row, "", "The heading has one column only.", "Separate the cells by commas or semicolons.")
        return names
    for number, name in enumerate(names):
        if not name:
            listed.complain(row, "", f"Column {number + 1} has no name.", "Name it, or take it out.")
        elif name not in known:
            near = nearest(name, known)
            cure = f"Did you mean {near}?" if near else f"Known columns: {', '.join(known)}."
            listed.complain(row, name[:60], f"{quoted(cells[number])} is no column.", cure)
        elif names.index(name) != number:
            listed.complain(row, name, "The column stands there twice.", "Keep one of them.")
    missing = [column.name for column in BY_NAME.values() if column.required and column.name not in names]
    for name in missing:
        listed.complain(row, name, "The column is missing.", "The first line names the columns; docs/accounts.md.")
    return names


def _csv_row(listed: Listed, columns: list[str], cells: list[str], row: int) -> None:
    if len(cells) < len(columns) or any(cell.strip() for cell in cells[len(columns) :]):
        wrong = f"The row has {len(cells)} cells, the heading {len(columns)}."
        listed.complain(row, "", wrong, "Is a separator missing or too many, or a quotation mark not closed?")
        return
    # Mastodon counts and keeps a line break as one character
    cells = [cell.replace("\r\n", "\n").replace("\r", "\n") for cell in cells]
    found = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
    unread = {name for name, cell in found.items() if _has_odd_character(listed, row, name, cell)}
    cells_of = {name: cell for name, cell in found.items() if name not in FIELD_COLUMNS}
    listed.rows.append(Row(row, cells_of, _fields(listed, row, found), unread))


def _fields(listed: Listed, row: int, cells: dict[str, str]) -> list[tuple[str, str]] | None:
    pairs = []
    for number in range(1, MOST_FIELDS + 1):
        name, value = (cells.get(f"field_{number}_{part}", "") for part in ("name", "value"))
        if bool(name) != bool(value):
            missing = "name" if value else "value"
            listed.complain(row, f"field_{number}_{missing}", "One half of the profile field is missing.", "Give both.")
        elif name:
            pairs.append((name, value))
    return pairs or None


def _has_odd_character(listed: Listed, row: int, column: str, text: str) -> bool:
    if odd := INVISIBLE.search(text):
        wrong = f"The cell has the invisible character U+{ord(odd[0]):04X}."
        listed.complain(row, column, wrong, "Type it anew; it came along with a copy.")
    return bool(odd)


def _yaml(listed: Listed, raw: bytes) -> None:
    if _text(listed, raw) is None:
        return
    document = Document(listed.file, most=MOST_ROWS * len(BY_NAME))
    parse(document, raw, is_entry=True)
    for problem in document.problems:
        listed.complain(problem.place.line, problem.field, problem.wrong, problem.cure)
    if listed.findings:
        return
    data = document.data
    items = data.get("accounts") if isinstance(data, dict) and set(data) == {"accounts"} else None
    if not isinstance(items, list):
        listed.complain(1, "", "The file does not hold the key accounts with a list.", "Begin it with «accounts:».")
        return
    for number, item in enumerate(items):
        row = document.place(("accounts", number)).line
        if isinstance(item, dict):
            _yaml_row(listed, document, number, item)
        else:
            listed.complain(row, "", "An account is a group of keys.", "Write «- username: name», the rest below it.")


def _yaml_row(listed: Listed, document: Document, number: int, item: dict[str, Any]) -> None:
    row = Row(document.place(("accounts", number)).line, {})
    for name, value in item.items():
        path = ("accounts", number, name)
        line = document.key_place(path).line
        if name not in BY_NAME:
            near = nearest(name, list(BY_NAME))
            listed.complain(
                line, name[:60], "There is no such key.", f"Did you mean {near}?" if near else "docs/accounts.md"
            )
        elif name == "fields":
            row.fields = list(_yaml_fields(listed, line, value))
        elif name == "attribution_domains" and isinstance(value, list) and all(isinstance(part, str) for part in value):
            row.cells[name] = " ".join(value)
        elif isinstance(value, bool) and BY_NAME[name].kind == "flag":
            row.cells[name] = "yes" if value else "no"
        elif isinstance(value, str):
            if value.strip():
                row.cells[name] = value.strip()
                if _has_odd_character(listed, line, name, value):
                    row.unread.add(name)
        elif value is not None:
            written = document.written.get(path, "")
            listed.complain(line, name, f"{quoted(written or type(value).__name__)} is no text.", "Put it in quotes.")
            row.unread.add(name)
    listed.rows.append(row)


def _yaml_fields(listed: Listed, line: int, value: object) -> Iterator[tuple[str, str]]:
    items = value if isinstance(value, list) else None
    for item in items if items is not None else [None]:
        good = isinstance(item, dict) and set(item) == {"name", "value"}
        if isinstance(item, dict) and good and all(isinstance(part, str) and part.strip() for part in item.values()):
            yield item["name"].strip(), item["value"].strip()
        else:
            cure = "Write a list of «- name: Open» with «value: weekdays 9 to 17» below it."
            listed.complain(line, "fields", "A profile field has a name and a value, both text.", cure)
