"""The register of exceptions: accounts of an organisation behind a person's mailbox, and why (BIO2 5.16.02)."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from meentwerk.accounts import csv_out
from meentwerk.accounts.account import Account
from meentwerk.files import replace_file

COLUMNS = ("username", "department", "email", "reason", "since")


def record(folder: Path, accounts: Sequence[Account]) -> Path | None:
    """Bring `exceptions.csv` in line with a list; entries of accounts that the list does not name stay."""
    file = folder / "exceptions.csv"
    known = {row["username"]: row for row in _rows(file)}
    before = {name: dict(row) for name, row in known.items()}
    for account in accounts:
        row = known.get(account.username)
        if account.exception_reason is None or account.state == "absent":
            known.pop(account.username, None)
        elif row is None or (row["reason"], row["email"]) != (account.exception_reason, account.email):
            values = (account.username, account.department, account.email, account.exception_reason)
            known[account.username] = dict(zip(COLUMNS, (*values, f"{datetime.now(UTC):%Y-%m-%d}"), strict=True))
    if known != before:
        rows = [[row[name] for name in COLUMNS] for row in known.values()]
        replace_file(file, csv_out.text(COLUMNS, rows), 0o600)
    return file if known else None


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8-sig")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{name: (row.get(name) or "").removeprefix("'") for name in COLUMNS} for row in rows]
