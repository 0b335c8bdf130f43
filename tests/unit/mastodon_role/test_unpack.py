"""An archive is verified, then unpacked whole or not at all."""

import json
import stat
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

RELEASE = "sandbox-0.1.0-debian13-amd64"
MANIFEST = {"contract": 1, "id": RELEASE}


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    folder = tmp_path / "releases"
    folder.mkdir()
    return folder


def pack(folder: Path, manifest: object, top: str = RELEASE) -> Path:
    tree = folder / "tree" / top
    (tree / "bin").mkdir(parents=True)
    (tree / "release.json").write_text(json.dumps(manifest))
    (tree / "bin/web").write_text("#!/bin/sh\n")
    (tree / "bin/web").chmod(0o4777)
    path = folder / "archive.tar.zst"
    subprocess.run(["tar", "-C", tree.parent, "--zstd", "-cf", path, top], check=True)
    return path


def test_a_release_is_read_only(unpacking: ModuleType, tmp_path: Path, releases: Path) -> None:
    manifest = unpacking.unpack(pack(tmp_path, MANIFEST), RELEASE, releases)
    assert manifest == MANIFEST
    assert [path.name for path in releases.iterdir()] == [RELEASE]
    assert stat.S_IMODE((releases / RELEASE / "bin/web").stat().st_mode) == 0o555
    assert stat.S_IMODE((releases / RELEASE).stat().st_mode) == 0o555


@pytest.mark.parametrize(
    ("manifest", "top", "reason"),
    [
        ({"contract": 2, "id": RELEASE}, RELEASE, "release contract 2"),
        ({"contract": 1, "id": "other"}, RELEASE, "it holds other"),
        (MANIFEST, "other", "does not consist of one folder"),
    ],
)
def test_what_is_not_this_release_leaves_nothing(
    unpacking: ModuleType, tmp_path: Path, releases: Path, manifest: object, top: str, reason: str
) -> None:
    with pytest.raises(unpacking.RefusedError, match=reason):
        unpacking.unpack(pack(tmp_path, manifest, top), RELEASE, releases)
    assert list(releases.iterdir()) == []


def test_half_an_archive_leaves_nothing(unpacking: ModuleType, tmp_path: Path, releases: Path) -> None:
    path = pack(tmp_path, MANIFEST)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(unpacking.RefusedError, match="tar could not unpack"):
        unpacking.unpack(path, RELEASE, releases)
    assert list(releases.iterdir()) == []


def test_leftovers_of_an_interruption_go(unpacking: ModuleType, tmp_path: Path, releases: Path) -> None:
    (releases / ".unpack-abc" / "half").mkdir(parents=True)
    unpacking.unpack(pack(tmp_path, MANIFEST), RELEASE, releases)
    assert [path.name for path in releases.iterdir()] == [RELEASE]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    return folder


def sign(key: Path, data: Path, namespace: str) -> str:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
    return subprocess.run(command, input=data.read_bytes(), capture_output=True, check=True).stdout.decode()


def test_signatures(unpacking: ModuleType, keys: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("x")
    public = (keys / "ours.pub").read_text()
    signers = unpacking.allowed_signers([f"# who may sign\n{public}\n"])
    good = sign(keys / "ours", data, unpacking.NAMESPACE)
    unpacking.verify_signature(data, good, signers)
    unpacking.verify_signature(data, good, unpacking.allowed_signers([signers]))
    for bad in (sign(keys / "theirs", data, unpacking.NAMESPACE), sign(keys / "ours", data, "file"), "nonsense"):
        with pytest.raises(unpacking.RefusedError, match="mastodon_release_allowed_signers"):
            unpacking.verify_signature(data, bad, signers)
    data.write_text("y")
    with pytest.raises(unpacking.RefusedError):
        unpacking.verify_signature(data, good, signers)


def test_hash(unpacking: ModuleType, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    unpacking.verify_hash(data, empty)
    with pytest.raises(unpacking.RefusedError, match="changed or damaged"):
        unpacking.verify_hash(data, "0" * 64)
