"""The database schema as ordered steps: `pre` before new code is switched to, `post` after it.

A step is one transaction: it happened whole, or not at all. Names of tables and columns are Mastodon's, so that
backups, health queries and an operator's habits carry over.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypedDict

import psycopg

from . import schema_base

Phase = Literal["pre", "post"]
LOCK = 0x6D65656E74  # any number all hosts agree on
LOCK_WAIT_SECONDS = 300


@dataclass(frozen=True)
class Step:
    """One change: `version` orders the steps and is what schema_migrations records."""

    version: str
    name: str
    phase: Phase
    sql: tuple[str, ...]


STEPS: tuple[Step, ...] = (
    Step("20260901000100", "create_tables", "pre", schema_base.TABLES),
    Step("20260901000200", "seed_roles_and_reserved_names", "pre", schema_base.SEEDS),
    # Expand now, check later: NOT VALID takes no long lock while the old code still writes.
    Step("20260901000300", "add_foreign_keys", "pre", schema_base.foreign_keys()),
    Step("20260901000400", "validate_foreign_keys", "post", schema_base.validations()),
    Step("20260901000500", "index_mentions_by_account", "post", schema_base.LATE_INDEXES),
    Step("20260915000100", "create_status_pins", "pre", schema_base.STATUS_PINS),
    Step("20261129000100", "create_identities", "pre", schema_base.IDENTITIES),
)


class Status(TypedDict):
    """What `bin/migrate status` tells."""

    pending: dict[Phase, list[str]]
    current: str
    """The newest applied version, or empty."""
    known: dict[Phase, list[str]]
    """Every version that this release has: an older release is compared with the database by it."""
    applied: list[str]
    """Every version that the database records, also those that this release does not know."""


class MigrationError(Exception):
    """A step could not be done; the message is for the operator."""


def applied(connection: psycopg.Connection) -> set[str]:
    """Versions that are recorded; none on an empty database."""
    found = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
    if found is None or found[0] is None:
        return set()
    return {row[0] for row in connection.execute("SELECT version FROM schema_migrations")}


def pending(done: Iterable[str], steps: Iterable[Step] = STEPS) -> dict[Phase, list[str]]:
    """Versions still to do, by phase, in order."""
    recorded = set(done)
    return _versions(step for step in steps if step.version not in recorded)


def status(done: Iterable[str], steps: Iterable[Step] = STEPS) -> Status:
    """Compare what this release knows with the versions that the database records."""
    recorded = sorted(done)
    return {
        "pending": pending(recorded, steps),
        "current": max(recorded, default=""),
        "known": _versions(steps),
        "applied": recorded,
    }


def _versions(steps: Iterable[Step]) -> dict[Phase, list[str]]:
    ordered = sorted(steps, key=lambda step: step.version)
    return {
        "pre": [step.version for step in ordered if step.phase == "pre"],
        "post": [step.version for step in ordered if step.phase == "post"],
    }


def apply(connection: psycopg.Connection, phase: Phase, steps: Iterable[Step] = STEPS) -> list[str]:
    """Do what is pending of `phase`; returns the versions done now. `connection` must be in autocommit mode.

    A session-level advisory lock keeps two hosts from migrating at once; it ends with the connection, so an
    interrupted run leaves none behind.
    """
    _lock(connection)
    try:
        with connection.transaction():
            connection.execute("CREATE TABLE IF NOT EXISTS schema_migrations (version varchar NOT NULL PRIMARY KEY)")
        done = applied(connection)
        todo = pending(done, steps)
        if phase == "post" and todo["pre"]:
            raise MigrationError(f"{len(todo['pre'])} step(s) of `pre` are pending: run `bin/migrate pre` first")
        now: list[str] = []
        for step in sorted(steps, key=lambda step: step.version):
            if step.version not in todo[phase]:
                continue
            with connection.transaction():
                for statement in step.sql:
                    connection.execute(statement.encode())
                connection.execute("INSERT INTO schema_migrations (version) VALUES (%s)", (step.version,))
            now.append(step.version)
        return now
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def _lock(connection: psycopg.Connection) -> None:
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > deadline:
            raise MigrationError(
                f"another host has been migrating for {LOCK_WAIT_SECONDS} s: wait, then run this again"
            )
        time.sleep(0.5)
