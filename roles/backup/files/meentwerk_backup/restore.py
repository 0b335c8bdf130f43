"""Bring an instance back: the database beside the present one first, and in its place only when it is whole."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import pgbackrest, record, restic
from . import plan as planning
from .tools import (
    REFUSED,
    BackupError,
    Config,
    Repository,
    as_postgres,
    must,
    now,
    only_one,
    psql,
    read_json,
    run,
    tell,
    write_json,
)

SOCKETS = Path("/run/meentwerk-restore")
RECOVERY_SECONDS = 86400
BEFORE = "before-restore"


def restore(config: Config, plan: Mapping[str, Any], consent: str) -> dict[str, Any]:
    """Do what a plan says; returns what was found afterwards. Until the new database is whole, nothing is changed."""
    if plan["problems"]:
        raise BackupError("Refused, and nothing was changed: " + "; ".join(plan["problems"]) + ".", REFUSED)
    if planning.has_data(plan) and consent != config.domain:
        raise BackupError(
            f"This host holds data of {config.domain} that would be replaced. Say its domain to agree "
            f"(--consent {config.domain}). Nothing was changed.",
            REFUSED,
        )
    began = time.monotonic()
    note = plan["record"]
    report: dict[str, Any] = {
        "began": now().isoformat(),
        "what": plan["what"],
        "target": plan["target"],
        "repository": plan["repository"],
        "backup": note["label"],
        "backup_moment": note["database"]["time"],
        "release": note["release"],
    }
    source = planning.choose(config, plan["repository"])
    with only_one():
        try:
            report |= _bring(config, source, plan)
        except BackupError as error:
            for place in (_stage_of(config), _valkey_stage_of(config)):
                shutil.rmtree(place, ignore_errors=True)
            raise BackupError(f"{error} The present database was not touched.", REFUSED) from None
        if plan["database"]:
            hold(config, plan)
            _swap(config, plan)
            report["rows"] = {name: it["rows"] for name, it in record.counts(config.database).items()}
        report["finished"] = now().isoformat()
        report["seconds"] = round(time.monotonic() - began, 1)
        write_json(config.state.with_name("restore.json"), report, 0o644)
    return report


def _bring(config: Config, source: Repository, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Bring everything beside the present data; returns what was found."""
    report: dict[str, Any] = {}
    if plan["database"]:
        _stage(config, source, plan)
        report |= _recover(config, source, plan, _stage_of(config))
    if plan["what"] != "database":
        report["media_files"] = _media(config, source, plan)
    if plan["what"] == "all" and plan["record"].get("valkey"):
        _fetch_valkey(config, source, plan)
    return report


def _stage_of(config: Config) -> Path:
    return config.data.with_name(f"{config.data.name}.restoring")


def _valkey_stage_of(config: Config) -> Path:
    return config.valkey_data / "appendonlydir.restoring"


def _fresh(path: Path) -> None:
    """Make an empty folder that belongs to postgres."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    shutil.chown(path, "postgres", "postgres")


def _stage(config: Config, source: Repository, plan: Mapping[str, Any]) -> None:
    """Bring the database's files into a folder beside the present ones; pgBackRest compares each with its checksum."""
    stage = _stage_of(config)
    tell(f"restoring {plan['database']['bytes'] // 2**20} MB of the database beside the present one")
    _stop_stage(config, stage)
    config.data.parent.mkdir(parents=True, exist_ok=True)
    shutil.chown(config.data.parent, "postgres", "postgres")
    _fresh(stage)
    options = [f"--set={plan['database']['set']}", *pgbackrest.target_options(plan["target"])]
    pgbackrest.restore(config, source, stage, options)


def _control(config: Config, stage: Path, *arguments: str) -> list[str]:
    return as_postgres(str(config.programs / "pg_ctl"), "-D", str(stage), *arguments)


def _stop_stage(config: Config, stage: Path) -> None:
    if (stage / "postmaster.pid").exists():
        run(_control(config, stage, "-m", "fast", "-w", "-t", "600", "stop"))


