"""A backup: of the database where one is due, of the files always, into each repository by itself."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from . import pgbackrest, record, restic
from .tools import (
    BAD_INPUT,
    FINDINGS,
    PARTIAL,
    REFUSED,
    BackupError,
    Config,
    Repository,
    must,
    now,
    only_one,
    psql,
    read_json,
    tell,
    write_json,
)

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
ARCHIVED_WITHIN = 120  # seconds


def prepare(config: Config, *, check: bool) -> list[str]:
    """Make all repositories ready and let PostgreSQL archive there; names what changed or would.

    A repository that was in use and does not answer now stops nothing: the check is red, and the next run catches up.
    """
    used = read_json(config.state.with_suffix(".json")).get("repositories", {})
    changed = set()
    stanzas = []
    for repository in config.repositories:
        try:
            if pgbackrest.missing(config, repository):
                stanzas.append(repository.name)
            if restic.prepare(config, repository, check=check):
                changed.add(repository.name)
        except BackupError as error:
            if error.code == REFUSED or repository.name not in used:
                raise
            tell(f"meentwerk-backup: {error}")
    if stanzas and not check:
        pgbackrest.create(config)
    return sorted(changed | set(stanzas)) + (["postgresql"] if _settle(config, check=check) else [])


def _settle(config: Config, *, check: bool) -> bool:
    """Let the running PostgreSQL know its settings and its unit; tells whether it did not, which means a restart."""
    names = "', '".join(config.settings)
    lines = psql("postgres", f"SELECT name || '=' || setting FROM pg_settings WHERE name IN ('{names}')").splitlines()  # noqa: S608  (names of the role's own)
    known = dict(line.split("=", 1) for line in lines)
    dropin = Path(f"/etc/systemd/system/{config.unit}.d/50-backup.conf")
    shown = must(
        ["systemctl", "show", "--timestamp=unix", "--property=InactiveExitTimestamp", config.unit], "systemctl"
    )
    since = float(shown.strip().partition("=@")[2] or 0)
    if known == dict(config.settings) and dropin.stat().st_mtime <= since + 1:
        return False
    if not check:
        must(["systemctl", "daemon-reload"], "systemctl daemon-reload")
        must(["systemctl", "restart", config.unit], f"{config.unit} does not start again")
    return True


def run(config: Config, label: str = "", *, kind: str = "auto") -> dict[str, Any]:
    """Make a backup now. A repository that fails does not keep the others from theirs; BackupError names it at the end.

    A label makes the moment findable and the snapshot stay longer. `kind` is full, diff, incr or auto (what is due).
    """
    if label and not LABEL.fullmatch(label):
        raise BackupError(
            f"The label {label!r} is not 1 to 60 letters, digits, dots, hyphens and underscores.",
            BAD_INPUT,
        )
    with only_one():
        began = now()
        # A backup takes what is there: of an instance that waits for its release after a restore as well
        name = label or f"auto-{began:%Y%m%dT%H%M%SZ}"
        failed: dict[str, str] = {}
        state = dict(read_json(config.state.with_suffix(".json")).get("repositories", {}))
        for repository in config.repositories:
            entry = state.setdefault(repository.name, {})
            try:
                entry["database_kind"] = _database(config, repository, name, kind, began, labelled=bool(label))
                entry["database"] = _youngest(config, repository)
            except BackupError as error:
                failed[repository.name] = str(error)
        tell(f"recording the moment {name}")
        note = record.write(config, name)
        if not failed:  # where a repository does not answer, the log waits for it, and the others have theirs
            _archived(config, failed)
        for repository in config.repositories:
            entry = state[repository.name]
            try:
                tell(f"{repository.name}: files")
                summary = restic.back_up(config, repository, [f"label={name}", *(["labelled"] if label else [])])
                restic.forget(config, repository, prune=entry.get("database_kind") == "full")
                entry["files"] = now().isoformat()
                entry["snapshot"] = summary["snapshot_id"]
            except BackupError as error:
                failed[repository.name] = "; ".join(filter(None, [failed.get(repository.name, ""), str(error)]))
            entry["error"] = failed.get(repository.name, "")
        known = [it.name for it in config.repositories]
        report = {
            "label": name,
            "moment": note["database"]["time"],
            "repositories": {it: state[it] for it in known},
        }
        _remember(config, report, failed)
    if failed:
        raise BackupError("; ".join(failed.values()), PARTIAL if len(failed) < len(config.repositories) else FINDINGS)
    return report


def _database(config: Config, repository: Repository, label: str, kind: str, began: datetime, *, labelled: bool) -> str:
    """Back up the database if that is due or asked for; returns the kind that was made, empty for none."""
    answer = pgbackrest.info(config, repository)
    made = pgbackrest.due(answer, began, config.full_days, forced=labelled)
    if kind != "auto" and made != "full":
        made = kind
    if made:
        tell(f"{repository.name}: database, {made}")
        pgbackrest.back_up(config, repository, made, {"label": label, "domain": config.domain})
    return made


def _youngest(config: Config, repository: Repository) -> str:
    done = pgbackrest.backups(pgbackrest.info(config, repository))
    return pgbackrest.stopped(done[-1]).isoformat() if done else ""


def _archived(config: Config, failed: dict[str, str]) -> None:
    """Wait until the log up to the recorded moment has left this host; without it the moment cannot be gone back to."""
    query = (
        "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready' AND name < "
        "pg_walfile_name(pg_current_wal_lsn()) || '.ready'"
    )
    deadline = time.monotonic() + ARCHIVED_WITHIN
    while psql("postgres", query) != "0":
        if time.monotonic() > deadline:
            for repository in config.repositories:
                failed.setdefault(repository.name, "the database's log does not leave this host")
            return
        time.sleep(0.5)


def _remember(config: Config, report: dict[str, Any], failed: dict[str, str]) -> None:
    """Keep what happened for the check and for upgrades: `finished` is when all of it last lay in some repository."""
    path = config.state.with_suffix(".json")
    before = read_json(path)
    whole = [it for it in config.repositories if it.name not in failed]
    content = {**before, **report, "tried": now().isoformat()}
    if whole:
        content["finished"] = now().isoformat()
    write_json(path, content, 0o644)
