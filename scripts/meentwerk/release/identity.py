"""Names, descriptions and content addresses of releases.

The identifier of a release is ``NAME-VERSION-debian13-ARCH``. A content-addressed version ends in ``.gHEX``: the first
twelve hexadecimal digits of a SHA-256 over everything that enters the archive, so an unchanged source keeps its
identifier.
"""

import fnmatch
import hashlib
import json
import os
import platform
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from meentwerk.errors import UsageError

CONTRACT = 1
DEBIAN = "13"
Architecture = Literal["amd64", "arm64"]
# What hosts rely on; docs/architecture.md has the release contract
PROGRAMS = tuple(f"bin/{name}" for name in ("web", "sidekiq", "streaming", "migrate", "tootctl", "batch", "check"))
PAGES = ("public/404.html", "public/500.html")

# What ext4 and xfs use unless somebody chose otherwise
_BLOCK = 4096
# Below this, files are made from the rest of the tree
DERIVED = "tmp/cache/bootsnap/"
# It becomes part of the names of units and folders: systemd would escape any other character
_IDENTIFIER = re.compile(
    r"(?P<name>[a-z][a-z0-9]*)-(?P<version>[0-9][A-Za-z0-9._]*)-debian(?P<debian>[0-9]+)-(?P<architecture>amd64|arm64)"
)
# Debian Policy 5.6.1 and 7.1: a package, and in parentheses the versions that will do
_RELATION = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+)( \((?P<constraint>(<<|<=|=|>=|>>) [0-9A-Za-z.+:~-]+)\))?")
_Relation = Annotated[str, StringConstraints(pattern=f"^{_RELATION.pattern}$")]


def is_identifier(text: str) -> bool:
    """Tell whether a text has the form of a release's identifier."""
    return _IDENTIFIER.fullmatch(text) is not None


@dataclass(frozen=True)
class ReleaseId:
    """The parts of ``NAME-VERSION-debian13-ARCH``; ``str()`` joins them again."""

    name: str
    version: str
    architecture: str
    debian: str = DEBIAN

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take an identifier apart; a UsageError says what one looks like."""
        match = _IDENTIFIER.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is not the identifier of a release.",
                "Expected NAME-VERSION-debian13-ARCH, for example sandbox-0.1.0.g0123456789ab-debian13-amd64.",
            )
        return cls(**match.groupdict())

    def __str__(self) -> str:
        return f"{self.name}-{self.version}-debian{self.debian}-{self.architecture}"


class Upstream(BaseModel):
    """Where a release's source comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repository: str
    tag: str
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


class Flavour(BaseModel):
    """What is known about a release before its source is read; the role release_build keeps one per flavour."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
    flavour: Literal["sandbox", "mastodon"]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9][A-Za-z0-9._]*$")]
    mastodon_version: str
    licence: str
    upstream: Upstream | None = None
    toolchain: dict[str, str] = Field(default_factory=dict)
    upgrades_from: Annotated[str, StringConstraints(pattern=r"^([0-9][A-Za-z0-9._]*)?$")] = ""
    """The oldest version that may be upgraded to this one in one step; "" when any may."""
    end_of_support: Annotated[str, StringConstraints(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")] = ""
    """The day upstream's support ends, as ISO 8601; "" when it is not known."""
    inputs: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    """SHA-256 over what a compiled release was made from; "" when the source itself is what is packed."""
    runtime_packages: list[_Relation]
    """As in a Debian dependency field: ``python3-starlette (>= 0.46)``, or the name alone for any version."""

    @property
    def packages(self) -> dict[str, str]:
        """Map each Debian package, sorted by name, to its version relation such as ">= 0.46", or ""."""
        matches = [_RELATION.fullmatch(relation) for relation in sorted(self.runtime_packages)]
        return {match["name"]: match["constraint"] or "" for match in matches if match}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a description; a UsageError names every wrong field."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors())
            raise UsageError(
                f"The description of the release is not usable: {wrong}.",
                "Correct it in the role's vars/flavours, or pass another file as --description.",
            ) from None

    def document(self, identifier: ReleaseId, size: int) -> dict[str, Any]:
        """Give the content of release.json; size is what unpacked_bytes says of its files."""
        return {
            "contract": CONTRACT,
            "id": str(identifier),
            "name": self.name,
            "version": identifier.version,
            "flavour": self.flavour,
            "mastodon_version": self.mastodon_version,
            "upstream": self.upstream.model_dump() if self.upstream else None,
            "toolchain": self.toolchain,
            "debian": identifier.debian,
            "architecture": identifier.architecture,
            "upgrades_from": self.upgrades_from,
            "end_of_support": self.end_of_support,
            "inputs": self.inputs,
            "runtime_packages": list(self.packages),
            "unpacked_bytes": size,
        }


@dataclass(frozen=True)
class Entry:
    """One file of a source tree: path below it, and what decides its place in the archive."""

    path: PurePosixPath
    kind: Literal["file", "executable", "link"]
    digest: str
    """SHA-256 of a file's bytes, or of a link's target."""
    target: str = ""
    size: int = 0
    """Bytes of a file; 0 of a link."""


