"""Is a release of these inputs in the folder already, whole and signed?"""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meentwerk.release.archive import DECOMPRESS, DESCRIPTION
from meentwerk.release.identity import ReleaseId, is_identifier
from meentwerk.release.verify import SUFFIX


def find(output: Path, inputs: str, name: str) -> tuple[ReleaseId, dict[str, Any]] | None:
    """Give the release in a folder that was made from these inputs; whether it verifies is for the caller to ask.

    Only the beginning of each archive is read: release.json comes first in it.
    """
    for path in candidates(output, name):
        described = peek(path)
        if described.get("inputs") == inputs and described.get("id") == path.name.removesuffix(SUFFIX):
            return ReleaseId.parse(path.name.removesuffix(SUFFIX)), described
    return None


def candidates(output: Path, name: str) -> Iterator[Path]:
    """Yield the archives of an application in a folder, the newest name first."""
    for path in sorted(output.glob(f"{name}-*{SUFFIX}"), reverse=True):
        if is_identifier(path.name.removesuffix(SUFFIX)):
            yield path


def peek(archive: Path) -> dict[str, Any]:
    """Read release.json at the beginning of an archive; an unreadable archive describes nothing."""
    with subprocess.Popen([*DECOMPRESS, archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None  # noqa: S101 - asked for with PIPE
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                for _, member in zip(range(2), tar, strict=False):
                    content = tar.extractfile(member) if member.name.endswith(f"/{DESCRIPTION}") else None
                    if content is not None:
                        document = json.load(content)
                        return document if isinstance(document, dict) else {}
        except (tarfile.TarError, ValueError):
            return {}
        finally:
            process.terminate()
    return {}
