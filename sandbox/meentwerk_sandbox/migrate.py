"""bin/migrate pre|post|status: schema steps, split around the switch to new code."""

import json
import sys

import psycopg

from . import schema
from .config import Config, run

PENDING = 3
ARGUMENTS = 2
USAGE = "usage: bin/migrate pre|post|status\n"


def main() -> int:
    """Do the steps of a phase, or say what is pending; JSON on stdout."""
    if len(sys.argv) != ARGUMENTS or sys.argv[1] not in {"pre", "post", "status"}:
        sys.stderr.write(USAGE)
        return 2
    return run("migrate", lambda config: _run(config, sys.argv[1]))


def _run(config: Config, verb: str) -> int:
    try:
        with psycopg.connect(**config.database, connect_timeout=10, autocommit=True) as connection:  # type: ignore[arg-type]
            if verb == "status":
                return _status(connection)
            phase: schema.Phase = "pre" if verb == "pre" else "post"
            sys.stdout.write(json.dumps({"applied": schema.apply(connection, phase)}) + "\n")
            return 0
    except (psycopg.Error, schema.MigrationError) as error:
        sys.stderr.write(f"bin/migrate {verb}: {' '.join(str(error).split())}\n")
        return 1


def _status(connection: psycopg.Connection) -> int:
    answer = schema.status(schema.applied(connection))
    sys.stdout.write(json.dumps(answer) + "\n")
    return PENDING if any(answer["pending"].values()) else 0