def unpacked_bytes(entries: Sequence[Entry]) -> int:
    """Give the room that the entries take on a disk: files in whole blocks, and one block for each folder and link."""
    folders = {parent for entry in entries for parent in entry.path.parents}
    blocks = sum(max(1, -(-entry.size // _BLOCK)) for entry in entries) + len(folders)
    return blocks * _BLOCK


def scan(source: Path, exclude: Sequence[str] = ()) -> list[Entry]:
    """List what a source tree puts into a release, sorted by path.

    ``exclude`` holds shell patterns; an entry goes when any part of its path matches one. Only files and links inside
    the tree are accepted: a device, a socket or a link that leaves the tree is a UsageError.
    """
    if not source.is_dir():
        raise UsageError(
            f"The source {source} is not a folder.", "Check release_build_sandbox_source, or pass the right --source."
        )
    entries = sorted(_walk(source, source, exclude), key=lambda entry: entry.path.as_posix())
    if not entries:
        raise UsageError(
            f"The source {source} holds no file to pack.",
            "Check release_build_sandbox_source, or pass the right --source.",
        )
    return entries


def _walk(root: Path, folder: Path, exclude: Sequence[str]) -> Iterator[Entry]:
    for item in folder.iterdir():
        if any(fnmatch.fnmatchcase(item.name, pattern) for pattern in exclude):
            continue
        path = PurePosixPath(item.relative_to(root).as_posix())
        check_member(path.as_posix())
        mode = item.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(root, item, exclude)
        elif stat.S_ISLNK(mode):
            target = item.readlink().as_posix()
            check_link(path, target)
            yield Entry(path, "link", hashlib.sha256(os.fsencode(target)).hexdigest(), target)
        elif stat.S_ISREG(mode):
            content = item.read_bytes()
            kind: Literal["executable", "file"] = "executable" if mode & stat.S_IXUSR else "file"
            yield Entry(path, kind, hashlib.sha256(content).hexdigest(), size=len(content))
        else:
            raise UsageError(
                f"{item} is neither a file, a folder nor a link.", "Remove it: a release holds nothing else."
            )


def check_contract(entries: Sequence[Entry]) -> None:
    """Refuse a tree that lacks something every release has under the release contract."""
    kinds = {entry.path.as_posix(): entry.kind for entry in entries}
    missing = [f"{program} (executable)" for program in PROGRAMS if kinds.get(program) != "executable"]
    missing += [page for page in PAGES if page not in kinds]
    if missing:
        raise UsageError(
            f"The source is no release yet; it lacks: {', '.join(missing)}.",
            "Add them (chmod +x for programs): hosts start a release through these names only.",
        )


def check_member(name: str) -> None:
    """Refuse a path that could land outside the folder it is unpacked in, or that a terminal could not show."""
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or "." in parts or "" in parts or not name.isprintable():
        raise UsageError(f"The path {name!r} may not enter a release.", "Rename it: relative, printable, without '..'.")


def check_link(path: PurePosixPath, target: str) -> None:
    """Refuse a link whose target lies outside the tree that holds it."""
    resolved = os.path.normpath(path.parent / target)
    if (
        not target
        or target.startswith("/")
        or resolved == ".."
        or resolved.startswith("../")
        or not target.isprintable()
    ):
        raise UsageError(
            f"The link {path} points outside its tree, to {target!r}.", "Make it relative and keep it inside."
        )


def tree_digest(entries: Sequence[Entry]) -> str:
    """Give one SHA-256 over the files of a tree; the builder of the role release_build computes the same.

    Bootsnap's cache does not count: it is made from the rest, under the path that ends in the identifier.
    """
    lines = [
        json.dumps([path, entry.kind, entry.digest])
        for entry in entries
        if not (path := entry.path.as_posix()).startswith(DERIVED)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def content_version(flavour: Flavour, tree: str) -> str:
    """Give the flavour's version, ``.g``, and twelve digits over all that enters the archive; ``tree``: its digest."""
    # release.json is made from the description, so the description counts as content
    digest = hashlib.sha256(f"{tree}\n{flavour.model_dump_json()}".encode()).hexdigest()
    return f"{flavour.version}.g{digest[:12]}"


def machine_architecture(machine: str | None = None) -> Architecture:
    """Give Debian's name for this machine's architecture."""
    machine = machine or platform.machine()
    match machine.lower():
        case "x86_64" | "amd64":
            return "amd64"
        case "aarch64" | "arm64":
            return "arm64"
    raise UsageError(
        f"This machine is {machine}; releases exist for amd64 and arm64.",
        "Name the architecture of your hosts: release_build_architecture, or --architecture.",
    )


def identify(
    source: Path, flavour: Flavour, architecture: Architecture, exclude: Sequence[str] = ()
) -> tuple[ReleaseId, list[Entry]]:
    """Give a source tree's identifier and the entries it was computed from."""
    entries = scan(source, exclude)
    check_contract(entries)
    return ReleaseId(flavour.name, content_version(flavour, tree_digest(entries)), architecture), entries
