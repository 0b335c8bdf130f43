"""CSV for spreadsheet programs: what a person wrote in a profile never becomes a formula on an official's desk."""

import csv
import io
from collections.abc import Iterable, Sequence

# OWASP, «CSV Injection»: a cell that begins so is evaluated, also behind spaces
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def safe(cell: object) -> str:
    """Return a cell as text; an apostrophe before what a spreadsheet program would evaluate."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) else text


def text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV file with a byte order mark, which spreadsheet programs need to read UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return "\ufeff" + out.getvalue()
