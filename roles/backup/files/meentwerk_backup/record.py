"""What a backup says of itself: whose it is, at which moment, and what it has to hold when it comes back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tools import BackupError, Config, now, psql, read_json, write_json

FORMAT = 1
# Tables whose rows are counted: together they are what people would miss. Those a release does not have are left out
TABLES = ("accounts", "users", "statuses", "media_attachments", "follows", "domain_blocks", "web_settings")
# Secrets without which the database cannot be read, by their names in the environment of the services
COLUMN_KEYS = (
    "active_record_encryption_deterministic_key",
    "active_record_encryption_key_derivation_salt",
    "active_record_encryption_primary_key",
)


def counts(database: str, upto: Mapping[str, Any] | None = None, socket: str = "/run/postgresql") -> dict[str, Any]:
    """Count the rows of each table, in one query and so at one moment.

    Each table gets `rows`, the highest `id` as `last`, and `keys`, a sum over hashes of all ids: two tables with the
    same three hold the same rows. With `upto`, an earlier answer, only rows up to its `last` are counted.
    """
    there = psql(
        database,
        "SELECT string_agg(table_name, ' ') FROM information_schema.columns "
        "WHERE table_schema = 'public' AND column_name = 'id'",
        socket=socket,
    ).split()
    names = [name for name in TABLES if name in there and (upto is None or name in upto)]
    if not names:
        return {}
    parts = []
    for name in names:
        limit = f" WHERE id <= {int(upto[name]['last'])}" if upto else ""
        parts.append(
            f"SELECT '{name}' AS name, count(*) AS rows, coalesce(max(id), 0) AS last, "  # noqa: S608  (names from the list above)
            f"coalesce(sum(hashint8extended(id, 0)::numeric), 0)::text AS keys FROM public.{name}{limit}"
        )
    query = (
        "SELECT json_object_agg(name, json_build_object('rows', rows, 'last', last, 'keys', keys)) FROM ("  # noqa: S608
        + " UNION ALL ".join(parts)
        + ") AS counted"
    )
    answer: dict[str, Any] = json.loads(psql(database, query, socket=socket))
    return answer


def differences(recorded: Mapping[str, Any], found: Mapping[str, Any], *, exact: bool) -> list[str]:
    """Say what is missing: `found` was counted up to what was recorded.

    At the recorded moment all has to be equal (`exact`); later rows may have been deleted since, and none can be more.
    """
    wrong = []
    for name, was in recorded.items():
        got = found.get(name)
        if got is None:
            wrong.append(f"the table {name} is missing")
        elif (exact and got["keys"] != was["keys"]) or got["rows"] > was["rows"]:
            wrong.append(f"{name}: {was['rows']} rows were recorded, {got['rows']} came back, or other ones")
    return wrong


def mark(config: Config, label: str) -> dict[str, Any]:
    """Set a named point in the database's log at this moment; returns position, timeline, moment and counts."""
    counted = counts(config.database)
    # Names of points are limited to 63 characters
    answer = psql(
        "postgres",
        "SELECT json_build_object('lsn', pg_create_restore_point('" + label[:63] + "'), "
        "'timeline', ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int, "
        "'time', to_char(clock_timestamp() AT TIME ZONE 'UTC', "
        '\'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"\'))',
    )
    psql("postgres", "SELECT pg_switch_wal()")
    return {**json.loads(answer), "counts": counted}


def copy_valkey(config: Config) -> bool:
    """Copy Valkey's append-only files while it writes them; tells whether there are any.

    The manifest names the files that belong together. Where it changed meanwhile, the copy begins again; the end
    of the last file may be cut off, which Valkey forgives (aof-load-truncated).
    """
    source = config.valkey_data / "appendonlydir"
    if not source.is_dir():
        shutil.rmtree(config.valkey_copy, ignore_errors=True)
        return False
    for _ in range(10):
        shutil.rmtree(config.valkey_copy, ignore_errors=True)
        config.valkey_copy.mkdir(parents=True, mode=0o700)
        manifests = sorted(source.glob("*.manifest"))
        before = [path.read_bytes() for path in manifests]
        try:
            for path in manifests:
                shutil.copy2(path, config.valkey_copy)
                for name in re.findall(r"^file (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE):
                    shutil.copy2(source / name, config.valkey_copy)
        except FileNotFoundError:
            continue
        if [path.read_bytes() for path in manifests] == before:
            return True
    raise BackupError(f"{source} changed each time it was copied: Valkey rewrites its files all the time")


def identity(config: Config) -> dict[str, Any]:
    """Say which release serves, and which secrets the database needs, as the host's salted fingerprints."""
    host = read_json(config.environment_file.with_name("instance.json"))
    manifest = read_json(config.current / "release.json")
    return {
        "release": config.current.readlink().name if config.current.is_symlink() else "",
        "release_manifest": {key: manifest.get(key) for key in ("name", "version", "flavour", "upstream_commit")},
        "salt": host.get("salt", ""),
        "fingerprints": host.get("fingerprints", {}),
    }


def write(config: Config, label: str) -> dict[str, Any]:
    """Write the record of a backup that begins now, beside the files that a snapshot takes along."""
    record = {
        "format": FORMAT,
        "label": label,
        "instance": config.instance,
        "domain": config.domain,
        "began": now().isoformat(),
        "database": mark(config, label),
        "valkey": copy_valkey(config),
        **identity(config),
    }
    write_json(config.record, record, 0o600)
    return record


def environment(path: Path) -> dict[str, str]:
    """Read the environment file of the services, as the role mastodon writes it: NAME="value" with escapes."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    pairs = re.findall(r'^([A-Z][A-Z0-9_]*)="((?:[^"\\]|\\.)*)"$', text, re.MULTILINE | re.DOTALL)
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs}
