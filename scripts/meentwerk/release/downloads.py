"""The folder of downloads: what a build brought from outside, kept for the next one or for one without network.

Layout::

    manifests/VERSION-ARCHITECTURE.json   path -> SHA-256 of every file that a build of that version needs
    git/ npm/ gems/ yarn/ debian/         those files, shared by versions
"""

import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from meentwerk.errors import UsageError
from meentwerk.files import replace_file
from meentwerk.release.archive import sha256
from meentwerk.release.errors import UntrustedError
from meentwerk.release.identity import check_member

MANIFESTS = "manifests"
KEPT = "kept.json"
SHOWN = 5


@dataclass(frozen=True)
class Kept:
    """What a folder holds for one version and architecture."""

    folder: Path
    files: dict[str, str]
    """Path below the folder -> SHA-256."""


def manifest_path(folder: Path, version: str, architecture: str) -> Path:
    """Give the place of a manifest."""
    return folder / MANIFESTS / f"{version}-{architecture}.json"


def read(folder: Path, version: str, architecture: str, *, needed: bool) -> Kept:
    """Read and check what is kept for a version; a file that changed is never handed to a build.

    With `needed`, as for a build without network, what is missing is an error that names it; else the rest is used.
    """
    path = manifest_path(folder, version, architecture)
    if not path.is_file():
        if needed:
            raise UsageError(
                f"{folder} holds no downloads for {version} on {architecture}: {path.name} is missing in {MANIFESTS}/.",
                "Fill it where there is network: the same build with release_build_downloads and without "
                "release_build_offline; then bring the whole folder here.",
            )
        return Kept(folder, {})
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        for name in dict.keys(stated):
            check_member(name)
    except (ValueError, TypeError, UsageError):
        raise UsageError(
            f"{path} is not readable as a manifest of downloads.", "Bring it again from where it was made."
        ) from None
    missing = [name for name in stated if not (folder / name).is_file()]
    if missing and needed:
        raise UsageError(
            f"{folder} lacks {len(missing)} of {len(stated)} files of {path.name}: {_listed(missing)}.",
            "Bring them again from where the folder was filled.",
        )
    changed = [name for name in stated if name not in missing and sha256(folder / name) != stated[name]]
    if changed:
        raise UntrustedError(
            f"{folder}: {len(changed)} files are not what {path.name} says: {_listed(changed)}.",
            "Do not build from them. Bring them again, or remove them and build with network.",
        )
    return Kept(folder, {name: digest for name, digest in stated.items() if name not in missing})


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def add(folder: Path, archive: Path, version: str, architecture: str) -> int:
    """Take over what a builder packed of its downloads; gives the number of new files.

    The manifest comes last: an interrupted run leaves files that no manifest names, and the next one fills up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as name:
        new = Path(name)
        with tarfile.open(archive) as tar:
            tar.extractall(new, filter="data")
        files = dict(json.loads((new / KEPT).read_text(encoding="utf-8")))
        added = 0
        for path, digest in files.items():
            check_member(path)
            target = folder / path
            if target.is_file() and sha256(target) == digest:
                continue
            if sha256(new / path) != digest:
                raise UntrustedError(f"The download {path} was damaged on its way here.", "Build again.")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(new / path, target)
            added += 1
    manifest = manifest_path(folder, version, architecture)
    text = json.dumps(files, indent=1, sort_keys=True) + "\n"
    if not manifest.is_file() or manifest.read_text(encoding="utf-8") != text:
        manifest.parent.mkdir(exist_ok=True)
        replace_file(manifest, text, 0o644)
    return added


def write_kit(target: Path, plan: str, folders: Mapping[str, Path], certificates: Path | None, kept: Kept) -> None:
    """Pack what a builder needs into one file: plan, program, overlay, certificates and downloads."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for part, source in folders.items():
            tar.add(source, f"kit/{part}", filter=_plain)
        content = plan.encode()
        info = tarfile.TarInfo("kit/plan.json")
        info.size, info.mode = len(content), 0o644
        tar.addfile(info, io.BytesIO(content))
        if certificates:
            tar.add(certificates, "kit/ca.pem", filter=_plain)
        for file in sorted(kept.files):
            tar.add(kept.folder / file, f"downloads/{file}", filter=_plain)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what Python left, and whose the files are here."""
    name = PurePosixPath(info.name).name
    if name == "__pycache__" or name.endswith(".pyc"):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info
