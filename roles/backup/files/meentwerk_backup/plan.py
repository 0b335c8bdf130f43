"""What a restore would do, and what stands against it: found out before anything is touched."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from . import pgbackrest, record, restic
from .tools import BAD_INPUT, REFUSED, BackupError, Config, Repository, run

PARTS = ("all", "database", "media")


def moment(text: str) -> datetime:
    """Read a moment as people write it; without a zone it is UTC."""
    try:
        value = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise BackupError(f"{text!r} is no moment. Write it as 2026-05-01T12:30:00+02:00.", BAD_INPUT) from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def choose(config: Config, name: str) -> Repository:
    """Find the repository to restore from; the first where none is named."""
    found = [it for it in config.repositories if name in ("", it.name)]
    if not found:
        names = ", ".join(it.name for it in config.repositories)
        raise BackupError(f"There is no repository {name}; there are: {names}.", BAD_INPUT)
    return found[0]


def make(config: Config, what: str, *, time: str, label: str, repository: str) -> dict[str, Any]:
    """Find what belongs to the moment asked for; its `problems` say why it may not be restored here."""
    if time and label:
        raise BackupError("Name a time or a label, not both.", BAD_INPUT)
    source = choose(config, repository)
    snapshots = restic.snapshots(config, source)
    answer = pgbackrest.info(config, source)
    if not snapshots or not pgbackrest.backups(answer):
        raise BackupError(f"repository {source.name} holds no whole backup of {config.instance}.", REFUSED)
    target, snapshot, later = _target(snapshots, time, label)
    note = restic.record_of(config, source, snapshot["id"])
    if target["kind"] == "label":
        target |= {key: note["database"][key] for key in ("lsn", "timeline", "time")}
    base = _base(answer, target) if what != "media" else None
    if base and target["kind"] == "label":
        target["timeline"] = pgbackrest.timeline(base, target["timeline"])
    here = present(config)
    plan: dict[str, Any] = {
        "instance": config.instance,
        "domain": config.domain,
        "repository": source.name,
        "what": what,
        "target": target,
        "database": {"set": base["label"], "bytes": base["info"]["size"]} if base else None,
        "files": {"snapshot": snapshot["id"], "time": restic.taken(snapshot).isoformat(), "later": later},
        "record": note,
        "replaces": here,
    }
    plan["problems"] = problems(config, plan)
    return plan


def _target(
    snapshots: Sequence[Mapping[str, Any]], time: str, label: str
) -> tuple[dict[str, Any], Mapping[str, Any], str]:
    """Give where recovery stops, the snapshot that belongs to it, and the next one, which may hold more files."""
    if label:
        found = [it for it in snapshots if restic.label_of(it) == label]
        if not found:
            known = ", ".join(restic.label_of(it) for it in snapshots[-8:])
            raise BackupError(f"No backup has the label {label}. The last ones are: {known}.", BAD_INPUT)
        return {"kind": "label", "label": label}, found[-1], ""
    if time:
        at = moment(time)
        if at > datetime.now(UTC) + timedelta(minutes=1):
            raise BackupError(f"{at.isoformat()} lies in the future.", BAD_INPUT)
        before = [it for it in snapshots if restic.taken(it) <= at]
        after = [it for it in snapshots if restic.taken(it) > at]
        chosen = before[-1] if before else after[0]
        more = after[0]["id"] if before and after else ""
        return {"kind": "time", "time": at.strftime("%Y-%m-%d %H:%M:%S.%f%z")}, chosen, more
    return {"kind": "latest"}, snapshots[-1], ""


def _base(answer: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, Any]:
    """Give the database's backup from which recovery starts: the last one that was complete before the target."""
    done = pgbackrest.backups(answer)
    if target["kind"] == "latest":
        return done[-1]
    at = moment(target["time"])
    before = [it for it in done if pgbackrest.stopped(it) <= at]
    if not before:
        raise BackupError(
            f"The oldest backup of the database is of {pgbackrest.stopped(done[0]).isoformat()}: "
            f"{at.isoformat()} lies before it and cannot be gone back to.",
            REFUSED,
        )
    return before[-1]


