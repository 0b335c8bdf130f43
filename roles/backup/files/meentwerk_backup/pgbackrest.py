"""The database's part: pgBackRest, asked as the user postgres."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .tools import REFUSED, BackupError, Config, Repository, as_postgres, last_words, psql, run, tell

_DAY = 86400
# What `info` calls the state of a stanza
_FINE, _NO_STANZA, _NO_BACKUP = 0, 1, 2


def call(config: Config, repository: Repository | None, command: str, *options: str, timeout: float = 86400) -> str:
    """Run pgBackRest; a BackupError carries its last line, in which it never shows a key."""
    chosen = [f"--repo={repository.number}"] if repository else []
    done = run(as_postgres("pgbackrest", f"--stanza={config.stanza}", *chosen, *options, command), timeout=timeout)
    if done.returncode != 0:
        place = f"repository {repository.name}: " if repository else ""
        raise BackupError(f"{place}pgBackRest {command}: {last_words(done, 2)}")
    return done.stdout


def info(config: Config, repository: Repository) -> dict[str, Any]:
    """Say what a repository holds of this instance; {} where it holds nothing. BackupError where it cannot be read."""
    (answer,) = json.loads(call(config, repository, "info", "--output=json", timeout=120)) or [{}]
    states = [it for it in answer.get("repo", []) if it["key"] == repository.number]
    for state in states:
        # A file that cannot be decrypted is reported here, with exit code 0
        if state["status"]["code"] not in (_FINE, _NO_STANZA, _NO_BACKUP):
            reason = state["status"]["message"].strip().splitlines()[0]
            if "[ServiceError]" in reason or "[HostConnectError]" in reason or "unable to" in reason:
                raise BackupError(f"repository {repository.name} does not answer: {reason}")
            raise BackupError(
                f"repository {repository.name} cannot be read: {reason}. "
                "Is backup_passphrase the one it was made with, and is the repository whole?",
                REFUSED,
            )
    return answer if answer.get("db") else {}


def backups(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the usable backups, oldest first."""
    return [it for it in answer.get("backup", []) if not it.get("error")]


def stopped(backup: Mapping[str, Any]) -> datetime:
    """Say when a backup was complete."""
    return datetime.fromtimestamp(backup["timestamp"]["stop"], UTC)


def system_identifier() -> str:
    """Give the number by which PostgreSQL tells clusters apart."""
    return psql("postgres", "SELECT system_identifier FROM pg_control_system()")


def missing(config: Config, repository: Repository) -> bool:
    """Tell whether a repository holds nothing of this instance yet.

    One that holds the backups of another cluster is refused: that cluster is what a restore brings back.
    """
    found = info(config, repository)
    if not found:
        return True
    theirs, mine = str(found["db"][-1]["system-id"]), system_identifier()
    if theirs != mine:
        raise BackupError(
            f"repository {repository.name} holds backups of {config.instance} from another database cluster "
            f"(its identifier is {theirs}, here it is {mine}). If this host replaces a lost one, "
            "run playbooks/restore.yml. If they are not wanted, move the repository away. Nothing was changed.",
            REFUSED,
        )
    return False


def create(config: Config) -> None:
    """Make the repositories that are missing ready for this cluster."""
    call(config, None, "stanza-create", "--no-online", timeout=300)


def due(answer: Mapping[str, Any], now: datetime, full_days: int, *, forced: bool) -> str:
    """Say which kind of backup is due: full, diff, incr, or none where the last one is young enough."""
    done = backups(answer)
    full = [it for it in done if it["type"] == "full"]
    if not full or (now - stopped(full[-1])).total_seconds() > full_days * _DAY:
        return "full"
    regular = [it for it in done if it["type"] in ("full", "diff")]
    if (now - stopped(regular[-1])).total_seconds() > _DAY:
        return "diff"
    return "incr" if forced else ""


def back_up(config: Config, repository: Repository, kind: str, annotations: Mapping[str, str]) -> None:
    """Make a backup of the running cluster."""
    notes = [f"--annotation={name}={value}" for name, value in annotations.items()]
    # Where nothing may be deleted, old backups are removed by somebody with more rights
    keep = ["--no-expire-auto"] if repository.append_only else []
    call(config, repository, "backup", f"--type={kind}", *keep, *notes)


def restore(config: Config, repository: Repository, stage: Path, options: Sequence[str]) -> None:
    """Bring a backup's files into a folder.

    By SFTP, pgBackRest leaves each file that it read open on the server, which allows a thousand for a connection
    (https://github.com/pgbackrest/pgbackrest/issues/2772): several connections share the work, and it goes on where the
    server stopped it, as long as each round brings files.
    """
    # Without the background process, which shares a lock with the one that sends the present cluster's log away.
    # 1 is a file that is not there; any other failure must end recovery (exit codes above 125 do), because PostgreSQL
    # would take a damaged file for the end of the log, or go on in a history that was given up
    fetch = (
        f"--recovery-option=restore_command=pgbackrest --stanza={config.stanza} --repo={repository.number} "
        f'--pg1-path={stage} --no-archive-async archive-get %f "%p"; code=$?; [ $code -le 1 ] || exit 200; exit $code'
    )
    brought = -1
    while True:
        try:
            call(config, repository, "restore", f"--pg1-path={stage}", "--process-max=4", fetch, *options)
        except BackupError as error:
            before, brought = brought, sum(1 for it in stage.rglob("*") if it.is_file() and it.stat().st_size)
            if "sftp error [4]" not in str(error) or brought <= before:
                raise
            tell(f"{brought} files so far")
        else:
            return


def target_options(target: Mapping[str, Any]) -> Sequence[str]:
    """Translate where recovery has to stop into pgBackRest's words."""
    if target["kind"] == "latest":
        return ["--type=default"]
    kind = (
        ["--type=lsn", f"--target={target['lsn']}"]
        if target["kind"] == "label"
        else ["--type=time", f"--target={target['time']}"]
    )
    line = [f"--target-timeline={target['timeline']}"] if target.get("timeline") else []
    return [*kind, *line, "--target-action=promote"]


def timeline(base: Mapping[str, Any], wanted: int) -> str:
    """Name the timeline to follow from a backup; `current` where it is the backup's own.

    A repository that was begun after a restore lacks the history of that timeline, which is asked for by number only.
    """
    return "current" if int(base["archive"]["start"][:8], 16) == wanted else str(wanted)


def archive_end(answer: Mapping[str, Any]) -> str:
    """Name the last file of the log in the archive; empty where there is none."""
    return max((it["max"] for it in answer.get("archive", []) if it.get("max")), default="")
