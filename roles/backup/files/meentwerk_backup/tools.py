"""What every part needs: errors for people, configuration, and running other programs without showing a secret."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CONFIG = Path("/etc/meentwerk/backup/config.json")
LOCK = Path("/run/meentwerk-backup.lock")
# The exit codes of docs/architecture.md
DONE, UNEXPECTED, BAD_INPUT, FINDINGS, PARTIAL, REFUSED, GAVE_UP = 0, 1, 2, 3, 4, 6, 7


class BackupError(Exception):
    """An error a person can act on, with the exit code that tells scripts what kind it is."""

    def __init__(self, message: str, code: int = UNEXPECTED) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Repository:
    """One target: pgBackRest knows it by its number, restic by its address and environment."""

    name: str
    number: int
    append_only: bool
    restic: str
    options: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Config:
    """What the role wrote down for this host."""

    instance: str
    domain: str
    stanza: str
    repositories: Sequence[Repository]
    settings: Mapping[str, str]
    database: str
    unit: str
    data: Path
    configuration: Path
    programs: Path
    media: Path
    paths: Sequence[str]
    excludes: Sequence[str]
    environment_file: Path
    releases: Path
    hold: Path
    valkey_data: Path
    valkey_unit: str
    state: Path
    record: Path
    passphrase: Path
    keep: Sequence[str]
    full_days: int
    max_age_database: int
    max_age_files: int

    @property
    def valkey_copy(self) -> Path:
        """Where the copy of Valkey's append-only files lies that a snapshot takes along."""
        return self.state / "valkey"

    @property
    def current(self) -> Path:
        """The link to the release in service."""
        return self.releases / "current"


def load(path: Path = CONFIG) -> Config:
    """Read the configuration."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackupError(
            f"{path} is missing: no backup is configured on this host (role backup).", BAD_INPUT
        ) from None
    values["repositories"] = [
        Repository(number=number, **given) for number, given in enumerate(values["repositories"], 1)
    ]
    for name, kind in Config.__annotations__.items():
        if kind == "Path":
            values[name] = Path(values[name])
    return Config(**values)


def tell(text: str) -> None:
    """Say how far it is: to the journal when a timer started it, to the terminal otherwise."""
    print(text, file=sys.stderr, flush=True)


def now() -> datetime:
    """Give the moment, without fractions: it is written down and compared."""
    return datetime.now(UTC).replace(microsecond=0)


def run(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; secrets go by environment or file, never by argument."""
    try:
        return subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise BackupError(f"{Path(command[0]).name} did not answer within {timeout:.0f} seconds", GAVE_UP) from None


def must(command: Sequence[str], what: str, *, timeout: float | None = None) -> str:
    """Run a program that has to succeed; returns what it printed."""
    done = run(command, timeout=timeout)
    if done.returncode != 0:
        raise BackupError(f"{what}: {last_words(done)}")
    return done.stdout


def last_words(done: subprocess.CompletedProcess[str], lines: int = 3) -> str:
    """Give the end of what a failed program said, on one line."""
    said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return " ".join(said[-lines:]) or f"ended with {done.returncode}"


def as_postgres(*command: str) -> list[str]:
    """Give the command that runs another as the user postgres."""
    return ["/usr/sbin/runuser", "-u", "postgres", "--", *command]


def psql(database: str, query: str, *, socket: str = "/run/postgresql", timeout: float = 600) -> str:
    """Ask PostgreSQL on this host; BackupError with its answer where it refuses."""
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", socket, "-d", database, "-c", query]
    done = run(as_postgres(*command), timeout=timeout)
    if done.returncode != 0:
        raise BackupError(f"PostgreSQL: {last_words(done)}")
    return done.stdout.strip()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; {} where there is none, or only a damaged one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: Mapping[str, Any], mode: int = 0o640) -> None:
    """Write a file as a whole: who reads it meanwhile sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


@contextlib.contextmanager
def only_one(wait: float = 3600) -> Iterator[None]:
    """Let no backup and no restore run beside another."""
    with LOCK.open("w") as file:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BackupError(
                        "Another backup or restore runs on this host. Try again later.", GAVE_UP
                    ) from None
                time.sleep(1)
        yield
