"""The files' part: restic, with its password and credentials from files and the environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from .tools import REFUSED, BackupError, Config, Repository, last_words, run

# restic's own exit codes (its manual, "Exit status codes")
_PARTLY, _NO_REPOSITORY, _WRONG_PASSWORD = 3, 10, 12
TAG = "meentwerk"


def call(
    config: Config, repository: Repository, *arguments: str, timeout: float = 86400
) -> subprocess.CompletedProcess[str]:
    """Run restic and leave the judgement of its exit code to the caller."""
    environment = {
        "RESTIC_PASSWORD_FILE": str(config.passphrase),
        "RESTIC_REPOSITORY": repository.restic,
        "RESTIC_CACHE_DIR": "/var/cache/meentwerk-backup",
        "RESTIC_PROGRESS_FPS": "0.1",
        **repository.environment,
    }
    return run(["/usr/bin/restic", *repository.options, *arguments], environment=environment, timeout=timeout)


def must(config: Config, repository: Repository, *arguments: str, timeout: float = 86400) -> str:
    """Run restic, which has to succeed."""
    done = call(config, repository, *arguments, timeout=timeout)
    if done.returncode == _WRONG_PASSWORD:
        raise BackupError(
            f"repository {repository.name} does not open with this instance's backup_passphrase: either that is wrong, "
            "or the repository is somebody else's.",
            REFUSED,
        )
    if done.returncode != 0:
        raise BackupError(f"repository {repository.name}: restic {arguments[0]}: {_reason(done)}")
    return done.stdout


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Read restic's last complaint, which is JSON when its output is."""
    for line in reversed((done.stderr or "").splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        text = said.get("message") or (said.get("error") or {}).get("message")
        if text:
            return " ".join(str(text).split())[:400]
    return last_words(done)[:400]


def prepare(config: Config, repository: Repository, *, check: bool) -> bool:
    """Make the repository where it is missing; tells whether that changed or would change something."""
    done = call(config, repository, "cat", "config", "--no-lock", timeout=120)
    if done.returncode == 0:
        return False
    if done.returncode != _NO_REPOSITORY:
        must(config, repository, "cat", "config", "--no-lock", timeout=120)
    if not check:
        must(config, repository, "init", timeout=120)
    return True


def back_up(config: Config, repository: Repository, tags: Sequence[str]) -> dict[str, Any]:
    """Take a snapshot of the files; returns restic's summary."""
    arguments = ["backup", "--json", "--host", config.instance, "--tag", ",".join([TAG, *tags]), "--exclude-caches"]
    arguments += [f"--exclude={it}" for it in config.excludes]
    done = call(config, repository, *arguments, "--", *config.paths)
    # A file that vanished while it was read (3) is no failure: the snapshot is there, and the next one is complete
    if done.returncode not in (0, _PARTLY):
        raise BackupError(f"repository {repository.name}: restic backup: {_reason(done)}")
    if summary := _summary(done.stdout):
        return summary
    raise BackupError(f"repository {repository.name}: restic backup gave no summary: {last_words(done)}")


def forget(config: Config, repository: Repository, *, prune: bool) -> None:
    """Drop old snapshots; labelled ones stay longer. Never where nothing may be deleted."""
    if repository.append_only:
        return
    arguments = ["forget", "--host", config.instance, "--group-by", "host", "--tag", TAG, *config.keep]
    must(config, repository, *arguments, *(["--prune"] if prune else []))


def snapshots(config: Config, repository: Repository) -> list[dict[str, Any]]:
    """List the snapshots, oldest first."""
    found = json.loads(must(config, repository, "snapshots", "--json", "--no-lock", "--tag", TAG, timeout=300) or "[]")
    return sorted(found or [], key=taken)


def taken(snapshot: Mapping[str, Any]) -> datetime:
    """Say when a snapshot was taken."""
    # Nanoseconds, which Python does not read
    text: str = snapshot["time"]
    whole, _, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    return datetime.fromisoformat((whole + zone).replace("Z", "+00:00"))


def label_of(snapshot: Mapping[str, Any]) -> str:
    """Give the label of the backup that a snapshot belongs to."""
    return next((tag.removeprefix("label=") for tag in snapshot.get("tags", []) if tag.startswith("label=")), "")


def record_of(config: Config, repository: Repository, snapshot: str) -> dict[str, Any]:
    """Read what a backup recorded of the instance."""
    text = must(config, repository, "dump", "--no-lock", snapshot, str(config.record), timeout=300)
    try:
        record: dict[str, Any] = json.loads(text)
    except ValueError:
        raise BackupError(
            f"repository {repository.name}: the record of snapshot {snapshot} is damaged.", REFUSED
        ) from None
    return record


def restore(config: Config, repository: Repository, snapshot: str, source: str, target: str, *extra: str) -> int:
    """Bring a folder of a snapshot back and compare each file with its hash; returns how many files were looked at."""
    arguments = ["restore", "--json", "--verify", f"{snapshot}:{source}", "--target", target, *extra]
    return int(_summary(must(config, repository, *arguments)).get("total_files", 0))


def _summary(output: str) -> dict[str, Any]:
    """Find restic's summary, the last of the objects that it prints one a line, among its words."""
    for line in reversed(output.splitlines()):
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("message_type") == "summary":
            return said
    return {}
