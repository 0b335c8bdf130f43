"""CSV from elsewhere, row by row: UTF-8 with or without mark, comma, semicolon or tab, bounded rows."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from meentwerk.errors import UsageError

MAX_FIELD = 64 * 1024


def rows(path: Path, required: Sequence[str], delimiter: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and row; UsageError for a file without the columns, or that is no CSV."""
    csv.field_size_limit(MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            found = delimiter or max(",;\t", key=head.count)
            reader = csv.DictReader(file, delimiter=found, strict=True)
            columns = [name.strip() for name in reader.fieldnames or []]
            missing = [name for name in required if name not in columns]
            if missing:
                cure = f"its columns are: {', '.join(columns)[:300] or 'none'}; correct `columns` in the configuration"
                raise UsageError(f"{path}: there is no column {missing[0]!r}", cure)
            reader.fieldnames = columns
            for row in reader:
                yield (
                    reader.line_num,
                    {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)},
                )
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: this is no CSV: {error}", "get the file again") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is no UTF-8", "save the file as CSV in UTF-8") from None
