"""Building the files of a release: all of them, signed, or none."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.release.archive import sha256, unpack, write
from meentwerk.release.errors import UntrustedError
from meentwerk.release.identity import Architecture, Entry, Flavour, ReleaseId, identify, unpacked_bytes
from meentwerk.release.sbom import bill_of_materials
from meentwerk.release.sign import allowed_signers_line, public_key, sign
from meentwerk.release.verify import SUFFIX, hash_line, verify

ALLOWED_SIGNERS = "allowed_signers"
_PARTIAL = ".partial-"
_UNPACKED = ".tree-"


@dataclass(frozen=True)
class Request:
    """What to pack, and where to."""

    source: Path
    flavour: Flavour
    architecture: Architecture
    output: Path
    key: Path
    exclude: Sequence[str] = ()
    components: Sequence[dict[str, Any]] = ()
    """More parts for the bill of materials, as CycloneDX components."""
    expected: str = ""
    """The identifier that the builder worked with; another result is an error."""


@dataclass(frozen=True)
class Packed:
    """A release in its place, or in a dry run the one that would be."""

    identifier: ReleaseId
    archive: Path
    changed: bool
    reason: str
    allowed_signers: str


def pack(request: Request, *, dry_run: bool = False) -> Packed:
    """Build a release unless its files are there, whole and signed by this key.

    The archive gets its final name last: who sees it sees everything that belongs to it. What an interrupted build
    left in the output folder is removed by the next one.
    """
    identifier, entries = identify(request.source, request.flavour, request.architecture, request.exclude)
    if request.expected and str(identifier) != request.expected:
        raise UsageError(
            f"The tree is {identifier}, and the builder made {request.expected}.",
            "It changed on its way here. Build again.",
        )
    archive = request.output / f"{identifier}{SUFFIX}"
    if dry_run:
        line = allowed_signers_line(public_key(request.key)) if request.key.exists() else ""
        reason = why_build(archive, line)
        return Packed(identifier, archive, bool(reason), reason or "it is there and verifies", line)

    line = allowed_signers_line(public_key(request.key))
    with locked(request.output):
        leftovers = _clear(request.output)
        reason = why_build(archive, line)
        if reason:
            _build(request, identifier, entries, line)
        signers = _place_text(request.output / ALLOWED_SIGNERS, f"{line}\n")
    changed = bool(reason) or leftovers or signers
    return Packed(identifier, archive, changed, reason or "it is there and verifies", line)


@contextmanager
def unpacked(tree: Path, output: Path) -> Iterator[Path]:
    """Unpack a builder's tree beside the releases, where there must be room anyway; it is gone afterwards."""
    output.mkdir(parents=True, exist_ok=True)
    for left in output.glob(f"{_UNPACKED}*"):
        # A build that was killed; the trees of living ones carry their pid
        if not Path(f"/proc/{left.name.split('-')[1]}").exists():
            shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f"{_UNPACKED}{os.getpid()}-", dir=output) as folder:
        unpack(tree, Path(folder))
        yield Path(folder)


def companions(archive: Path) -> tuple[Path, Path, Path]:
    """Give the paths of a release's hash, signature and bill of materials."""
    bill = archive.with_name(archive.name.removesuffix(SUFFIX) + ".cdx.json")
    return archive.with_name(f"{archive.name}.sha256"), archive.with_name(f"{archive.name}.sig"), bill


def why_build(archive: Path, line: str) -> str:
    """Say why a release must be built; empty when it need not."""
    missing = [path.name for path in (archive, *companions(archive)) if not path.is_file()]
    if len(missing) == 1 + len(companions(archive)):
        return "there was none"
    if missing:
        return f"it was incomplete: {', '.join(missing)} missing"
    if not line:
        return "there was no signing key"
    # A release that fails here is never signed again as it is: that would bless whatever somebody put there
    with tempfile.NamedTemporaryFile("w", prefix="meentwerk-signers-", encoding="utf-8") as signers:
        signers.write(f"{line}\n")
        signers.flush()
        try:
            verify(archive, Path(signers.name))
        except UntrustedError as error:
            return error.message
    return ""


def _build(request: Request, identifier: ReleaseId, entries: Sequence[Entry], line: str) -> None:
    final = request.output / f"{identifier}{SUFFIX}"
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=request.output) as folder:
        archive = Path(folder) / final.name
        size = unpacked_bytes(entries)
        write(archive, request.source, entries, identifier, request.flavour.document(identifier, size))
        digest = sha256(archive)
        hash_file, signature, bill = companions(archive)
        hash_file.write_text(hash_line(archive, digest), encoding="utf-8")
        document = bill_of_materials(identifier, request.flavour, digest, size, request.components)
        bill.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        sign(archive, request.key)
        signers = Path(folder) / ALLOWED_SIGNERS
        signers.write_text(f"{line}\n", encoding="utf-8")
        try:
            verify(archive, signers)
        except MeentwerkError as error:
            raise UsageError(
                f"The release just built does not verify: {error.message}", "Do private key and .pub file match?"
            ) from None
        # An old archive under this name goes first: it must never stand beside new companions
        final.unlink(missing_ok=True)
        for path in (hash_file, signature, bill, archive):
            _flush(path)
            path.chmod(0o644)
            path.rename(request.output / path.name)
        _flush(request.output)


def _place_text(path: Path, text: str) -> bool:
    """Write a small file in one step; false when it says so already."""
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
        return False
    partial = path.with_name(f"{_PARTIAL}{path.name}")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o644)
    _flush(partial)
    partial.rename(path)
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(output: Path) -> bool:
    leftovers = list(output.glob(f"{_PARTIAL}*"))
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return bool(leftovers)


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Let builds into one folder wait for one another: the second finds the first one's release."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = (output / ".lock").open("a")
    except OSError as error:
        raise UsageError(
            f"Releases cannot be written to {output}: {error.strerror}.",
            "Choose another folder with release_build_output.",
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
