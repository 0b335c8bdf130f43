"""What was done, step by step, so that an interrupted run is finished and not repeated; and one run at a time.

A journal belongs to an instance. Each line is a step, written before or after it as its name says, and on the disk
before anything else happens. It holds names, never a password, a token or a mailbox.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meentwerk.accounts.planning import Known
from meentwerk.console import note
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit
from meentwerk.files import sync_folder

MAKER = "Meentwerk onboarding"


def state_folder(host: str, chosen: Path | None = None) -> Path:
    """Return the private folder of an instance's journal, credentials and exports; it is made when it is missing."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    folder = chosen or home / "meentwerk" / "accounts" / host
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077:
        raise MeentwerkError(
            f"others can look into {folder}, which keeps passwords", f"chmod 700 {folder}", Exit.REFUSED
        )
    return folder


@contextmanager
def only_run(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the instance for this run; a second one waits, or is refused (exit 6)."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise MeentwerkError(
                    f"another run works on this instance (process {os.pread(descriptor, 20, 0).decode() or 'unknown'})",
                    "wait until it ends, or give --wait",
                    Exit.REFUSED,
                ) from None
            note("another run works on this instance: waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@dataclass
class Journal:
    """The steps of one instance. `attempt` names this run; accounts that it makes carry it on the server."""

    file: Path
    attempt: str = field(default_factory=lambda: secrets.token_hex(6))
    pictures: dict[str, dict[str, Known]] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)
    """Digest of the profile that was last set through an account's own token, where the server cannot be asked."""
    tokens: set[str] = field(default_factory=set)
    """Accounts for which a token may exist that was not revoked."""
    applications: dict[str, str] = field(default_factory=dict)
    """Which attempt registered which application, by the server's number."""

    @classmethod
    def open(cls, folder: Path) -> "Journal":
        """Read what was done so far. The last line may be half written: then its step did not begin."""
        journal = cls(folder / "journal.jsonl")
        try:
            content = journal.file.read_bytes()
        except FileNotFoundError:
            return journal
        lines = content.split(b"\n")
        for number, line in enumerate(lines):
            try:
                entry = json.loads(line) if line else None
            except ValueError:
                entry = None
                if number < len(lines) - 1:
                    raise MeentwerkError(
                        f"{journal.file}:{number + 1} is damaged", "restore it, or move it away: nothing is done twice"
                    ) from None
            if isinstance(entry, dict):
                journal._remember(entry)
        if lines[-1]:
            # Half a line: the next one must begin on its own
            with journal.file.open("r+b") as opened:
                opened.truncate(len(content) - len(lines[-1]))
        return journal

    @property
    def maker(self) -> str:
        """The name, on the server, of what made an account in this run."""
        return f"{MAKER} {self.attempt}"

    def attempt_of(self, maker: object) -> str | None:
        """Return the attempt that a maker's name carries, if it is one of ours."""
        text = str(maker or "")
        return text.removeprefix(f"{MAKER} ") if text.startswith(f"{MAKER} ") else None

    def maker_of(self, application: str) -> str | None:
        """Return the maker's name of an application that one of our runs registered."""
        attempt = self.applications.get(application)
        return f"{MAKER} {attempt}" if attempt else None

    def write(self, step: str, names: Sequence[str] = (), **more: Any) -> None:  # noqa: ANN401  # JSON
        """Add a step; it is on the disk when this returns."""
        entry = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "attempt": self.attempt, "step": step, **more}
        if names:
            entry["names"] = list(names)
        new = not self.file.exists()
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(entry).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            sync_folder(self.file.parent)
        self._remember(entry)

    def _remember(self, entry: Mapping[str, Any]) -> None:
        names = entry.get("names", [])
        match entry.get("step"):
            case "tokens":
                self.tokens.update(names)
            case "revoked":
                self.tokens.difference_update(names)
            case "pictures":
                for name, kinds in entry["pictures"].items():
                    known = self.pictures.setdefault(name, {})
                    known |= {kind: Known(**value) for kind, value in kinds.items()}
            case "application":
                self.applications[str(entry["application"])] = str(entry["attempt"])
            case "profile":
                self.profiles[names[0]] = str(entry.get("digest", ""))
