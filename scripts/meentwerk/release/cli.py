"""``meentwerk release``: name, build and verify releases."""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from meentwerk.console import Json, note, say, show_json, show_table
from meentwerk.errors import UsageError
from meentwerk.exits import Exit
from meentwerk.release import building, compare, sign
from meentwerk.release.identity import (
    Architecture,
    Flavour,
    ReleaseId,
    content_version,
    identify,
    machine_architecture,
)
from meentwerk.release.pack import Request, unpacked
from meentwerk.release.pack import pack as pack_release
from meentwerk.release.verify import verify as verify_release

app = typer.Typer(name="release", help="Name, build and verify releases.", no_args_is_help=True, add_completion=False)

Description = Annotated[
    str, typer.Option(help="JSON file with the flavour's description; - reads standard input.", show_default=False)
]
Arch = Annotated[str | None, typer.Option("--architecture", help="amd64 or arm64.", show_default="this machine's")]
Exclude = Annotated[list[str] | None, typer.Option(help="Shell pattern of names that stay out; may be repeated.")]
Key = Annotated[
    Path, typer.Option(help="OpenSSH private key, or the .pub file of a key that an agent holds.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen and change nothing.")]


def _answer(as_json: bool, document: dict[str, Any], text: str) -> None:
    if as_json:
        show_json(document)
    else:
        say(text)


def _flavour(description: str) -> Flavour:
    try:
        return Flavour.from_json(
            sys.stdin.read() if description == "-" else Path(description).read_text(encoding="utf-8")
        )
    except OSError as error:
        raise UsageError(
            f"The description {description} cannot be read: {error.strerror}.", "Check --description."
        ) from None


def _architecture(name: str | None) -> Architecture:
    if name is None:
        return machine_architecture()
    if name not in ("amd64", "arm64"):
        raise UsageError(f"{name!r} is no architecture of a release.", "Use amd64 or arm64.")
    return cast(Architecture, name)


app.command()(building.prepare)
app.command()(building.kit)
app.command()(building.keep)


@app.command("id")
def identifier(
    *,
    description: Description,
    source: Annotated[Path | None, typer.Option(help="Folder whose content becomes the release.")] = None,
    tree: Annotated[
        str, typer.Option("--tree-digest", help="What a builder says of a tree, instead of a source.")
    ] = "",
    architecture: Arch = None,
    exclude: Exclude = None,
    as_json: Json = False,
) -> None:
    """Print the identifier that a source has now."""
    flavour = _flavour(description)
    if (source is None) == (not tree):
        raise UsageError("Of what is the identifier wanted?", "Name --source or --tree-digest.")
    if source is None:
        found = ReleaseId(flavour.name, content_version(flavour, tree), _architecture(architecture))
    else:
        found, _ = identify(source, flavour, _architecture(architecture), exclude or ())
    _answer(as_json, {"id": str(found), **asdict(found)}, str(found))


@app.command("compare")
def compare_(
    first: Annotated[Path, typer.Argument(help="A release's .tar.zst.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: Json = False,
) -> None:
    """List the files that differ between two releases; exit code 3 when there are any."""
    differences = compare.compare(first, second)
    if as_json:
        show_json({"differences": [asdict(each) for each in differences]})
    else:
        show_table(("file", "first", "second"), ((d.path, d.first or "-", d.second or "-") for d in differences))
        note(f"{len(differences)} files differ" if differences else "no file differs")
    raise typer.Exit(Exit.FINDINGS if differences else Exit.DONE)


@app.command()
def key(
    path: Annotated[Path, typer.Argument(help="OpenSSH private key, or a .pub file.")],
    generate: Annotated[
        bool, typer.Option("--generate", help="Make one without passphrase when there is none.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Print the line that makes hosts trust a signing key for releases."""
    path = path.expanduser()
    make = generate and not path.exists()
    if make and not dry_run:
        sign.generate_key(path)
    line = "" if make and dry_run else sign.allowed_signers_line(sign.public_key(path))
    _answer(as_json, {"changed": make, "key": str(path), "allowed_signers": line}, line or f"would make {path}")


@app.command()
def pack(
    *,
    description: Description,
    output: Annotated[Path, typer.Option(help="Folder for the release's files.", show_default=False)],
    signing_key: Key,
    source: Annotated[Path | None, typer.Option(help="Folder whose content becomes the release.")] = None,
    tree: Annotated[Path | None, typer.Option(help="Archive of a builder's tree, instead of a source.")] = None,
    components: Annotated[Path | None, typer.Option(help="JSON list of more parts for the bill of materials.")] = None,
    expect: Annotated[str, typer.Option(help="Identifier that the result must have.")] = "",
    architecture: Arch = None,
    exclude: Exclude = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Build and sign a release, unless it is there and verifies."""
    if (source is None) == (tree is None):
        raise UsageError("What is to be packed?", "Name --source or --tree.")
    flavour, arch, key = _flavour(description), _architecture(architecture), signing_key.expanduser()
    parts = json.loads(components.read_text(encoding="utf-8")) if components else []
    with unpacked(tree, output) if tree else nullcontext(source) as folder:
        assert folder is not None  # noqa: S101 - one of the two is there
        request = Request(folder, flavour, arch, output, key, exclude or (), parts, expect)
        packed = pack_release(request, dry_run=dry_run)
    document = {
        "changed": packed.changed,
        "id": str(packed.identifier),
        "archive": str(packed.archive),
        "reason": packed.reason,
        "allowed_signers": packed.allowed_signers,
    }
    verb = ("would build" if dry_run else "built") if packed.changed else "kept"
    _answer(as_json, document, f"{verb} {packed.archive}: {packed.reason}")


@app.command()
def verify(
    archive: Annotated[Path, typer.Argument(help="The release's .tar.zst; its other files lie beside it.")],
    allowed_signers: Annotated[Path | None, typer.Option(help="File with the keys you trust.")] = None,
    trust: Annotated[
        list[str] | None, typer.Option(help="A public key, or a line of such a file; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check hash, signature, name and content of a release; exit code 6 when it must not be used."""
    if (allowed_signers is None) == (not trust):
        raise UsageError("Nobody is named whom you trust.", "Give either --allowed-signers FILE or --trust KEY.")
    with sign.signers_file(allowed_signers, trust or ()) as signers:
        verified = verify_release(archive, signers)
    document = {
        "id": str(verified.identifier),
        "sha256": verified.sha256,
        "fingerprint": verified.fingerprint,
        "release": verified.description,
    }
    _answer(as_json, document, f"{verified.identifier} is whole and signed by {verified.fingerprint}")
