"""`meentwerk inventory`: check departments' entries, and write new ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from meentwerk.console import Json, note, say, show_json
from meentwerk.entries import rules
from meentwerk.entries.fleet import DEPARTMENTS
from meentwerk.entries.new_department import new_department
from meentwerk.entries.problem import Problem
from meentwerk.errors import UsageError
from meentwerk.exits import Exit
from meentwerk.inventory import ROOT

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Departments' entries: check them, write new ones.")
app.command("new-department")(new_department)


@app.command(
    epilog="""\b
Examples:
  scripts/validate-inventory                                         every inventory of this clone
  scripts/validate-inventory inventories/production                  one inventory
  scripts/validate-inventory inventories/production/departments/tides.yml
                                                                     one file, held against all others
  scripts/validate-inventory --json inventories/production           for a program
\b
Exit codes: 0 all is right, 2 something is wrong and each problem was printed."""
)
def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Inventory folders, or files in them; without one, every folder in inventories/.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every entry and say, with file and line, what is wrong and what would be right. No host is contacted."""
    groups = [[path] for path in _all_inventories()] if not paths else [_existing(paths)]
    entries, files, problems = 0, 0, set[Problem]()
    for given in groups:
        sources = list(dict.fromkeys(_inventory_of(path) for path in given))
        fleet, found = rules.check(sources)
        only = [path.absolute() for path in given if path.is_file() and _inventory_of(path) != path]
        problems |= {problem for problem in found if not only or problem.place.file.absolute() in only}
        places = [host.place.file for host in fleet.instances()]
        entries, files = entries + len(places), files + len(set(places))
    _report(sorted(problems), entries, files, as_json=as_json)
    if problems:
        raise typer.Exit(Exit.USAGE)


def _report(problems: Sequence[Problem], entries: int, files: int, *, as_json: bool) -> None:
    base = Path.cwd()
    if as_json:
        show_json({"entries": entries, "files": files, "problems": [problem.record(base) for problem in problems]})
        return
    for problem in problems:
        say(problem.text(base))
    if problems:
        bad = len({problem.place.file for problem in problems})
        count = f"{_count(len(problems), 'problem')} in {_count(bad, 'file')}"
        note(f"\n{count}; no host was touched. Every key: docs/entry.md")
    else:
        say(f"{entries} {'entry' if entries == 1 else 'entries'} in {_count(files, 'file')}: all right")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _existing(paths: Sequence[Path]) -> list[Path]:
    """Return what of the arguments is a file or folder; a list of host names is Ansible's and holds no entry."""
    found = []
    for path in paths:
        if path.exists():
            found.append(path)
        elif "," not in str(path):
            raise UsageError(f"there is no {path}", "give the folder of an inventory, such as inventories/demo")
    return found


def _inventory_of(path: Path) -> Path:
    """Return the inventory that a path belongs to: a department's file is held against the whole."""
    if path.is_file() and path.absolute().parent.name == DEPARTMENTS:
        return path.absolute().parents[1]
    if path.is_dir() and path.absolute().name == DEPARTMENTS:
        return path.absolute().parent
    return path.absolute()


def _all_inventories() -> list[Path]:
    return [
        path for path in sorted((ROOT / "inventories").iterdir()) if path.is_dir() and not path.name.startswith(".")
    ]
