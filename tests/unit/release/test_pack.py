"""What lands in the output folder, and when."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.release import pack as module
from meentwerk.release.archive import modification_time, sha256
from meentwerk.release.identity import PAGES, PROGRAMS, Entry, ReleaseId, identify
from meentwerk.release.pack import Packed, Request, companions, pack


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def members(archive: Path, tmp_path: Path) -> list[tarfile.TarInfo]:
    plain = tmp_path / "plain.tar"
    subprocess.run(["zstd", "-q", "-d", "-f", archive, "-o", plain], check=True)
    with tarfile.open(plain) as tar:
        return tar.getmembers()


def test_a_release_has_all_its_files(packed: Packed) -> None:
    stem = str(packed.identifier)
    assert names(packed.archive.parent) == {
        f"{stem}.tar.zst",
        f"{stem}.tar.zst.sha256",
        f"{stem}.tar.zst.sig",
        f"{stem}.cdx.json",
        "allowed_signers",
    }
    subprocess.run(
        ["sha256sum", "--check", "--strict", f"{stem}.tar.zst.sha256"], cwd=packed.archive.parent, check=True
    )


def test_members_are_sorted_owned_by_root_and_below_one_folder(packed: Packed, tmp_path: Path) -> None:
    found = members(packed.archive, tmp_path)
    top = str(packed.identifier)
    assert [member.name.removeprefix(top) for member in found] == [
        "",
        "/release.json",
        "/bin",
        *sorted(f"/{program}" for program in PROGRAMS),
        "/public",
        *(f"/{page}" for page in PAGES),
        "/public/index.html",
    ]
    assert {(m.uid, m.gid, m.uname, m.gname) for m in found} == {(0, 0, "root", "root")}
    modes = {member.name.removeprefix(f"{top}/"): member.mode for member in found}
    assert {modes[name] for name in (*PROGRAMS, "bin", "public")} == {0o755}
    assert {modes[name] for name in (*PAGES, "release.json")} == {0o644}


def test_building_twice_gives_the_same_bytes(request_: Request, packed: Packed) -> None:
    files = [packed.archive, *companions(packed.archive)]
    before = [path.read_bytes() for path in files]
    packed.archive.unlink()
    for path in request_.source.rglob("*.html"):
        path.touch()
    assert pack(request_).changed
    assert [path.read_bytes() for path in files] == before


def test_a_changed_file_of_the_same_size_gets_another_time() -> None:
    """Or nginx would answer 304 with the ETag of the old one."""
    assert modification_time("a" * 64) != modification_time("b" * 64)


def test_an_unchanged_source_changes_nothing(request_: Request, packed: Packed) -> None:
    before = {path: path.stat().st_mtime_ns for path in packed.archive.parent.iterdir()}
    assert not pack(request_).changed
    assert not pack(request_, dry_run=True).changed
    assert {path: path.stat().st_mtime_ns for path in packed.archive.parent.iterdir()} == before


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(request_: Request) -> None:
    planned = pack(request_, dry_run=True)
    assert planned.changed
    assert not request_.output.exists()
    assert pack(request_).identifier == planned.identifier


@pytest.mark.parametrize("suffix", [".sha256", ".sig"])
def test_an_incomplete_or_damaged_release_is_built_again(request_: Request, packed: Packed, suffix: str) -> None:
    path = packed.archive.with_name(packed.archive.name + suffix)
    path.unlink()
    assert pack(request_).reason == f"it was incomplete: {path.name} missing"
    path.write_text("nonsense")
    assert pack(request_).changed
    assert not pack(request_).changed


def test_what_somebody_put_there_is_never_signed(request_: Request, packed: Packed, tmp_path: Path) -> None:
    honest = packed.archive.read_bytes()
    packed.archive.write_bytes(b"evil")
    digest = sha256(packed.archive)
    packed.archive.with_name(f"{packed.archive.name}.sha256").write_text(f"{digest}  {packed.archive.name}\n")
    assert "signature does not belong" in pack(request_).reason
    assert packed.archive.read_bytes() == honest


def test_an_interrupted_build_leaves_nothing_final_and_the_next_clears_up(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_.output.mkdir()
    # As kill -9 leaves it: no clean-up ran
    half = request_.output / ".partial-abc"
    half.mkdir()
    (half / "x.tar.zst").write_bytes(b"half")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "sign", stop)
        with pytest.raises(KeyboardInterrupt):
            pack(request_)
    assert names(request_.output) == set()
    assert pack(request_).changed
    assert not [name for name in names(request_.output) if name.startswith(".partial")]


def test_dying_between_the_renames_is_repaired(request_: Request, packed: Packed) -> None:
    packed.archive.unlink()
    assert not (request_.output / packed.archive.name).exists()
    assert pack(request_).reason.startswith("it was incomplete")


def test_a_source_that_changes_underneath_is_refused(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_then_change(*_: object) -> tuple[ReleaseId, list[Entry]]:
        found = identify(request_.source, request_.flavour, request_.architecture, request_.exclude)
        (request_.source / "bin/web").write_text("changed")
        return found

    monkeypatch.setattr(module, "identify", read_then_change)
    with pytest.raises(UsageError, match="changed while it was packed"):
        pack(request_)
    assert names(request_.output) == set()


def test_a_full_disk_says_so(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meentwerk.release.archive._COMPRESS", ("false",))
    with pytest.raises(MeentwerkError, match="room on the disk"):
        pack(request_)


def test_a_missing_key_says_how_to_make_one(request_: Request, tmp_path: Path) -> None:
    missing = Request(request_.source, request_.flavour, "amd64", request_.output, tmp_path / "none")
    with pytest.raises(UsageError, match=r"ssh-keygen -t ed25519 -C release -f .*none"):
        pack(missing)
    assert not request_.output.exists()


def test_the_bill_of_materials_names_the_packages_with_their_constraints(packed: Packed) -> None:
    bill = json.loads(companions(packed.archive)[2].read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": sha256(packed.archive)}]
    assert [(c["purl"], c.get("properties")) for c in bill["components"]] == [
        ("pkg:deb/debian/libstdc%2B%2B6?distro=debian-13", None),
        (
            "pkg:deb/debian/python3-starlette?distro=debian-13",
            [{"name": "meentwerk:debian:constraint", "value": ">= 0.46"}],
        ),
    ]
    refs = [c["bom-ref"] for c in bill["components"]]
    assert bill["dependencies"] == [{"ref": bill["metadata"]["component"]["bom-ref"], "dependsOn": refs}]
