"""Is this file the release its name says, whole, and signed by somebody we trust?"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meentwerk.errors import UsageError
from meentwerk.release.archive import read_description, sha256
from meentwerk.release.errors import UntrustedError
from meentwerk.release.identity import ReleaseId
from meentwerk.release.sign import check_signature

SUFFIX = ".tar.zst"


@dataclass(frozen=True)
class Verified:
    """A release that may be deployed."""

    identifier: ReleaseId
    sha256: str
    fingerprint: str
    """The key that signed it, as ssh-keygen prints it."""
    description: dict[str, Any]


def verify(archive: Path, allowed_signers: Path) -> Verified:
    """Check a release's hash, signature, name and content, in the order that gives the most telling message.

    The signature covers the bytes only; that release.json repeats the file's name keeps an old, validly signed release
    from passing as a new one.
    """
    if not archive.name.endswith(SUFFIX):
        raise UsageError(
            f"{archive.name} is no release: its name does not end in {SUFFIX}.", "Name the archive itself."
        )
    identifier = ReleaseId.parse(archive.name.removesuffix(SUFFIX))
    if not archive.is_file():
        raise UsageError(
            f"There is no release at {archive}.",
            "Build it: ansible-playbook playbooks/build.yml -e release_build_flavour=...",
        )
    digest = sha256(archive)
    stated = _stated_hash(archive)
    if digest != stated:
        raise UntrustedError(
            f"{archive.name} is truncated or was changed: its SHA-256 is {digest}, its .sha256 file says {stated}.",
            "Copy it again from where it was built, or build it again.",
        )
    signature = check_signature(archive, allowed_signers)
    return Verified(identifier, digest, signature.fingerprint, read_description(archive, identifier))


def hash_line(archive: Path, digest: str) -> str:
    """Give the content of the .sha256 file, as ``sha256sum --check`` reads it."""
    return f"{digest}  {archive.name}\n"


def _stated_hash(archive: Path) -> str:
    path = archive.with_name(f"{archive.name}.sha256")
    if not path.is_file():
        raise UntrustedError(f"{path.name} is missing.", "Copy the release again, with all its files.")
    match = re.fullmatch(r"([0-9a-f]{64})  (\S+)\n?", path.read_text(encoding="utf-8", errors="replace"))
    if match is None or match[2] != archive.name:
        raise UntrustedError(
            f"{path.name} does not hold the hash of {archive.name}.", "Copy the release again, with all its files."
        )
    return match[1]
