"""Around a build: is it needed, what goes to the builder, what comes back, and what differs between two."""

import dataclasses
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from meentwerk.errors import UsageError
from meentwerk.exits import Exit
from meentwerk.release import compare, downloads
from meentwerk.release.archive import sha256, unpack
from meentwerk.release.building import Asked, look
from meentwerk.release.catalogue import Row
from meentwerk.release.errors import UntrustedError
from meentwerk.release.find import find, peek
from meentwerk.release.identity import identify
from meentwerk.release.pack import Packed, Request, companions, pack, unpacked

INPUTS = "a" * 64
ROW = Row(tag="v1.0.0", commit="a" * 40)


@pytest.fixture
def compiled(request_: Request) -> Packed:
    """Return a release that says what it was made from."""
    flavour = request_.flavour.model_copy(update={"inputs": INPUTS})
    return pack(dataclasses.replace(request_, flavour=flavour))


def test_a_release_is_found_by_what_it_was_made_from(compiled: Packed) -> None:
    found = find(compiled.archive.parent, INPUTS, "sandbox")
    assert found
    assert found[0] == compiled.identifier
    assert find(compiled.archive.parent, "b" * 64, "sandbox") is None
    assert find(compiled.archive.parent, INPUTS, "mastodon") is None
    assert find(compiled.archive.parent / "none", INPUTS, "sandbox") is None


def test_a_renamed_or_broken_archive_is_not_found(compiled: Packed) -> None:
    compiled.archive.rename(compiled.archive.with_name("sandbox-9.9.9-debian13-amd64.tar.zst"))
    compiled.archive.write_bytes(b"broken")
    assert peek(compiled.archive) == {}
    assert find(compiled.archive.parent, INPUTS, "sandbox") is None


@pytest.fixture
def asked(request_: Request, source: Path) -> Asked:
    return Asked(
        name="sandbox", version="1.0.0", architecture="amd64", rows={}, recipe=[source / "bin"],
        packages={"build": ["gcc"]}, output=request_.output, signing_key=request_.key,
    )  # fmt: skip


def built(request_: Request, asked: Asked) -> Packed:
    """Pack what the question is about."""
    flavour = request_.flavour.model_copy(update={"inputs": look(asked, ROW)["inputs"]})
    return pack(dataclasses.replace(request_, flavour=flavour))


def test_what_is_there_and_verifies_is_not_built(request_: Request, asked: Asked) -> None:
    assert look(asked, ROW)["build"] is True
    packed = built(request_, asked)
    answer = look(asked, ROW)
    assert (answer["build"], answer["archive"]) == (False, str(packed.archive))
    again = asked.model_copy(update={"again": True})
    assert look(again, ROW)["build"] is True


@pytest.mark.parametrize("change", ["recipe", "commit", "packages", "architecture"])
def test_other_inputs_are_built(request_: Request, asked: Asked, source: Path, change: str) -> None:
    built(request_, asked)
    row = ROW
    match change:
        case "recipe":
            (source / "bin/web").write_text("#!/bin/sh\nexit 1\n")
        case "commit":
            row = ROW.model_copy(update={"commit": "b" * 40})
        case "packages":
            asked = asked.model_copy(update={"packages": {"build": ["gcc", "make"]}})
        case "architecture":
            asked = asked.model_copy(update={"architecture": "arm64"})
    assert look(asked, row)["build"] is True


def test_a_release_that_was_changed_or_is_another_keys_is_built(
    request_: Request, asked: Asked, stranger: Path
) -> None:
    packed = built(request_, asked)
    assert look(asked.model_copy(update={"signing_key": stranger}), ROW)["build"] is True
    companions(packed.archive)[1].unlink()
    answer = look(asked, ROW)
    assert answer["build"] is True
    assert "incomplete" in answer["reason"]


