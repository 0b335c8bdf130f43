"""`meentwerk drill`: the signed report of a rehearsed restore."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from meentwerk.console import Json, say, show_json
from meentwerk.drill.report import Drill, write
from meentwerk.errors import UsageError
from meentwerk.exits import Exit

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The signed report of a rehearsed restore.")


@app.callback()
def _group() -> None:
    """Keep `report` a command of its own."""


@app.command(
    epilog="""\b
Example:
  meentwerk drill report facts.json --output reports --signing-key ~/.config/meentwerk/drill-key"""
)
def report(
    facts: Annotated[Path, typer.Argument(help="What playbooks/drill.yml measured, as JSON.")],
    *,
    output: Annotated[Path, typer.Option(help="Folder for the report.", show_default=False)],
    signing_key: Annotated[Path, typer.Option(help="OpenSSH private key.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Write and sign the report of a drill; exit code 3 when the drill failed."""
    try:
        drill = Drill.model_validate_json(facts.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"There is no file {facts}.", "playbooks/drill.yml writes it.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"{facts}: {where}: {first['msg']}.", "playbooks/drill.yml writes it.") from None
    written = write(drill, output.expanduser(), signing_key.expanduser())
    if as_json:
        show_json({"passed": drill.passed, "files": [str(path) for path in written]})
    else:
        say(f"{'passed' if drill.passed else 'FAILED'}: {written[0]}, {written[2]}, each with its signature")
    if not drill.passed:
        raise typer.Exit(Exit.FINDINGS)
