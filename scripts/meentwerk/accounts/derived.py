"""What is made from the columns: the JSON Schema of a YAML list, the template of a CSV list, a page of all columns."""

import csv
import io
import json
from typing import Any

from meentwerk.accounts.columns import COLUMNS, MOST_FIELDS, Column, csv_columns
from meentwerk.accounts.limits import Limits
from meentwerk.entries import values as entry_values

SCHEMA, TEMPLATE, PAGE = "docs/accounts.schema.json", "docs/accounts-template.csv", "docs/accounts-columns.md"

HEAD = """\
# Columns of a list of accounts

Written by `scripts/generate-reference` from `scripts/meentwerk/accounts/columns.py`: change it there.
[accounts.md](accounts.md) says how a list is used, [accounts-template.csv](accounts-template.csv) is one to begin with,
[accounts.schema.json](accounts.schema.json) checks a YAML list while one types. What is left empty stays as it is
on the server.

| Column | Required | At most | Example | What it is |
| --- | --- | --- | --- | --- |
"""


def files() -> dict[str, str]:
    """Return the text of every derived file, by its path in the repository."""
    return {SCHEMA: schema(), TEMPLATE: template(), PAGE: page()}


def page() -> str:
    """Return the page with every column."""
    limits = Limits()
    rows = []
    for column in COLUMNS:
        most = str(getattr(limits, column.limit)) if column.limit else ""
        what = column.what + (
            f" One of {', '.join(f'`{choice}`' for choice in column.choices)}." if column.choices else ""
        )
        cells = (f"`{column.name}`", "yes" if column.required else "", most, f"`{column.example}`", what)
        rows.append(f"| {' | '.join(cells)} |")
    return HEAD + "\n".join(rows) + "\n"


def template() -> str:
    """Return a CSV list with one account, as a spreadsheet program opens it."""
    examples = {column.name: column.example for column in COLUMNS if column.name not in _LEFT_OUT}
    examples |= {"field_1_name": "Open", "field_1_value": "weekdays 9 to 17"}
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(csv_columns())
    writer.writerow([examples.get(name, "") for name in csv_columns()])
    return "\ufeff" + out.getvalue()


# What needs a policy or a file of its own would make the template a wrong list
_LEFT_OUT = frozenset(
    ("avatar", "avatar_description", "header", "header_description", "role", "sso_id", "exception_reason", "fields")
)


def schema() -> str:
    """Return the JSON Schema (draft 2020-12) of a YAML list."""
    account = {
        "type": "object",
        "additionalProperties": False,
        "required": [column.name for column in COLUMNS if column.required],
        "properties": {column.name: _property(column) for column in COLUMNS},
    }
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A list of accounts",
        "type": "object",
        "additionalProperties": False,
        "required": ["accounts"],
        "properties": {"accounts": {"type": "array", "minItems": 1, "items": account}},
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _property(column: Column) -> dict[str, Any]:
    limits = Limits()
    found: dict[str, Any] = {"description": column.what}
    text = {"type": "string", "minLength": 1}
    match column.kind:
        case "flag":
            return found | {"type": ["boolean", "string"]}
        case "words":
            return found | {"anyOf": [text, {"type": "array", "items": text, "maxItems": limits.attribution_domains}]}
        case "fields":
            pair = {"name": text, "value": text}
            item = {"type": "object", "additionalProperties": False, "required": ["name", "value"], "properties": pair}
            return found | {"type": "array", "maxItems": MOST_FIELDS, "items": item}
        case _:
            found |= {"type": "string", "examples": [column.example]}
    if column.choices:
        found["enum"] = list(column.choices)
    if column.name == "username":
        found["pattern"] = entry_values.USERNAME_PATTERN
    elif column.limit and column.name != "note":  # addresses in a note count as 23, which a schema cannot say
        found["maxLength"] = getattr(limits, column.limit)
    return found
