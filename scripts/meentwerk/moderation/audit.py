"""The audit log: one line of JSON for every change, appended and never rewritten (BIO2 8.15).

It also says what is Meentwerk's where a section has no comment for a mark: what was created here, under which id.
"""

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit
from meentwerk.moderation.plan import Change
from meentwerk.moderation.sections import Name

DONE = "done"
Made = dict[Name, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Run:
    """What all lines of one run have in common."""

    server: str
    account: str
    way: str
    plan: str
    overridden: tuple[str, ...] = ()


class AuditLog:
    """Appends lines to a file; the file is this user's alone."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def open(self) -> None:
        """Make sure that lines can be written, before anything is changed."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        except OSError as error:
            raise MeentwerkError(
                f"the audit log {self.file} cannot be written: {error.strerror}",
                "nothing is changed without it; give another place with --audit FILE",
                Exit.NOT_ALLOWED,
            ) from error

    def write(self, run: Run, entries: Iterable[tuple[Change, str, str]]) -> None:
        """Append a line for each (change, result, id), at once and for good."""
        lines = [json.dumps(_line(run, *entry), ensure_ascii=False) + "\n" for entry in entries]
        if not lines:
            return
        with self.file.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # several servers may be changed at once
            file.write("".join(lines))
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the lines; one that a crash cut short is passed over."""
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry

    def made(self, server: str) -> Made:
        """Return what Meentwerk made on a server and did not remove, by section: (key, id)."""
        found: dict[Name, set[tuple[str, str]]] = {}
        for line in self.lines():
            if line.get("server") != server or line.get("result") != DONE:
                continue
            section = found.setdefault(line["section"], set())
            if line["action"] in {"create", "adopt", "replace"}:
                section.add((line["key"], line["id"]))
            elif line["action"] == "delete":
                section.difference_update([one for one in section if one[0] == line["key"]])
        return {name: frozenset(keys) for name, keys in found.items()}


def operator() -> str:
    """Return who runs this: MEENTWERK_OPERATOR where one account is shared, else the user and machine."""
    return os.environ.get("MEENTWERK_OPERATOR") or f"{getpass.getuser()}@{socket.gethostname()}"


def _line(run: Run, change: Change, result: str, number: str) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "operator": operator(),
        "account": run.account,
        "server": run.server,
        "section": change.section,
        "action": change.action,
        "key": change.key,
        "before": change.before,
        "after": change.after,
        "reason": change.reason,
        "origin": list(change.origin),
        "overridden": list(run.overridden),
        "plan": run.plan,
        "way": run.way,
        "result": result,
        "id": number,
    }
