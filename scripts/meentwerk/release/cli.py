"""``meentwerk release``: name, build and verify releases."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from meentwerk.console import Json, say, show_json
from meentwerk.errors import UsageError
from meentwerk.release import sign
from meentwerk.release.identity import Architecture, Flavour, identify, machine_architecture
from meentwerk.release.pack import Request
from meentwerk.release.pack import pack as pack_release
from meentwerk.release.verify import verify as verify_release

app = typer.Typer(name="release", help="Name, build and verify releases.", no_args_is_help=True, add_completion=False)

Source = Annotated[Path, typer.Option(help="Folder whose content becomes the release.", show_default=False)]
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


@app.command("id")
def identifier(
    *,
    source: Source,
    description: Description,
    architecture: Arch = None,
    exclude: Exclude = None,
    as_json: Json = False,
) -> None:
    """Print the identifier that a source has now."""
    found, entries = identify(source, _flavour(description), _architecture(architecture), exclude or ())
    _answer(as_json, {"id": str(found), **asdict(found), "files": len(entries)}, str(found))


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
    source: Source,
    description: Description,
    output: Annotated[Path, typer.Option(help="Folder for the release's files.", show_default=False)],
    signing_key: Key,
    architecture: Arch = None,
    exclude: Exclude = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Build and sign a release, unless it is there and verifies."""
    request = Request(
        source, _flavour(description), _architecture(architecture), output, signing_key.expanduser(), exclude or ()
    )
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
