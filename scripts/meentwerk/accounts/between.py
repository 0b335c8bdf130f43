"""Rows against one another: the same name or mailbox twice, and names that a reader would confuse."""

from collections import defaultdict
from collections.abc import Sequence

from meentwerk.accounts import values
from meentwerk.accounts.findings import Finding
from meentwerk.accounts.reading import Row
from meentwerk.entries.problem import quoted


def check(rows: Sequence[Row]) -> list[Finding]:
    """Return what is wrong between rows; the later row of a pair is named."""
    return [
        *_same(rows, "username", "Mastodon does not tell upper and lower case apart: keep one."),
        *_same(rows, "email", "One mailbox has one account: give each its own, such as news+tides@ministry.example."),
        *_same(rows, "sso_id", "One identity has one account.", fold=False),
        *_alike(rows),
        *_departments(rows),
    ]


def _same(rows: Sequence[Row], column: str, cure: str, *, fold: bool = True) -> list[Finding]:
    first: dict[str, int] = {}
    found = []
    for row in rows:
        value = row.cells.get(column, "")
        key = value.lower() if fold else value
        if not key:
            continue
        if key in first:
            found.append(Finding(row.number, column, f"{quoted(value)} stands in row {first[key]} already.", cure))
        first.setdefault(key, row.number)
    return found


def _alike(rows: Sequence[Row]) -> list[Finding]:
    by_shape: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if name := row.cells.get("username", "").lower():
            by_shape[values.skeleton(name)].append(row)
    found = []
    for same in by_shape.values():
        for row in same[1:]:
            name, other = row.cells["username"], same[0].cells["username"]
            if name.lower() != other.lower():
                wrong = f"{quoted(name)} looks like {quoted(other)} in row {same[0].number}."
                cure = "Readers would confuse them, and impostors count on that: choose another name."
                found.append(Finding(row.number, "username", wrong, cure))
    return found


def _departments(rows: Sequence[Row]) -> list[Finding]:
    """A name that looks like another department's own speaks for the wrong one."""
    shapes = {values.skeleton(name.replace(" ", "")): name for row in rows if (name := row.cells.get("department", ""))}
    found = []
    for row in rows:
        name, own = row.cells.get("username", ""), row.cells.get("department", "")
        other = shapes.get(values.skeleton(name))
        if name and other and other.lower() != own.lower():
            wrong = f"{quoted(name)} looks like the department {quoted(other)}, and belongs to {quoted(own)}."
            found.append(Finding(row.number, "username", wrong, "Choose a name of the department's own."))
    return found
