"""Reading and writing the archive of a release: tar inside zstd, the same bytes for the same content."""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.release.errors import UntrustedError
from meentwerk.release.identity import Entry, ReleaseId, check_link, check_member, is_identifier

DESCRIPTION = "release.json"
# 2020-01-01 and the ten years before it: see modification_time
_LATEST = 1577836800
_SPAN = 10 * 365 * 24 * 3600
# -T gives the same bytes on any number of cores; --single-thread would give others. Level 19 takes ten times as long as
# 12, for a tenth of the size.
_COMPRESS = ("zstd", "-q", "-12", "-T0")
DECOMPRESS = ("zstd", "-q", "-d", "-c")
_NO_ZSTD = UsageError("zstd is missing on this machine.", "Install it: apt-get install zstd.")


def modification_time(digest: str) -> int:
    """Derive a file's time (seconds since 1970) from its content.

    nginx makes its ETag from a file's time and size. With one constant time, a file that changes and keeps its size
    would keep its ETag too, and browsers would go on showing the old one.
    """
    return _LATEST - int(digest[:16], 16) % _SPAN


def write(
    target: Path, source: Path, entries: Sequence[Entry], identifier: ReleaseId, description: dict[str, Any]
) -> None:
    """Pack entries below ``ID/``; release.json comes first, so that a reader learns early what it holds."""
    described = (json.dumps(description, indent=2, sort_keys=True) + "\n").encode()
    plain = target.with_name(f"{target.name}.tar")
    with tarfile.open(plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_folder(str(identifier)))
        _add_file(tar, f"{identifier}/{DESCRIPTION}", described, executable=False)
        seen: set[PurePosixPath] = {PurePosixPath()}
        for entry in entries:
            if entry.path.as_posix() == DESCRIPTION:
                raise UsageError(
                    f"{source / DESCRIPTION} is in the way.", f"Remove it: the build writes {DESCRIPTION} itself."
                )
            _add(tar, source, entry, str(identifier), seen)
    try:
        result = subprocess.run([*_COMPRESS, "-o", target, plain], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise _NO_ZSTD from None
    if result.returncode != 0:
        raise MeentwerkError(f"{target} could not be written: {result.stderr.strip()}.", "Is there room on the disk?")
    plain.unlink()


def _add(tar: tarfile.TarFile, source: Path, entry: Entry, top: str, seen: set[PurePosixPath]) -> None:
    for parent in reversed(entry.path.parents):
        if parent not in seen:
            seen.add(parent)
            tar.addfile(_folder(f"{top}/{parent}"))
    check_member(entry.path.as_posix())
    name = f"{top}/{entry.path}"
    if entry.kind == "link":
        check_link(entry.path, entry.target)
        info = _info(name, tarfile.SYMTYPE, 0o777, entry.digest)
        info.linkname = entry.target
        tar.addfile(info)
        return
    content = (source / entry.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != entry.digest:
        raise UsageError(f"{source / entry.path} changed while it was packed.", "Let the source rest and build again.")
    _add_file(tar, name, content, executable=entry.kind == "executable")


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, *, executable: bool) -> None:
    info = _info(name, tarfile.REGTYPE, 0o755 if executable else 0o644, hashlib.sha256(content).hexdigest())
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _folder(name: str) -> tarfile.TarInfo:
    return _info(name, tarfile.DIRTYPE, 0o755, "0")


def _info(name: str, kind: bytes, mode: int, digest: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, modification_time(digest)
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


def read_description(archive: Path, identifier: ReleaseId) -> dict[str, Any]:
    """Read an archive to its end and give its release.json.

    Every name must lie below ``ID/``, every link inside it; a truncated or damaged archive and one that holds another
    release than its name says are UntrustedErrors.
    """
    top = str(identifier)
    damage: str | Exception = ""
    description: dict[str, Any] = {}
    try:
        with subprocess.Popen([*DECOMPRESS, archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None  # noqa: S101 - asked for with PIPE
            description = _read(process.stdout, top)
        damage = f"zstd ended with {process.returncode}" if process.returncode else ""
    except FileNotFoundError:
        raise _NO_ZSTD from None
    except (tarfile.TarError, ValueError) as error:
        damage = error
    if damage:
        raise UntrustedError(
            f"{archive.name} is truncated or damaged: {damage}.",
            "Copy it again from where it was built, or build it again.",
        )
    if description.get("id") != top:
        raise UntrustedError(
            f"{archive.name} holds {description.get('id', 'no release')}, not what its name says.",
            "Somebody renamed it. Give it its own name back, or do not use it.",
        )
    return description


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the tree that a builder made; names and links that leave it are refused, and so are devices."""
    try:
        with subprocess.Popen([*DECOMPRESS, archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None  # noqa: S101 - asked for with PIPE
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                for member in tar:
                    tar.extract(member, folder, filter="data")
    except FileNotFoundError:
        raise _NO_ZSTD from None
    except tarfile.TarError as error:
        raise UntrustedError(f"What the builder made cannot be unpacked: {error}.", "Build it again.") from None
    except OSError as error:
        raise MeentwerkError(
            f"{folder} cannot hold the tree: {error.strerror}.", "Is there room on the disk?"
        ) from None


def _read(stream: IO[bytes], top: str) -> dict[str, Any]:
    description: dict[str, Any] = {}
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            _check(member, top)
            content = tar.extractfile(member) if member.name == f"{top}/{DESCRIPTION}" else None
            if content is not None:
                description = json.load(content)
    # What follows the end of the tar is read too: zstd compares its own checksum only there
    while stream.read(1 << 20):
        pass
    return description


def _check(member: tarfile.TarInfo, top: str) -> None:
    first, _, rest = member.name.partition("/")
    if first != top and is_identifier(first):
        raise UntrustedError(
            f"{top} holds {first}, not what its name says.",
            "Somebody renamed it. Give it its own name back, or do not use it.",
        )
    if first != top or not (member.isdir() or member.isreg() or member.issym()):
        raise UntrustedError(
            f"The archive holds {member.name!r}, which is no file, folder or link below {top}/.", "Do not use it."
        )
    try:
        if rest:
            check_member(rest)
        if member.issym():
            check_link(PurePosixPath(rest), member.linkname)
    except UsageError as error:
        raise UntrustedError(error.message, "Do not use the archive.") from None


def sha256(path: Path) -> str:
    """Give a file's SHA-256 as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
