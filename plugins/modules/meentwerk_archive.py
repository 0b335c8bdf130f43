"""Module: put what an instance published, with its media, into one file that can be read for decades."""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: meentwerk_archive
short_description: Archive what an instance published
description:
  - Writes one tar file with the accounts, posts and lists of this server as lines of JSON, its media, and a manifest
    with the SHA-256 of each file. No password, key, token, e-mail address or content of another server is in it.
  - Reads the database as the service does (DB_HOST and its neighbours), and changes nothing there. In check mode it
    only counts.
options:
  path:
    description: The file to write; what stands there is replaced when the new one is whole.
    type: path
    required: true
  owner: {description: Who may read it., type: str, default: root}
  direct: {description: Whether posts that only those mentioned can read are part of it., type: bool, default: true}
  media: {description: Folder of the media., type: path, default: /var/lib/mastodon/media}
  environment_file: {description: Environment of the services., type: path, default: /etc/mastodon/mastodon.env}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Archive what was published
  meentwerk_archive:
    path: /var/lib/meentwerk/archive/tides.tar
"""
RETURN = r"""
counts: {description: "Rows by kind, and files and bytes of media.", type: dict, returned: always}
sha256: {description: Of the file., type: str, returned: when written}
size: {description: Of the file in bytes., type: int, returned: when written}
elsewhere: {description: Whether media lie in an object store and are not part of it., type: bool, returned: always}
"""

FORMAT = 1
USER = "mastodon"
LOCAL = "SELECT id FROM accounts WHERE domain IS NULL AND id > 0"
DIRECT = 3  # visibility of a post that only those mentioned can read (Mastodon's Status)


class Kind(NamedTuple):
    """One kind of row: its table, which rows, and which columns; columns that a release does not have are left out.

    `links`: what is only a number here and may be another server's, by its address: name -> (column, its table).
    """

    table: str
    where: str
    columns: str
    links: Mapping[str, tuple[str, str]] = MappingProxyType({})


KINDS: Mapping[str, Kind] = {
    "accounts": Kind(
        "accounts",
        "t.domain IS NULL AND t.id > 0",
        "id username display_name note fields uri url actor_type created_at suspended_at avatar_file_name "
        "avatar_description header_file_name header_description attribution_domains",
    ),
    "posts": Kind(
        "statuses",
        f"t.account_id IN ({LOCAL})",
        "id account_id created_at edited_at text spoiler_text sensitive visibility language uri url in_reply_to_id "
        "in_reply_to_account_id reblog_of_id poll_id ordered_media_attachment_ids deleted_at",
        {"in_reply_to_uri": ("in_reply_to_id", "statuses"), "reblog_of_uri": ("reblog_of_id", "statuses")},
    ),
    "quotes": Kind(
        "quotes",
        f"t.account_id IN ({LOCAL})",
        "id account_id status_id quoted_status_id quoted_account_id state created_at",
        {"quoted_uri": ("quoted_status_id", "statuses")},
    ),
    "edits": Kind(
        "status_edits",
        f"t.account_id IN ({LOCAL})",
        "id status_id account_id created_at text spoiler_text sensitive media_descriptions poll_options "
        "ordered_media_attachment_ids",
    ),
    "polls": Kind(
        "polls",
        f"t.account_id IN ({LOCAL})",
        "id account_id status_id options cached_tallies multiple expires_at votes_count voters_count created_at",
    ),
    "media": Kind(
        "media_attachments",
        f"t.account_id IN ({LOCAL}) AND t.status_id IS NOT NULL",
        "id account_id status_id type description file_file_name file_content_type file_file_size created_at",
    ),
    "rules": Kind("rules", "true", "id text hint priority created_at deleted_at"),
    "rule_translations": Kind("rule_translations", "true", "id rule_id language text hint created_at"),
    "terms_of_services": Kind(
        "terms_of_services", "t.published_at IS NOT NULL", "id text changelog published_at effective_date created_at"
    ),
    "collections": Kind(
        "collections",
        f"t.account_id IN ({LOCAL})",
        "id account_id name description description_html language sensitive discoverable created_at updated_at",
    ),
    "collection_items": Kind(
        "collection_items",
        f"t.collection_id IN (SELECT id FROM collections WHERE account_id IN ({LOCAL}))",  # noqa: S608  (a constant)
        "id collection_id account_id position state created_at",
        {"account_uri": ("account_id", "accounts")},
    ),
    "announcements": Kind("announcements", "true", "id text published starts_at ends_at published_at created_at"),
    "domain_blocks": Kind(
        "domain_blocks", "true", "domain severity reject_media reject_reports public_comment private_comment created_at"
    ),
}


class ArchiveError(Exception):
    """The archive cannot be made; the message says why and what helps."""


def environment(text: str) -> dict[str, str]:
    """Read the environment of the services as the role mastodon writes it: NAME="value" with escapes."""
    pairs = re.findall(r'^([A-Z][A-Z0-9_]*)="((?:[^"\\]|\\.)*)"$', text, re.MULTILINE | re.DOTALL)
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs}


def libpq(values: Mapping[str, str]) -> dict[str, str]:
    """Give libpq's variables for the application's own database."""
    names = {"DB_HOST": "PGHOST", "DB_PORT": "PGPORT", "DB_NAME": "PGDATABASE", "DB_USER": "PGUSER"}
    names |= {"DB_PASS": "PGPASSWORD", "DB_SSLMODE": "PGSSLMODE"}
    return {variable: values[name] for name, variable in names.items() if values.get(name)}


def condition(name: str, *, direct: bool) -> str:
    """Say which rows of a kind belong into the archive: none that were deleted."""
    where = f"{KINDS[name].where} AND to_jsonb(t) ->> 'deleted_at' IS NULL"
    if name == "posts" and not direct:
        where += f" AND t.visibility <> {DIRECT}"
    if name in ("edits", "media", "quotes") and not direct:
        where += f" AND t.status_id NOT IN (SELECT id FROM statuses WHERE visibility = {DIRECT})"  # noqa: S608  (a number)
    return where


def query(name: str, *, direct: bool) -> str:
    """Give the question for the rows of a kind, each as one line of JSON, the oldest first."""
    columns = ", ".join(f"'{column}'" for column in KINDS[name].columns.split())
    links = "".join(
        f" || jsonb_build_object('{link}', (SELECT coalesce(to_jsonb(r) ->> 'url', to_jsonb(r) ->> 'uri') "  # noqa: S608
        f"FROM {table} r WHERE r.id = t.{column}))"
        for link, (column, table) in KINDS[name].links.items()
    )
    return (
        "SELECT (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(t)) "  # noqa: S608  (names from above)
        f"WHERE key IN ({columns})){links} FROM {KINDS[name].table} t "
        f"WHERE {condition(name, direct=direct)} ORDER BY t.id"
    )


class Database:
    """The application's database, asked as the application."""

    def __init__(self, values: Mapping[str, str]) -> None:
        if not shutil.which("psql"):
            raise ArchiveError("psql is not on this host: install postgresql-client, and run this again.")
        self._environment = {**os.environ, **libpq(values), "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "15"}
        self._base = ["/usr/sbin/runuser", "-u", USER, "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]

    def ask(self, statement: str) -> str:
        """Return the answer to a small question."""
        done = subprocess.run(
            [*self._base, "-c", statement], env=self._environment, cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ArchiveError(f"The database does not answer: {done.stderr.strip().splitlines()[-1:]}")
        return done.stdout.strip()

    def write(self, statement: str, file: Path) -> int:
        """Write an answer of any length to a file; returns its lines."""
        with file.open("wb") as target:
            # Some thousands of rows at a time: the whole answer may not fit into memory
            command = [*self._base, "-v", "FETCH_COUNT=5000", "-c", statement]
            done = subprocess.run(
                command, env=self._environment, cwd="/", stdout=target, stderr=subprocess.PIPE, check=False
            )
        if done.returncode != 0:
            raise ArchiveError(f"The database does not answer: {done.stderr.decode(errors='replace').strip()}")
        with file.open("rb") as lines:
            return sum(1 for _ in lines)

    def kinds(self) -> list[str]:
        """Return the kinds whose tables this release has."""
        there = self.ask("SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'").split()
        return [name for name, kind in KINDS.items() if kind.table in there]


def media_files(folder: Path) -> Iterator[Path]:
    """Yield the files that people uploaded; copies from other servers are left out."""
    for place, folders, names in os.walk(folder):
        if Path(place) == folder and "cache" in folders:
            folders.remove("cache")
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


class Hashing(io.RawIOBase):
    """Passes what is read through a hash."""

    def __init__(self, source: io.BufferedReader) -> None:
        super().__init__()
        self._source = source
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read, and remember what was read."""
        block = self._source.read(size)
        self.hash.update(block)
        return block


class Archive:
    """A tar file that knows the hash of everything in it."""

    def __init__(self, target: io.BufferedWriter, moment: float) -> None:
        self._tar = tarfile.TarFile(fileobj=target, mode="w", format=tarfile.PAX_FORMAT)
        self._moment = moment
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, path: Path, *, moment: float | None = None) -> None:
        """Add a file under a name; who owns it here means nothing later."""
        with path.open("rb") as source:
            member = tarfile.TarInfo(name)
            member.size, member.mode = os.fstat(source.fileno()).st_size, 0o600
            member.mtime = int(self._moment if moment is None else moment)
            passing = Hashing(source)
            self._tar.addfile(member, passing)
        self.files[name] = {"sha256": passing.hash.hexdigest(), "size": member.size}

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Add the manifest, last, and close."""
        text = (json.dumps({**manifest, "files": self.files}, indent=1, sort_keys=True) + "\n").encode()
        member = tarfile.TarInfo("manifest.json")
        member.size, member.mode, member.mtime = len(text), 0o600, int(self._moment)
        self._tar.addfile(member, io.BytesIO(text))
        self._tar.close()


def enough_room(folder: Path, needed: int) -> None:
    """Raise ArchiveError where the file would fill the disk."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ArchiveError(
            f"The archive takes about {needed >> 20} MB, and {folder} has {free >> 20} MB left. Make room, or name "
            "another folder on this host (decommission_host_folder). Nothing was changed."
        )


def write(path: Path, values: Mapping[str, str], database: Database, media: Path, *, direct: bool) -> dict[str, Any]:
    """Write the archive beside `path` and put it in its place when it is whole; returns its manifest without files."""
    now = datetime.now(UTC)
    counts: dict[str, int] = {}
    fresh = path.with_name(f".{path.name}.new")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".archive-") as place:
        rows = {}
        for name in database.kinds():
            rows[name] = Path(place, f"{name}.jsonl")
            counts[name] = database.write(query(name, direct=direct), rows[name])
        size = sum(file.stat().st_size for file in [*rows.values(), *media_files(media)])
        # Each file takes a header and a filling more
        enough_room(path.parent, size + size // 20 + (64 << 20))
        with fresh.open("wb") as target:
            os.fchmod(target.fileno(), 0o600)
            archive = Archive(target, now.timestamp())
            for name, file in rows.items():
                archive.add(f"{name}.jsonl", file)
            counts["media_files"] = counts["media_bytes"] = 0
            for file in media_files(media):
                with contextlib.suppress(FileNotFoundError):  # removed since it was listed: nothing refers to it
                    archive.add(f"media/{file.relative_to(media)}", file, moment=file.stat().st_mtime)
                    counts["media_files"] += 1
                    counts["media_bytes"] += archive.files[f"media/{file.relative_to(media)}"]["size"]
            manifest = {
                "format": FORMAT,
                "domain": values["LOCAL_DOMAIN"],
                "web_domain": values.get("WEB_DOMAIN") or values["LOCAL_DOMAIN"],
                "made": now.isoformat(timespec="seconds"),
                "direct": direct,
                "counts": counts,
            }
            archive.finish(manifest)
            target.flush()
            os.fsync(target.fileno())
    fresh.rename(path)
    return manifest


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count(database: Database, media: Path, *, direct: bool) -> dict[str, int]:
    """Count what would be in it."""
    kinds = database.kinds()
    counts = {
        name: int(
            database.ask(f"SELECT count(*) FROM {KINDS[name].table} t WHERE {condition(name, direct=direct)}")  # noqa: S608
        )
        for name in kinds
    }
    sizes = [file.stat().st_size for file in media_files(media)]
    return {**counts, "media_files": len(sizes), "media_bytes": sum(sizes)}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "owner": {"type": "str", "default": "root"},
            "direct": {"type": "bool", "default": True},
            "media": {"type": "path", "default": "/var/lib/mastodon/media"},
            "environment_file": {"type": "path", "default": "/etc/mastodon/mastodon.env"},
        },
        supports_check_mode=True,
    )
    given = module.params
    path, media = Path(given["path"]), Path(given["media"])
    try:
        values = environment(Path(given["environment_file"]).read_text(encoding="utf-8"))
        elsewhere = "true" in (values.get("S3_ENABLED"), values.get("SWIFT_ENABLED"))
        database = Database(values)
        if module.check_mode:
            module.exit_json(changed=True, counts=count(database, media, direct=given["direct"]), elsewhere=elsewhere)
        # Who hands it over has to come through the folders above; what is in this one is closed by its own mode
        os.umask(0o022)
        path.parent.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(path.parent, given["owner"])
        manifest = write(path, values, database, media, direct=given["direct"])
        shutil.chown(path, given["owner"])
    except (ArchiveError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=True,
        counts=manifest["counts"],
        sha256=digest(path),
        size=path.stat().st_size,
        elsewhere=elsewhere,
    )


if __name__ == "__main__":
    main()
