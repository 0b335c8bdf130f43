"""``meentwerk release prepare``, ``kit``, ``keep``: what the role release_build asks on the controller."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meentwerk.console import Json, say, show_json
from meentwerk.errors import UsageError
from meentwerk.release import downloads, find, inputs
from meentwerk.release.catalogue import Row, find_row
from meentwerk.release.identity import Architecture, machine_architecture
from meentwerk.release.pack import why_build
from meentwerk.release.sign import allowed_signers_line, public_key
from meentwerk.release.verify import SUFFIX


class Asked(BaseModel):
    """What the role asks for; its variables without their prefix."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    architecture: Architecture = Field(default_factory=machine_architecture)
    rows: dict[str, Any]
    recipe: list[Path]
    """Folders whose content decides the result: the builder and the overlay."""
    packages: dict[str, list[str]]
    output: Path
    signing_key: Path
    downloads: Path | None = None
    offline: bool = False
    again: bool = False


Request = Annotated[str, typer.Option("--request", help="JSON file with the request; - reads standard input.")]
Version = Annotated[str, typer.Option(help="Version of the application.", show_default=False)]
Arch = Annotated[str, typer.Option("--architecture", help="amd64 or arm64.", show_default=False)]
Downloads = Annotated[Path | None, typer.Option(help="Folder of downloads.", show_default=False)]


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None


def look(asked: Asked, row: Row) -> dict[str, Any]:
    """Say what a build would be made from, and whether its result is there already."""
    pins = {name: pin.model_dump() for name, pin in row.pins(asked.architecture).items()}
    source = row.model_dump(include={"tag", "commit", "repository", "upgrades_from", "end_of_support"})
    values = {
        "name": asked.name, "version": asked.version, "architecture": asked.architecture,
        "source": source, "npm": pins, "packages": asked.packages,
    }  # fmt: skip
    digest = inputs.digest(asked.recipe, values)
    found = find.find(asked.output, digest, asked.name)
    line = allowed_signers_line(public_key(asked.signing_key)) if asked.signing_key.exists() else ""
    document: dict[str, Any] = {
        "version": asked.version, "architecture": asked.architecture, "inputs": digest, "npm": pins, **source,
        "build": True, "reason": "there was none of these inputs", "id": "", "archive": "", "allowed_signers": line,
    }  # fmt: skip
    if found:
        archive = asked.output / f"{found[0]}{SUFFIX}"
        why = "it was asked for again" if asked.again else why_build(archive, line)
        reason = why or "it is there, made from the same inputs, and verifies"
        document |= {"build": bool(why), "reason": reason, "id": str(found[0]), "archive": str(archive)}
    return document


def prepare(*, request: Request = "-", as_json: Json = False) -> None:
    """Find the row of a version, and say whether a release of it has to be built."""
    try:
        asked = Asked.model_validate_json(_read(request))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"The request is not usable: {wrong}.", "Correct the variables of the role.") from None
    document = look(asked, find_row(asked.version, asked.rows))
    if document["build"] and asked.offline:
        if asked.downloads is None:
            raise UsageError(
                "A build without network needs a folder of downloads, and none is named.",
                "Set release_build_downloads.",
            )
        downloads.read(asked.downloads, asked.version, asked.architecture, needed=True)
    if as_json:
        show_json(document)
    else:
        say(f"{'would build' if document['build'] else 'kept'} {document['version']}: {document['reason']}")


def kit(
    *,
    target: Annotated[Path, typer.Option(help="File to write.", show_default=False)],
    builder: Annotated[Path, typer.Option(help="Folder of the program that builds.", show_default=False)],
    overlay: Annotated[Path, typer.Option(help="Folder of the files that go over the source.", show_default=False)],
    version: Version,
    architecture: Arch,
    certificates: Annotated[
        Path | None, typer.Option(help="File with further authorities.", show_default=False)
    ] = None,
    folder: Annotated[Path | None, typer.Option("--downloads", help="Folder of downloads.", show_default=False)] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Everything must be among the downloads.")] = False,
) -> None:
    """Pack what a builder needs into one file; the plan comes from standard input."""
    kept = downloads.Kept(Path(), {})
    if folder is not None:
        kept = downloads.read(folder, version, architecture, needed=offline)
    if certificates is not None and not certificates.is_file():
        raise UsageError(f"There is no file {certificates}.", "Correct release_build_ca_certificates.")
    downloads.write_kit(target, _read("-"), {"builder": builder, "overlay": overlay}, certificates, kept)
    say(f"{target}: {len(kept.files)} files of earlier downloads go along")


def keep(
    *,
    archive: Annotated[Path, typer.Argument(help="What the builder packed of its downloads.")],
    folder: Annotated[Path, typer.Option("--downloads", help="Folder of downloads.", show_default=False)],
    version: Version,
    architecture: Arch,
    as_json: Json = False,
) -> None:
    """Add what a build brought from outside to the folder of downloads."""
    added = downloads.add(folder, archive, version, architecture)
    if as_json:
        show_json({"changed": bool(added), "added": added})
    else:
        say(f"{folder}: {added} new files")
