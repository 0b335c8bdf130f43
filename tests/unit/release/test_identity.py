"""Names and content addresses."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meentwerk.errors import UsageError
from meentwerk.release.identity import (
    Flavour,
    ReleaseId,
    check_member,
    content_version,
    identify,
    machine_architecture,
    scan,
    tree_digest,
    unpacked_bytes,
)


def test_an_identifier_survives_being_read() -> None:
    text = "sandbox-0.1.0.g0123456789ab-debian13-amd64"
    assert str(ReleaseId.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "sandbox", "sandbox-1-debian13-riscv64", "../sandbox-1-debian13-amd64", "Sandbox-1-debian13-amd64"]
)
def test_other_names_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="for example sandbox-"):
        ReleaseId.parse(text)


def test_the_same_tree_elsewhere_and_later_has_the_same_version(source: Path, flavour: Flavour, tmp_path: Path) -> None:
    before = content_version(flavour, tree_digest(scan(source, ["__pycache__"])))
    for path in source.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    moved = source.rename(tmp_path / "elsewhere")
    assert content_version(flavour, tree_digest(scan(moved, ["__pycache__"]))) == before


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "packages"])
def test_whatever_enters_the_archive_changes_the_version(source: Path, flavour: Flavour, change: str) -> None:
    before = content_version(flavour, tree_digest(scan(source)))
    match change:
        case "content":
            (source / "bin/web").write_text("#!/bin/sh\n\n")
        case "mode":
            (source / "public/500.html").chmod(0o755)
        case "name":
            (source / "bin/web").rename(source / "bin/wob")
        case "link":
            (source / "public/index.html").unlink()
            (source / "public/index.html").symlink_to("../bin/web")
        case "packages":
            flavour = flavour.model_copy(update={"runtime_packages": ["python3"]})
    assert content_version(flavour, tree_digest(scan(source))) != before


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "../.."])
def test_a_link_out_of_the_tree_is_refused(source: Path, target: str) -> None:
    (source / "public/leak").symlink_to(target)
    with pytest.raises(UsageError, match=r"points outside its tree.*\n.*keep it inside"):
        scan(source)


def test_only_files_folders_and_links_are_packed(source: Path) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(UsageError, match="neither a file, a folder nor a link"):
        scan(source)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a\nb", "a/\x1b[2J"])
def test_names_that_could_land_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="may not enter a release"):
        check_member(name)


@given(st.text())
def test_an_accepted_name_stays_below_its_folder(name: str) -> None:
    try:
        check_member(name)
    except UsageError:
        return
    assert os.path.normpath(f"/release/{name}").startswith("/release/")


@pytest.mark.parametrize("name", ["bin/web", "bin/check", "public/500.html"])
def test_a_tree_that_is_no_release_says_what_it_lacks(source: Path, flavour: Flavour, name: str) -> None:
    (source / name).unlink()
    with pytest.raises(UsageError, match=name):
        identify(source, flavour, "amd64")


def test_a_program_must_be_executable(source: Path, flavour: Flavour) -> None:
    (source / "bin/migrate").chmod(0o644)
    with pytest.raises(UsageError, match=r"bin/migrate \(executable\)"):
        identify(source, flavour, "amd64")


def test_an_empty_or_missing_source_says_which_setting_to_check(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="release_build_sandbox_source"):
            scan(folder)


def test_architectures() -> None:
    assert machine_architecture("x86_64") == "amd64"
    assert machine_architecture("aarch64") == "arm64"
    with pytest.raises(UsageError, match="release_build_architecture"):
        machine_architecture("riscv64")


def test_a_wrong_description_names_every_field() -> None:
    with pytest.raises(UsageError) as error:
        Flavour.from_json('{"name": "x", "flavour": "other", "runtime_packages": ["python3", "Bad Name"]}')
    for field in ("flavour", "version", "mastodon_version", "licence", "runtime_packages.1"):
        assert field in error.value.message


def test_the_room_a_release_takes_counts_whole_blocks_and_folders(source: Path, flavour: Flavour) -> None:
    (source / "public/video.mp4").write_bytes(b"x" * 4097)
    entries = scan(source, ["__pycache__"])
    # 7 programs, 2 pages, 1 link, 2 blocks of the video; folders: the release's own, bin, public
    assert unpacked_bytes(entries) == (7 + 2 + 1 + 2 + 3) * 4096
    assert flavour.document(ReleaseId("sandbox", "1", "amd64"), unpacked_bytes(entries))["unpacked_bytes"] == 61440


@pytest.mark.parametrize(
    ("field", "value"),
    [("upgrades_from", "v4.5"), ("end_of_support", "soon"), ("inputs", "abc")],
)
def test_what_a_release_says_of_itself_has_its_form(flavour: Flavour, field: str, value: str) -> None:
    with pytest.raises(UsageError, match=field):
        Flavour.from_json(json.dumps({**flavour.model_dump(), field: value}))


def test_a_release_says_what_may_be_upgraded_to_it(flavour: Flavour) -> None:
    described = flavour.model_copy(
        update={"upgrades_from": "4.5.0", "end_of_support": "2027-01-31", "inputs": "a" * 64}
    )
    document = described.document(ReleaseId("sandbox", "1", "amd64"), 0)
    assert (document["upgrades_from"], document["end_of_support"], document["inputs"]) == (
        "4.5.0",
        "2027-01-31",
        "a" * 64,
    )