def _recover(config: Config, source: Repository, plan: Mapping[str, Any], stage: Path) -> dict[str, Any]:
    """Replay the log up to the target in a server of its own that nobody reaches, and compare what it then holds."""
    _fresh(SOCKETS)
    log = SOCKETS / "recovery.log"
    settings = {
        "config_file": config.configuration / "postgresql.conf",
        "data_directory": stage,
        "external_pid_file": "",
        "listen_addresses": "",
        "unix_socket_directories": SOCKETS,
        # What follows is archived only when it is in place: the files wait, and none is lost
        "archive_mode": "on",
        "archive_command": "/bin/false",
        "log_destination": "stderr",
        "log_min_messages": "log",
        "shared_buffers": "128MB",
    }
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    tell("replaying the log")
    try:
        start = _control(config, stage, "-o", options, "-l", str(log), "-W", "start")
        must(start, "the restored database does not start", timeout=600)
        _follow(config, stage, log)
        words = log.read_text(encoding="utf-8", errors="replace")
        _complete(pgbackrest.info(config, source), plan, words)
        report = _compare(config, plan)
        last = re.findall(r"last completed transaction was at log time (\S+ \S+)", words)
        # PostgreSQL writes 2026-05-01 12:00:00.123456+00
        report["recovery_point"] = f"{last[-1].replace(' ', 'T')}:00" if last else ""
    except BackupError:
        _stop_stage(config, stage)
        raise
    must(_control(config, stage, "-m", "fast", "-w", "-t", "600", "stop"), "the restored database does not stop")
    return report


def _follow(config: Config, stage: Path, log: Path) -> None:
    """Wait until recovery is over and the server has become one that could be written to."""
    began = time.monotonic()
    told = began
    while True:
        try:
            if psql("postgres", "SELECT pg_is_in_recovery()", socket=str(SOCKETS), timeout=60) == "f":
                return
        except BackupError:
            # It does not answer yet; or it has ended
            if run(_control(config, stage, "status")).returncode != 0:
                raise BackupError(_why(log.read_text(encoding="utf-8", errors="replace"))) from None
        if time.monotonic() - told > 15:  # noqa: PLR2004  (seconds between two signs of life)
            told = time.monotonic()
            restored = re.findall(r'restored log file "(\w+)"', log.read_text(encoding="utf-8", errors="replace"))
            tell(f"replaying the log: {len(restored)} files so far")
        if time.monotonic() - began > RECOVERY_SECONDS:
            raise BackupError(f"replaying the log took more than {RECOVERY_SECONDS // 3600} hours")
        time.sleep(0.3)


def _why(words: str) -> str:
    """Say why recovery ended."""
    fatal = [line.split("FATAL:")[-1].strip() for line in words.splitlines() if "FATAL:" in line]
    reason = next((it for it in fatal if not it.startswith("the database system is")), "it ended without a word")
    if "before configured recovery target" in reason:
        return "The archive ends before the moment asked for, or lacks a file of the log on the way there."
    if "could not restore file" in reason:
        return f"A file of the log in the archive is damaged: {reason}. Take another repository (restore_repository)."
    return f"The log cannot be replayed: {reason}."


def _complete(answer: Mapping[str, Any], plan: Mapping[str, Any], words: str) -> None:
    """Make sure that recovery to the latest moment used all of the archive, to its last file.

    PostgreSQL takes a file that is missing for the end of the log, and would come up without what follows.
    """
    if plan["target"]["kind"] != "latest":
        return
    end = pgbackrest.archive_end(answer)
    used = re.findall(r'restored log file "([0-9A-F]{24})" from archive', words)
    if not end or end in used:
        return
    raise BackupError(
        f"The log was replayed to its file {max(used, default='none')}, and the archive goes on to {end}: a file in "
        "between is missing. Take another repository (restore_repository), or the last good moment with restore_time."
    )