def tree(path: Path, *members: tuple[str, str]) -> Path:
    """Make the archive of a builder: (name, content), or (name, "-> target")."""
    plain = path / "tree.tar"
    with tarfile.open(plain, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, content.removeprefix("-> ")
            info.size = 0 if info.issym() else len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
    import subprocess  # noqa: PLC0415  one use

    subprocess.run(["zstd", "-q", "-f", plain, "-o", path / "tree.tar.zst"], check=True)
    return path / "tree.tar.zst"


@pytest.mark.parametrize("member", [("../evil", "x"), ("public/x", "-> /etc/passwd"), ("public/x", "-> ../../../etc")])
def test_a_builder_cannot_write_elsewhere_on_the_controller(tmp_path: Path, member: tuple[str, str]) -> None:
    folder = tmp_path / "into" / "tree"
    folder.mkdir(parents=True)
    with pytest.raises(UntrustedError, match="cannot be unpacked"):
        unpack(tree(tmp_path, member), folder)
    assert not list((tmp_path / "into").rglob("evil"))


def test_a_tree_is_unpacked_for_the_moment_only_and_leftovers_go(tmp_path: Path) -> None:
    output = tmp_path / "releases"
    (output / ".tree-999999999-x").mkdir(parents=True)
    with unpacked(tree(tmp_path, ("bin/web", "x")), output) as folder:
        assert (folder / "bin/web").read_text() == "x"
        assert [path.name for path in output.iterdir()] == [folder.name]
    assert not list(output.iterdir())


def test_a_tree_that_is_not_what_the_builder_named_is_not_packed(request_: Request) -> None:
    with pytest.raises(UsageError, match="It changed on its way"):
        pack(dataclasses.replace(request_, expected="sandbox-1-debian13-amd64"))


def test_bootsnaps_cache_does_not_enter_the_identifier(request_: Request, source: Path) -> None:
    before = identify(source, request_.flavour, "amd64")[0]
    (source / "tmp/cache/bootsnap").mkdir(parents=True)
    (source / "tmp/cache/bootsnap/load-path-cache").write_text(str(before))
    assert identify(source, request_.flavour, "amd64")[0] == before
    (source / "tmp/cache/other").write_text("x")
    assert identify(source, request_.flavour, "amd64")[0] != before


def test_more_parts_enter_the_bill_in_one_order(request_: Request) -> None:
    parts: list[dict[str, Any]] = [
        {"bom-ref": f"gem:{name}", "purl": f"pkg:gem/{name}@1"} for name in ("zeta", "alpha")
    ]
    packed = pack(dataclasses.replace(request_, components=parts))
    bill = json.loads(companions(packed.archive)[2].read_text())
    assert [part["bom-ref"] for part in bill["components"]][-2:] == ["gem:alpha", "gem:zeta"]


def test_two_releases_are_compared_file_by_file(request_: Request, packed: Packed, source: Path) -> None:
    assert compare.compare(packed.archive, packed.archive) == []
    (source / "bin/web").write_text("#!/bin/sh\nexit 1\n")
    (source / "public/404.html").chmod(0o755)
    (source / "public/index.html").unlink()
    (source / "new").write_text("x")
    found = {each.path: (each.first, each.second) for each in compare.compare(packed.archive, pack(request_).archive)}
    assert found.keys() == {"bin/web", "public/404.html", "public/index.html", "new", "release.json"}
    assert found["public/404.html"][1] == f"{found['public/404.html'][0]} executable"
    assert found["public/index.html"] == ("-> 500.html", "")


# The folder of downloads


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """Return what a builder packed of its downloads."""
    files = {"gems/a.gem": b"a", "npm/node.tgz": b"node"}
    manifest = {name: sha256_of(content) for name, content in files.items()}
    path = tmp_path / "downloads.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in {**files, "kept.json": json.dumps(manifest).encode()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def sha256_of(content: bytes) -> str:
    import hashlib  # noqa: PLC0415  one use

    return hashlib.sha256(content).hexdigest()


def test_downloads_are_kept_once_and_read_back(tmp_path: Path, brought: Path) -> None:
    folder = tmp_path / "downloads"
    assert downloads.add(folder, brought, "1.0.0", "amd64") == 2
    assert downloads.add(folder, brought, "1.0.0", "amd64") == 0
    kept = downloads.read(folder, "1.0.0", "amd64", needed=True)
    assert kept.files.keys() == {"gems/a.gem", "npm/node.tgz"}
    assert not list(folder.glob(".new-*"))


def test_a_version_that_was_never_built_has_no_downloads(tmp_path: Path, brought: Path) -> None:
    folder = tmp_path / "downloads"
    downloads.add(folder, brought, "1.0.0", "amd64")
    assert downloads.read(folder, "1.0.1", "amd64", needed=False).files == {}
    with pytest.raises(UsageError, match=r"no downloads for 1\.0\.1 on amd64.*\n.*release_build_downloads"):
        downloads.read(folder, "1.0.1", "amd64", needed=True)


def test_changed_and_missing_downloads_are_named(tmp_path: Path, brought: Path) -> None:
    folder = tmp_path / "downloads"
    downloads.add(folder, brought, "1.0.0", "amd64")
    (folder / "gems/a.gem").write_bytes(b"evil")
    for needed in (True, False):
        with pytest.raises(UntrustedError, match=r"1 files are not what .*: gems/a\.gem") as error:
            downloads.read(folder, "1.0.0", "amd64", needed=needed)
        assert error.value.exit == Exit.REFUSED
    (folder / "gems/a.gem").unlink()
    assert downloads.read(folder, "1.0.0", "amd64", needed=False).files.keys() == {"npm/node.tgz"}
    with pytest.raises(UsageError, match=r"lacks 1 of 2 files of 1\.0\.0-amd64\.json: gems/a\.gem"):
        downloads.read(folder, "1.0.0", "amd64", needed=True)


def test_a_changed_file_is_replaced_by_what_the_builder_checked(tmp_path: Path, brought: Path) -> None:
    folder = tmp_path / "downloads"
    downloads.add(folder, brought, "1.0.0", "amd64")
    (folder / "gems/a.gem").write_bytes(b"evil")
    assert downloads.add(folder, brought, "1.0.0", "amd64") == 1
    assert sha256(folder / "gems/a.gem") == sha256_of(b"a")


@pytest.mark.parametrize("text", ["", "[]", '{"../../etc/passwd": "x"}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = downloads.manifest_path(tmp_path, "1.0.0", "amd64")
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UsageError, match="not readable as a manifest"):
        downloads.read(tmp_path, "1.0.0", "amd64", needed=True)


def test_a_kit_holds_plan_program_overlay_and_what_is_kept(tmp_path: Path, brought: Path, source: Path) -> None:
    folder = tmp_path / "downloads"
    downloads.add(folder, brought, "1.0.0", "amd64")
    kept = downloads.read(folder, "1.0.0", "amd64", needed=True)
    target = tmp_path / "kit.tar"
    downloads.write_kit(target, '{"version": "1.0.0"}', {"builder": source, "overlay": source}, None, kept)
    with tarfile.open(target) as tar:
        modes = {member.name: member.mode for member in tar if member.isreg()}
        assert {member.uid for member in tar} == {0}
    assert {"kit/plan.json", "downloads/gems/a.gem", "downloads/npm/node.tgz"} <= modes.keys()
    assert (modes["kit/overlay/bin/web"], modes["kit/overlay/public/404.html"]) == (0o755, 0o644)
    assert not [name for name in modes if "__pycache__" in name]
