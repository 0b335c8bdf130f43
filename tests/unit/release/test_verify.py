"""Everything that must not be deployed is refused, each with the words that fit."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from meentwerk.errors import UsageError
from meentwerk.exits import Exit
from meentwerk.release import sign
from meentwerk.release.archive import read_description, sha256
from meentwerk.release.errors import UntrustedError
from meentwerk.release.identity import ReleaseId
from meentwerk.release.pack import Packed
from meentwerk.release.verify import hash_line, verify


def restate(archive: Path) -> None:
    """Make the .sha256 file agree again, as an attacker would."""
    archive.with_name(f"{archive.name}.sha256").write_text(hash_line(archive, sha256(archive)))


def test_an_honest_release_passes(packed: Packed, signers: Path) -> None:
    verified = verify(packed.archive, signers)
    assert verified.identifier == packed.identifier
    assert verified.description["runtime_packages"] == ["libstdc++6", "python3-starlette"]
    assert verified.fingerprint.startswith("SHA256:")


def test_a_truncated_archive(packed: Packed, signers: Path) -> None:
    packed.archive.write_bytes(packed.archive.read_bytes()[:-10])
    with pytest.raises(UntrustedError, match=r"truncated or was changed.*\n.*Copy it again") as error:
        verify(packed.archive, signers)
    assert error.value.exit == Exit.REFUSED


def test_a_tampered_archive_with_a_matching_hash(packed: Packed, signers: Path) -> None:
    packed.archive.write_bytes(packed.archive.read_bytes() + b"\0")
    restate(packed.archive)
    with pytest.raises(UntrustedError, match="does not belong to"):
        verify(packed.archive, signers)


def test_a_signer_nobody_trusts(packed: Packed, signers: Path, stranger: Path, resign: Callable[[Path], None]) -> None:
    resign(stranger)
    with pytest.raises(UntrustedError, match=r"is signed by SHA256:\S+, which .* does not trust for releases"):
        verify(packed.archive, signers)


def test_a_key_that_is_trusted_for_something_else(packed: Packed, key: Path, tmp_path: Path) -> None:
    signers = tmp_path / "git"
    signers.write_text(f'release namespaces="git" {sign.public_key(key)}\n')
    with pytest.raises(UntrustedError, match="does not trust for releases"):
        verify(packed.archive, signers)


def test_a_signature_for_another_purpose(packed: Packed, signers: Path, key: Path) -> None:
    packed.archive.with_name(f"{packed.archive.name}.sig").unlink()
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", key, packed.archive], check=True)
    with pytest.raises(UntrustedError, match="was made for 'git', not for 'meentwerk-release'"):
        verify(packed.archive, signers)


@pytest.mark.parametrize(
    "content", ["", "nonsense", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"]
)
def test_what_is_no_signature(packed: Packed, signers: Path, content: str) -> None:
    packed.archive.with_name(f"{packed.archive.name}.sig").write_text(content)
    with pytest.raises(UntrustedError, match="is not an OpenSSH signature"):
        verify(packed.archive, signers)


@pytest.mark.parametrize("suffix", [".sha256", ".sig"])
def test_a_missing_companion(packed: Packed, signers: Path, suffix: str) -> None:
    packed.archive.with_name(packed.archive.name + suffix).unlink()
    with pytest.raises(UntrustedError, match=rf"{suffix} is missing"):
        verify(packed.archive, signers)


def test_a_renamed_release(packed: Packed, signers: Path) -> None:
    """An old release, validly signed, may not pass as a new one."""
    newer = packed.archive.with_name("sandbox-9.9.9-debian13-amd64.tar.zst")
    shutil.copy(packed.archive, newer)
    shutil.copy(f"{packed.archive}.sig", f"{newer}.sig")
    restate(newer)
    with pytest.raises(UntrustedError, match="not what its name says"):
        verify(newer, signers)


def test_a_missing_release_or_list_says_what_to_do(packed: Packed, signers: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"playbooks/build\.yml"):
        verify(tmp_path / "sandbox-1-debian13-amd64.tar.zst", signers)
    with pytest.raises(UsageError, match="meentwerk release key"):
        verify(packed.archive, tmp_path / "nobody")


def crafted(folder: Path, *hostile: tarfile.TarInfo) -> tuple[Path, ReleaseId]:
    identifier = ReleaseId("sandbox", "1", "amd64")
    plain = folder / "crafted.tar"
    with tarfile.open(plain, "w") as tar:
        info = tarfile.TarInfo(f"{identifier}/release.json")
        content = f'{{"id": "{identifier}"}}'.encode()
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
        for member in hostile:
            tar.addfile(member)
    archive = folder / f"{identifier}.tar.zst"
    subprocess.run(["zstd", "-q", "-f", plain, "-o", archive], check=True)
    return archive, identifier


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../etc/cron.d/evil"),
        tarfile.TarInfo("/etc/cron.d/evil"),
        tarfile.TarInfo("sandbox-1-debian13-amd64/../../evil"),
        tarfile.TarInfo("another/evil"),
        link("sandbox-1-debian13-amd64/public", "/etc"),
        link("sandbox-1-debian13-amd64/public", "../../etc"),
    ],
    ids=lambda member: f"{member.name}>{member.linkname}",
)
def test_members_that_would_land_elsewhere(tmp_path: Path, member: tarfile.TarInfo) -> None:
    archive, identifier = crafted(tmp_path, member)
    with pytest.raises(UntrustedError, match="Do not use"):
        read_description(archive, identifier)


def test_a_stream_that_ends_early(tmp_path: Path) -> None:
    archive, identifier = crafted(tmp_path)
    assert read_description(archive, identifier)["id"] == str(identifier)
    archive.write_bytes(archive.read_bytes()[:40])
    with pytest.raises(UntrustedError, match="truncated or damaged"):
        read_description(archive, identifier)
