"""Module: verify the archive of a release and unpack it, whole or not at all."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]
from ansible.module_utils.mastodon_versions import path_problem  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: mastodon_release_unpack
short_description: Verify the archive of a release and unpack it
description:
  - Refuses an archive whose hash or signature is not right before a byte of it is unpacked.
  - Refuses a release that may not follow the one in service, which `current` names.
  - Unpacks beside and renames, so that an interruption leaves no half release. Removes the archive afterwards.
options:
  archive: {description: Archive on the host., type: path, required: true}
  release: {description: Identifier of the release., type: str, required: true}
  sha256: {description: Expected SHA-256 of the archive., type: str, required: true}
  signature: {description: OpenSSH signature of the archive., type: str, required: true}
  allowed_signers: {description: Public keys or lines as in ssh-keygen(1)., type: list, elements: str, required: true}
  root: {description: Folder of the releases., type: path, default: /opt/mastodon}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Unpack a release
  mastodon_release_unpack:
    archive: /opt/mastodon/releases/.incoming.tar.zst
    release: sandbox-0.1.0.g0123456789ab-debian13-amd64
    sha256: "{{ lookup('file', 'releases/x.tar.zst.sha256') | split | first }}"
    signature: "{{ lookup('file', 'releases/x.tar.zst.sig') }}"
    allowed_signers: [ssh-ed25519 AAAA...]
"""
RETURN = r"""
manifest: {description: release.json of the release; empty in check mode., type: dict, returned: always}
"""

NAMESPACE = "meentwerk-release"
PRINCIPAL = "release"
CONTRACT = 1


class RefusedError(Exception):
    """The archive may not be unpacked; the message says why and what to do."""


def allowed_signers(keys: list[str]) -> str:
    """Write the file that ssh-keygen -f wants; bare public keys are bound to releases."""
    lines = [line.strip() for key in keys for line in key.splitlines()]
    kinds = ("ssh-", "ecdsa-", "sk-")
    return "".join(
        f'{PRINCIPAL} namespaces="{NAMESPACE}" {line}\n' if line.startswith(kinds) else f"{line}\n"
        for line in lines
        if line and not line.startswith("#")
    )


def verify_hash(archive: Path, expected: str) -> None:
    """Refuse an archive that is not the one whose .sha256 stands beside it on the controller."""
    with archive.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected.lower():
        raise RefusedError(
            f"its SHA-256 is {actual}, the .sha256 file says {expected}: it was changed or damaged. "
            "Copy it again from where it was built, or build it again (playbooks/build.yml)."
        )


def verify_signature(archive: Path, signature: str, signers: str) -> None:
    """Refuse an archive that no trusted key signed as a release."""
    with tempfile.TemporaryDirectory() as folder, archive.open("rb") as data:
        Path(folder, "signature").write_text(f"{signature.strip()}\n", encoding="utf-8")
        Path(folder, "signers").write_text(signers, encoding="utf-8")
        files = ["-s", f"{folder}/signature", "-f", f"{folder}/signers"]
        command = ["/usr/bin/ssh-keygen", "-Y", "verify", "-I", PRINCIPAL, "-n", NAMESPACE, *files]
        done = subprocess.run(command, stdin=data, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise RefusedError(
            f"its signature is not that of a trusted signer ({''.join(reason) or 'no reason given'}). If the key that "
            "signed it is yours, add it to mastodon_release_allowed_signers; otherwise do not use this release."
        )


def check_manifest(folder: Path, release: str) -> dict[str, Any]:
    """Return release.json; refuse a release that is not what its name says."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "release.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(f"it has no readable release.json: {error}. Build it again.") from error
    if manifest.get("contract") != CONTRACT:
        raise RefusedError(
            f"it follows release contract {manifest.get('contract')}, this role knows {CONTRACT}. "
            "Build the release and deploy it with the same version of Meentwerk."
        )
    if manifest.get("id") != release:
        raise RefusedError(f"it holds {manifest.get('id')}, not {release}. Give the files their own names back.")
    return manifest


def check_path(release: str, manifest: dict[str, Any], releases: Path) -> None:
    """Refuse a release that may not follow the one in service."""
    current = releases.parent / "current"
    installed = current.readlink().name if current.is_symlink() else ""
    if problem := path_problem(installed, release, manifest):
        raise RefusedError(problem)


def unpack(archive: Path, release: str, releases: Path) -> dict[str, Any]:
    """Unpack into a folder beside, make it read-only, put it in its place by one rename."""
    for left in releases.glob(".unpack-*"):  # of a run that was interrupted
        shutil.rmtree(left)
    beside = Path(tempfile.mkdtemp(prefix=".unpack-", dir=releases))
    try:
        files = [f"--directory={beside}", f"--file={archive}"]
        command = ["/usr/bin/tar", "--extract", "--zstd", "--no-same-owner", *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RefusedError(f"tar could not unpack it: {done.stderr.strip()}. Is there room on the disk?")
        if [item.name for item in beside.iterdir()] != [release]:
            raise RefusedError(f"it does not consist of one folder {release}. Build it again.")
        manifest = check_manifest(beside / release, release)
        check_path(release, manifest, releases)
        # Nobody writes here, and what nginx serves it must be able to read
        subprocess.run(["/usr/bin/chmod", "--recursive", "a-w,a+rX,u-s,g-s", beside / release], check=True)
        # The age of a release on this host decides which ones are kept; the archive's own times are constant
        os.utime(beside / release)
        subprocess.run(["/usr/bin/sync", "--file-system", beside], check=True)
        (beside / release).rename(releases / release)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return manifest


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "release": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "signature": {"type": "str", "required": True},
            "allowed_signers": {"type": "list", "elements": "str", "required": True},
            "root": {"type": "path", "default": "/opt/mastodon"},
        },
        supports_check_mode=True,
    )
    given = module.params
    releases = Path(given["root"]) / "releases"
    archive = Path(given["archive"])
    if (releases / given["release"]).exists():
        module.exit_json(changed=False, manifest=json.loads((releases / given["release"] / "release.json").read_text()))
    if module.check_mode:
        module.exit_json(changed=True, manifest={})
    # An interrupted play may have left its module running; the lock goes with the process
    fcntl.flock(os.open(releases, os.O_RDONLY), fcntl.LOCK_EX)
    if (releases / given["release"]).exists():
        archive.unlink(missing_ok=True)
        module.exit_json(changed=True, manifest=check_manifest(releases / given["release"], given["release"]))
    try:
        verify_hash(archive, given["sha256"])
        verify_signature(archive, given["signature"], allowed_signers(given["allowed_signers"]))
        manifest = unpack(archive, given["release"], releases)
    except RefusedError as refusal:
        module.fail_json(msg=f"The release {given['release']} is refused: {refusal} The host runs on as before.")
    finally:
        archive.unlink(missing_ok=True)
    module.exit_json(changed=True, manifest=manifest)


if __name__ == "__main__":
    main()