def present(config: Config) -> dict[str, Any]:
    """Say what is on this host now: all that a restore would replace."""
    found: dict[str, Any] = {"database": "none", "rows": {}, "media_bytes": 0}
    if (config.data / "PG_VERSION").exists():
        found["database"] = "there, and does not answer"
        try:
            found["rows"] = {name: it["rows"] for name, it in record.counts(config.database).items()}
            found["database"] = "filled" if any(found["rows"].values()) else "empty"
        except BackupError as error:
            if "does not exist" in str(error):
                found["database"] = "empty"
    if config.media.is_dir():
        size = run(["du", "--summarize", "--bytes", str(config.media)]).stdout.split()
        # An empty folder has a size, too
        found["media_bytes"] = int(size[0]) if size and any(config.media.iterdir()) else 0
    return found


def has_data(plan: Mapping[str, Any]) -> bool:
    """Tell whether something would be lost that only a person may give up."""
    here = plan["replaces"]
    return here["database"] not in ("none", "empty") if plan["what"] != "media" else bool(here["media_bytes"])


def problems(config: Config, plan: Mapping[str, Any]) -> list[str]:
    """Say all that stands against it, each with what to do."""
    note = plan["record"]
    found = []
    if note.get("format") != record.FORMAT:
        found.append(f"the backup's record has the format {note.get('format')}, which this version does not know")
    if (note.get("domain"), note.get("instance")) != (config.domain, config.instance):
        found.append(
            f"the backup belongs to {note.get('instance')} ({note.get('domain')}), this host to {config.instance} "
            f"({config.domain}): a backup only ever comes back to its own instance"
        )
    found += _keys(config, note)
    found += _release(config, note)
    if plan["database"]:
        free = shutil.disk_usage(config.data.parent.parent).free
        needed = plan["database"]["bytes"] * 11 // 10
        if free < needed:
            found.append(
                f"the database needs {needed // 2**20} MB beside the present one, and {free // 2**20} MB are free in "
                f"{config.data.parent.parent}"
            )
    return found


def _keys(config: Config, note: Mapping[str, Any]) -> list[str]:
    """Compare the keys of encrypted columns on this host with the marks that the backup recorded."""
    known = note.get("fingerprints") or {}
    have = record.environment(config.environment_file)
    if not known:
        return []
    wrong = [
        name
        for name in record.COLUMN_KEYS
        if hashlib.sha256(f"{note['salt']}:{name}:{have.get(name.upper(), '')}".encode()).hexdigest() != known.get(name)
    ]
    if not wrong:
        return []
    return [
        f"this host has other keys than the backup was made with ({', '.join(wrong)}): two-factor seeds and tokens "
        "in it could never be read. Bring the instance's secrets file back from version control or escrow, run "
        "playbooks/site.yml, then this"
    ]


def _release(config: Config, note: Mapping[str, Any]) -> list[str]:
    """Refuse a backup that a newer release wrote: its database may have steps that this one does not know."""
    folder = config.releases / "releases"
    here = config.current.readlink().name if config.current.is_symlink() else ""
    if not here and folder.is_dir():
        unpacked = sorted((it for it in folder.glob("[!.]*") if it.is_dir()), key=lambda it: it.stat().st_mtime)
        here = unpacked[-1].name if unpacked else ""
    there = note.get("release") or ""
    if not here:
        return ["no release is on this host yet: run playbooks/restore.yml, which brings one"]
    if not there or _name(here) != _name(there):
        return [f"the backup was written by {there or 'an unknown release'}, and {here} here is another application"]
    if _version(there) > _version(here):
        return [
            f"the backup was written by {there}, and {here} on this host is older: deploy that release or a newer one "
            "(instance_release), then restore"
        ]
    return []


def _name(release: str) -> str:
    return release.partition("-")[0]


def _version(release: str) -> tuple[int, ...]:
    match = re.match(r"[a-z][a-z0-9]*-([0-9]+(?:\.[0-9]+)*)", release)
    return tuple(int(part) for part in match[1].split(".")) if match else ()