def _compare(config: Config, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Compare the rows that came back with what the backup recorded."""
    target, noted = plan["target"], plan["record"]["database"]
    recorded = noted["counts"]
    if target["kind"] == "time" and planning.moment(target["time"]) < planning.moment(noted["time"]):
        return {"compared": "nothing: the moment lies before the one that was recorded"}
    found = record.counts(config.database, recorded, socket=str(SOCKETS))
    wrong = record.differences(recorded, found, exact=target["kind"] == "label")
    if wrong:
        raise BackupError("What came back is not what was recorded: " + "; ".join(wrong) + ".")
    gone = {name: was["rows"] - found[name]["rows"] for name, was in recorded.items()}
    return {
        "compared": {name: was["rows"] for name, was in recorded.items()},
        "deleted_since": {name: number for name, number in gone.items() if number},
    }


def _media(config: Config, source: Repository, plan: Mapping[str, Any]) -> int:
    """Add what is missing or damaged; what was uploaded later stays, since nothing refers to it."""
    tell("restoring media")
    config.media.mkdir(parents=True, exist_ok=True)
    files = plan["files"]
    number = restic.restore(config, source, files["snapshot"], str(config.media), str(config.media))
    if files["later"]:
        # Between two snapshots files came and went: both together hold all that the moment in between had
        restic.restore(config, source, files["later"], str(config.media), str(config.media), "--overwrite", "never")
    # Numbers of users differ between hosts
    run(["chown", "--recursive", "mastodon:www-data", str(config.media)])
    return number


def _fetch_valkey(config: Config, source: Repository, plan: Mapping[str, Any]) -> None:
    tell("restoring Valkey's queues")
    stage = _valkey_stage_of(config)
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o750)
    restic.restore(config, source, plan["files"]["snapshot"], str(config.valkey_copy), str(stage))
    run(["chown", "--recursive", "valkey:valkey", str(stage)])


def hold(config: Config, plan: Mapping[str, Any]) -> None:
    """From here on Sidekiq does not start, after a reboot neither, until an operator releases it."""
    reason = f"restored to {plan['target'].get('time') or 'the latest moment'}"
    write_json(config.hold, {"since": now().isoformat(), "reason": reason}, 0o644)


def _swap(config: Config, plan: Mapping[str, Any]) -> None:
    """Stop the instance and put what was restored in the place of what was there, which stays beside it."""
    tell("stopping the instance and putting the restored database in place")
    run(["systemctl", "stop", "mastodon.target", "mastodon-*@*.service"])
    must(["systemctl", "stop", config.unit], f"{config.unit} does not stop")
    _exchange(config.data)
    if _valkey_stage_of(config).is_dir():
        must(["systemctl", "stop", config.valkey_unit], f"{config.valkey_unit} does not stop")
        _exchange(config.valkey_data / "appendonlydir")
    must(["systemctl", "start", config.unit], f"{config.unit} does not start")
    must(["systemctl", "start", config.valkey_unit], f"{config.valkey_unit} does not start")


def _exchange(place: Path) -> None:
    """Put NAME.restoring in the place of NAME. The first NAME that was there is kept, also when this is done again."""
    kept = place.with_name(f"{place.name}.{BEFORE}")
    if place.exists():
        if kept.exists():
            # What stands here came from a restore that was not finished
            discarded = place.with_name(f"{place.name}.discarded")
            shutil.rmtree(discarded, ignore_errors=True)
            place.rename(discarded)
            shutil.rmtree(discarded)
        else:
            place.rename(kept)
    place.with_name(f"{place.name}.restoring").rename(place)


def release(config: Config) -> dict[str, Any]:
    """End the hold, and remove what the restore replaced; says what it was."""
    kept = [it.with_name(f"{it.name}.{BEFORE}") for it in (config.data, config.valkey_data / "appendonlydir")]
    removed = [str(it) for it in kept if it.exists()]
    for it in kept:
        shutil.rmtree(it, ignore_errors=True)
    was = read_json(config.hold)
    config.hold.unlink(missing_ok=True)
    return {"held": bool(was), "since": was.get("since", ""), "removed": removed}
