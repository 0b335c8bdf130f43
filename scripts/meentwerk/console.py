"""How commands talk: results on stdout, everything else on stderr, colour and progress on a terminal only."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text.")]


def stdout() -> Console:
    """Console for results. Made anew each time, so that redirected streams are honoured."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)


def stderr() -> Console:
    """Console for progress, notes and errors."""
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def say(message: str) -> None:
    """Print a result line on stdout."""
    stdout().print(message)


def note(message: str) -> None:
    """Print a line for the person watching, on stderr; it never disturbs a pipe."""
    stderr().print(message)


def show_json(data: Any) -> None:  # noqa: ANN401  # whatever json can hold
    """Print `data` as JSON on stdout, keys in the order given."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as a table on a terminal; through a pipe as tab-separated lines without a heading."""
    console = stdout()
    if not console.is_terminal:
        for row in rows:
            sys.stdout.write("\t".join(str(cell) for cell in row) + "\n")
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)


def show_error(message: str, cure: str = "") -> None:
    """Print an error and its cure, one line each, on stderr."""
    console = stderr()
    console.print(Text.assemble(("error: ", "bold red"), message))
    if cure:
        console.print(cure)


@contextmanager
def busy(message: str) -> Iterator[None]:
    """Show on a terminal that something is going on; in a log, one line that it began."""
    console = stderr()
    if not console.is_terminal:
        note(message)
        yield
        return
    with console.status(message):
        yield
