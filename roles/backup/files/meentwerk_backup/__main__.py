"""The command meentwerk-backup."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from . import backup, plan, restic, restore, status
from .tools import BAD_INPUT, DONE, FINDINGS, UNEXPECTED, BackupError, Config, load

USAGE = """meentwerk-backup run [--label NAME]     back up now
meentwerk-backup check                  are the backups as they should be? (exit code 3: no)
meentwerk-backup list                   what can be gone back to
meentwerk-backup plan [...]             what a restore would do, and what stands against it
meentwerk-backup restore [...]          do it; playbooks/restore.yml is the way for people
meentwerk-backup release                let deliveries begin again after a restore
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meentwerk-backup", description=USAGE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="make the repositories ready")
    prepare.add_argument("--check", action="store_true", help="only say what would change")
    run = commands.add_parser("run", help="back up now")
    run.add_argument("--label", default="", help="a name for this moment; its snapshot stays longer")
    run.add_argument("--kind", choices=["auto", "full", "diff", "incr"], default="auto", help="of the database")
    for name in ("check", "list", "release"):
        commands.add_parser(name)
    for name in ("plan", "restore"):
        command = commands.add_parser(name)
        command.add_argument("--what", choices=plan.PARTS, default="all")
        command.add_argument("--time", default="", help="go back to this moment, as 2026-05-01T12:30:00+02:00")
        command.add_argument("--label", default="", help="go back to the backup with this label")
        command.add_argument("--repository", default="", help="its name; the first one otherwise")
        if name == "restore":
            command.add_argument("--consent", default="", help="the instance's domain, where data would be replaced")
    return parser


def _show(content: Mapping[str, Any] | list[dict[str, Any]]) -> None:
    print(json.dumps(content, indent=1))


def _list(config: Config) -> list[dict[str, Any]]:
    return [
        {
            "repository": it.name,
            "label": restic.label_of(found),
            "time": restic.taken(found).isoformat(),
            "snapshot": found["short_id"],
        }
        for it in config.repositories
        for found in restic.snapshots(config, it)
    ]


def _do(config: Config, given: argparse.Namespace) -> int:
    match given.command:
        case "prepare":
            changed = backup.prepare(config, check=given.check)
            _show({"changed": changed})
        case "run":
            _show(backup.run(config, given.label, kind=given.kind))
        case "check":
            answer = status.check(config)
            _show(answer)
            return DONE if answer["healthy"] else FINDINGS
        case "list":
            _show(_list(config))
        case "release":
            _show(restore.release(config))
        case "plan" | "restore":
            made = plan.make(config, given.what, time=given.time, label=given.label, repository=given.repository)
            if given.command == "plan":
                _show({**made, "needs_consent": plan.has_data(made)})
                return FINDINGS if made["problems"] else DONE
            _show(restore.restore(config, made, given.consent))
        case _:
            return BAD_INPUT
    return DONE


def main() -> int:
    """Run the command line; returns its exit code. An error is one line, never a stack trace."""
    given = _parser().parse_args()
    try:
        return _do(load(), given)
    except BackupError as error:
        print(f"meentwerk-backup: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("meentwerk-backup: interrupted; the same command can be run again", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"meentwerk-backup: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        return UNEXPECTED


if __name__ == "__main__":
    sys.exit(main())
