"""The command `meentwerk`: mounts the sub-commands and turns errors into messages and exit codes."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from meentwerk.console import note, say, show_error
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit

# Each is imported when it is asked for: all together take a third of a second, at every start
COMMANDS = {
    "accounts": "meentwerk.accounts.cli",
    "archive": "meentwerk.archive",
    "check": "meentwerk.checks.cli",
    "demo": "meentwerk.demo",
    "drill": "meentwerk.drill.cli",
    "embedded-host": "meentwerk.embedded.cli",
    "identities": "meentwerk.identities.cli",
    "inventory": "meentwerk.entries.cli",
    "moderation": "meentwerk.moderation.cli",
    "release": "meentwerk.release.cli",
    "secrets": "meentwerk.secrets.cli",
    "docs": "meentwerk.reference",
}


class _Commands(TyperGroup):
    """The sub-commands, by name."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401  # typer keeps the type for itself
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperGroup | None:  # noqa: ANN401
        """Return a sub-command, or none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name]).app
        command.rich_markup_mode = app.rich_markup_mode
        group = typer.main.get_group(command)
        group.name = cmd_name
        return group


app = typer.Typer(
    name="meentwerk",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help reads the same on a terminal, in a log and in a bug report
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run Mastodon as public infrastructure.",
    epilog="""\b
Examples:
  meentwerk accounts plan tides.csv --instance tides -i inventories/x
  meentwerk check public social.example.org       TLS, headers and DNS, with the records to add
  meentwerk demo                                  two instances on this machine
  meentwerk embedded-host list                    hosts booted on this machine
  meentwerk inventory validate inventories/x      are all entries right? no host is contacted
  meentwerk moderation plan --policy FILE ...     what would change on a server, and why
  meentwerk release verify releases/ID.tar.zst --allowed-signers FILE
  meentwerk secrets init NAME -i inventories/x    secrets of a new instance, encrypted at birth
  meentwerk secrets check --all -i inventories/x  every secret decrypts and is well-formed
\b
Exit codes: 0 done, 1 unexpected, 2 wrong input, 3 findings, 4 partly failed,
5 not allowed, 6 refused by a guard, 7 gave up waiting, 130 interrupted.""",
)


def _version(value: bool) -> None:
    if value:
        say(f"meentwerk {metadata.version('meentwerk')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="MEENTWERK_DEBUG", help="Show the full trace of an unexpected error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["MEENTWERK_DEBUG"] = "1"  # the one place that `main` and started commands both read


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with a code of `meentwerk.exits.Exit`."""
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `main` without the process around it."""
    try:
        typer.main.get_command(app)(args=argv, prog_name="meentwerk")
    except SystemExit as stop:  # how typer ends, in every case
        return _ended(stop.code)
    except KeyboardInterrupt:
        return _ended(Exit.INTERRUPTED)
    except Exception as error:  # the last line of defence: a person never reads a stack trace unasked
        if _debug():
            traceback.print_exc()
        return _failed(error)
    return Exit.DONE


def _ended(code: str | int | None) -> int:
    if not isinstance(code, int):
        return Exit.DONE if code is None else Exit.UNEXPECTED
    if code in {Exit.INTERRUPTED, Exit.TERMINATED}:
        note(f"{Exit(code).name.lower()}; the same command can be run again")
    return code


def _failed(error: Exception) -> int:
    match error:
        case MeentwerkError():
            show_error(error.message, error.cure)
            return error.exit
        case PermissionError():
            show_error(f"not allowed: {error.filename or error}", "check who owns it, or run as the user who does")
            return Exit.NOT_ALLOWED
        case OSError():
            show_error(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
            return Exit.UNEXPECTED
        case _:
            return _unexpected(error)


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(Exit.TERMINATED)


def _debug() -> bool:
    return bool(os.environ.get("MEENTWERK_DEBUG"))


def _unexpected(error: Exception) -> int:
    try:
        cure = "the full trace is above" if _debug() else f"the full trace is in {_write_trace()}; please report it"
    except OSError:
        cure = "run it again with --debug to see the full trace"
    show_error(f"unexpected {type(error).__name__}: {error}", cure)
    return Exit.UNEXPECTED


def _write_trace() -> Path:
    """Keep the trace of the error being handled where only this user reads it: a message may quote input."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "meentwerk/traces"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        traceback.print_exc(file=file)
    return place


if __name__ == "__main__":
    main()
