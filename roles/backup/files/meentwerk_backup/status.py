"""Whether the backups are as they should be: the part of the deep check that speaks for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .tools import BackupError, Config, now, psql, read_json, run

WAITING_SECONDS = 300
GRACE_HOURS = 2


def check(config: Config) -> dict[str, Any]:
    """Answer in the shape of a release's bin/check: {"healthy": .., "checks": {name: {"ok": .., "detail": ..}}}."""
    state = read_json(config.state.with_suffix(".json"))
    checks = {"archive": _archive(), "timer": _timer()}
    for repository in config.repositories:
        entry = state.get("repositories", {}).get(repository.name, {})
        checks[f"repository {repository.name}"] = _repository(config, entry)
    return {"healthy": all(it["ok"] for it in checks.values()), "checks": checks}


def _answer(problem: str, fine: str) -> dict[str, Any]:
    return {"ok": not problem, "detail": problem or fine}


def _hours(moment: str) -> float:
    return (now() - datetime.fromisoformat(moment)).total_seconds() / 3600


def _repository(config: Config, entry: dict[str, Any]) -> dict[str, Any]:
    """Judge one repository by what the last runs noted."""
    if entry.get("error"):
        return _answer(f"the last backup failed: {entry['error']}", "")
    if not (entry.get("database") and entry.get("files")):
        age = (now().timestamp() - config.passphrase.stat().st_mtime) / 3600
        waiting = "no backup yet: the first one is on its way"
        return _answer("" if age < GRACE_HOURS else f"there is no backup, {age:.0f} hours after it was set up", waiting)
    for part, limit in (("database", config.max_age_database), ("files", config.max_age_files)):
        if _hours(entry[part]) > limit:
            return _answer(
                f"the last backup of the {part} is {_hours(entry[part]):.1f} hours old; allowed are {limit}", ""
            )
    return _answer("", f"database {_hours(entry['database']):.1f} h, files {_hours(entry['files']):.1f} h old")


def _archive() -> dict[str, Any]:
    """Judge the continuous part: how long the oldest file of the log has been waiting to leave the host."""
    query = (
        "SELECT count(*), coalesce(extract(epoch FROM now() - min(modification)), 0)::int "
        "FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
    )
    try:
        mode = psql("postgres", "SHOW archive_mode", timeout=30)
        waiting, age = psql("postgres", query, timeout=30).split("|")
    except BackupError as error:
        return _answer(str(error), "")
    if mode != "on":
        return _answer("PostgreSQL does not archive its log: archive_mode is off. Run playbooks/site.yml", "")
    if int(age) > WAITING_SECONDS:
        return _answer(
            f"{waiting} files of the database's log wait for {age} s: a repository is full or does not answer. "
            "They stay on this host until it does",
            "",
        )
    return _answer("", f"{waiting} files of the log wait")


def _timer() -> dict[str, Any]:
    done = run(["systemctl", "is-active", "meentwerk-backup.timer"], timeout=30)
    return _answer("" if done.returncode == 0 else "the timer meentwerk-backup.timer does not run", "runs")
