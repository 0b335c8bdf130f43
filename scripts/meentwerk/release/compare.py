"""Which files differ between two releases."""

import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from meentwerk.errors import UsageError
from meentwerk.release.archive import DECOMPRESS


@dataclass(frozen=True)
class Difference:
    """A file that is not the same in both: its SHA-256 or link target in each, "" where it is missing."""

    path: str
    first: str
    second: str


def compare(first: Path, second: Path) -> list[Difference]:
    """Give the files that differ between two archives, by path; the folder of the identifier does not count."""
    left, right = contents(first), contents(second)
    return [
        Difference(path, left.get(path, ""), right.get(path, ""))
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path)
    ]


def contents(archive: Path) -> dict[str, str]:
    """Map each file of an archive, without its first folder, to SHA-256 and mode, and each link to its target."""
    if not archive.is_file():
        raise UsageError(f"There is no release at {archive}.", "Name two .tar.zst files.")
    found: dict[str, str] = {}
    try:
        with subprocess.Popen([*DECOMPRESS, archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None  # noqa: S101 - asked for with PIPE
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                for member in tar:
                    path = member.name.partition("/")[2]
                    content = tar.extractfile(member) if member.isreg() else None
                    if content is not None:
                        digest = hashlib.sha256(content.read()).hexdigest()
                        found[path] = f"{digest}{' executable' if member.mode & 0o100 else ''}"
                    elif member.issym():
                        found[path] = f"-> {member.linkname}"
    except tarfile.TarError as error:
        raise UsageError(f"{archive.name} is no release: {error}.", "Name two .tar.zst files.") from None
    return found
