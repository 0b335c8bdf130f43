"""Follow lists as files: what Mastodon's import takes (Form::Import, BulkImportService), for the type `following`.

An import waits for its owner's word for an hour, in Valkey; its rows are followed within the request that gives it.
Accounts of other servers cannot be looked up here, so their rows are failures.
"""

import csv
import io
import json
import secrets
from typing import Any

from sqlalchemy import func, select
from starlette.datastructures import UploadFile

from . import errors, lookup, relations
from .context import Context
from .models import Account, Follow
from .params import boolean

FILE_BYTES = 20 * 1024 * 1024
ROWS = 20_000
FOLLOWS = 7500  # FollowLimitValidator::LIMIT
HEADERS = {"Show boosts": "reblogs", "Notify on new posts": "notify", "Languages": "languages"}
ACCOUNT = "Account address"
# First headers of the other kinds of files: such a file is not taken for a list without headers
OTHER_FIRST = {"#domain", "#uri", "List name"}
SECONDS = 3600

Row = dict[str, Any]


class WrongFileError(Exception):
    """The file is not taken; the message is what the page says."""


def rows_of(upload: UploadFile | None) -> list[Row]:
    """Parse a follow list: with headers, or one address a line."""
    content = upload.file.read(FILE_BYTES + 1) if upload is not None else b""
    if upload is None or not content.strip():
        raise WrongFileError("Empty CSV file" if upload is not None else "can't be blank")
    if len(content) > FILE_BYTES:
        raise WrongFileError("File is too large")
    try:
        lines = [line for line in csv.reader(io.StringIO(content.decode()), strict=True) if line]
    except (csv.Error, UnicodeDecodeError) as error:
        raise WrongFileError(f"Invalid CSV file. Error: {error}") from None
    if not lines:
        raise WrongFileError("Empty CSV file")
    header = lines[0]
    if header[0] in OTHER_FIRST:
        raise WrongFileError("Incompatible with the selected import type")
    if header[0] == ACCOUNT:
        lines = lines[1:]
    else:
        header = [ACCOUNT]
    if len(lines) > ROWS:
        raise WrongFileError(f"contains more than {ROWS} rows")
    return [_row(dict(zip(header, line, strict=False))) for line in lines]


def _row(line: dict[str, str]) -> Row:
    row: Row = {"acct": line[ACCOUNT].strip().removeprefix("@")}
    for header, name in HEADERS.items():
        if header not in line:
            continue
        value = line[header]
        if name == "languages":
            row[name] = [part.strip() for part in value.split(",") if part.strip()] or None
        else:
            row[name] = boolean(value.lower())
    return row


def keep(context: Context, account: Account, rows: list[Row], *, overwrite: bool) -> str:
    """Keep an import until its owner confirms it; return its name."""
    query = select(func.count()).select_from(Follow).where(Follow.account_id == account.id)
    room = FOLLOWS - (0 if overwrite else context.session.scalar(query) or 0)
    if len(rows) > room:
        raise WrongFileError(f"You can only follow up to {FOLLOWS} accounts")
    name = secrets.token_hex(8)
    content = {"rows": rows, "overwrite": overwrite, "state": "unconfirmed", "imported": 0, "failures": []}
    _store(context, account, name, content)
    return name


def find(context: Context, account: Account, name: str) -> dict[str, Any]:
    """Return an import of this account; 404 otherwise."""
    text = context.valkey.get(_key(account, name))
    if text is None:
        raise errors.record_not_found()
    found: dict[str, Any] = json.loads(text)
    return found


def perform(context: Context, account: Account, name: str) -> None:
    """Follow every row that can be followed; with `overwrite`, leave whom the list does not name."""
    content = find(context, account, name)
    if content["state"] != "unconfirmed":
        raise errors.record_not_found()
    wanted = set()
    for row in content["rows"]:
        target = lookup.by_handle(context.session, context.config, row["acct"])
        if target is None or target.unavailable or target.id == account.id:
            content["failures"].append(row)
            continue
        wanted.add(target.id)
        options = {"show_reblogs": row.get("reblogs"), "notify": row.get("notify"), "languages": row.get("languages")}
        relations.follow(context, account, target, {key: v for key, v in options.items() if v is not None})
        content["imported"] += 1
    if content["overwrite"]:
        query = select(Follow.target_account_id).where(Follow.account_id == account.id)
        for other in set(context.session.scalars(query)) - wanted:
            relations.unfollow(context, account.id, other)
    _store(context, account, name, {**content, "state": "finished"})


def failures(content: dict[str, Any]) -> str:
    """Return the rows that could not be followed, as a file that can be imported again."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([ACCOUNT, *HEADERS])
    for row in content["failures"]:
        flags = [str(row.get("reblogs", True)).lower(), str(row.get("notify", False)).lower()]
        writer.writerow([row["acct"], *flags, ", ".join(row.get("languages") or [])])
    return out.getvalue()


def _key(account: Account, name: str) -> str:
    return f"import:{account.id}:{name}"


def _store(context: Context, account: Account, name: str, content: dict[str, Any]) -> None:
    context.valkey.set(_key(account, name), json.dumps(content), ex=SECONDS)
