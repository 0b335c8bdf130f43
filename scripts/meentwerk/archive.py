"""`meentwerk archive`: is what was kept of a decommissioned instance still whole?

The format is that of plugins/modules/meentwerk_archive.py: one tar file, its manifest the last file in it.
"""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Annotated, Any

import typer

from meentwerk.console import Json, say, show_json
from meentwerk.errors import UsageError
from meentwerk.exits import Exit

FORMAT = 1
MANIFEST = "manifest.json"
_BLOCK = 1 << 20

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Archives of decommissioned instances.")


@app.callback()
def _group() -> None:
    """Keep `verify` a command of its own."""


@app.command(
    epilog="""\b
Example:
  meentwerk archive verify ~/meentwerk-decommissioned/tides/tides.tar
\b
Exit codes: 0 whole, 2 no archive, 3 damaged."""
)
def verify(
    file: Annotated[Path, typer.Argument(help="What playbooks/decommission.yml wrote.")], as_json: Json = False
) -> None:
    """Compare every file of an archive with the hash that its manifest has; says what it holds."""
    manifest, problems = read(file)
    if as_json:
        show_json({"file": str(file), "problems": problems, **{k: v for k, v in manifest.items() if k != "files"}})
    else:
        counts = ", ".join(f"{name} {number}" for name, number in manifest.get("counts", {}).items())
        say(f"{file}: {manifest.get('domain', 'unknown')}, made {manifest.get('made', 'unknown')}: {counts}")
        for problem in problems:
            say(f"damaged: {problem}")
    if problems:
        raise typer.Exit(Exit.FINDINGS)


def read(file: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the manifest of an archive, and what is wrong with it: cut off, changed, missing or additional files.

    UsageError where the file is no such archive at all.
    """
    found: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] = {}
    problems: list[str] = []
    try:
        with tarfile.open(file, mode="r:") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is None:
                    problems.append(f"{member.name} is no file")
                elif member.name == MANIFEST:
                    manifest = json.loads(content.read())
                else:
                    marks = hashlib.sha256()
                    while block := content.read(_BLOCK):
                        marks.update(block)
                    found[member.name] = {"sha256": marks.hexdigest(), "size": member.size}
    except FileNotFoundError:
        raise UsageError(f"there is no {file}", "name the .tar that playbooks/decommission.yml wrote") from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        if not found:
            raise UsageError(f"{file} is no archive: {error}", "name the .tar that was written") from None
        problems.append(f"it cannot be read to its end: {error}")
    if not manifest:
        return {}, [*problems, f"{MANIFEST} is missing: the file was cut off"]
    if manifest.get("format") != FORMAT:
        raise UsageError(f"{file} has the format {manifest.get('format')}", "use the version that made it")
    known = manifest.get("files", {})
    problems += [f"{name} is missing" for name in sorted(known.keys() - found.keys())]
    problems += [f"{name} is not in the manifest" for name in sorted(found.keys() - known.keys())]
    problems += [f"{name} was changed" for name in sorted(known.keys() & found.keys()) if known[name] != found[name]]
    return manifest, problems
