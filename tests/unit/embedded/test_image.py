"""Images: age, layers, what a failed build says, what prune keeps."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from meentwerk.embedded import image
from meentwerk.embedded.image import DAY, Image
from meentwerk.errors import MeentwerkError

NOW = int(time.time())


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MEENTWERK_STATE", str(tmp_path))
    (tmp_path / "images").mkdir()
    return tmp_path


def make(name: str, build: int, parent: str | None = None, script: str | None = None) -> Image:
    made = Image(name, build, parent, script)
    made.tree.mkdir(parents=True)
    (made.tree.parent / "meta.json").write_text(json.dumps(asdict(made)))
    return made


def test_a_young_image_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    young = make("base", NOW - 3600)
    monkeypatch.setattr(image, "build_base", lambda: pytest.fail("built although young"))
    assert image.ensure("base") == young


def test_an_old_image_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    make("base", int(NOW - 8 * DAY))
    monkeypatch.setattr(image, "build_base", lambda: make("base", NOW))
    assert image.ensure("base").build == NOW


def test_an_old_image_serves_when_the_archive_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = make("base", int(NOW - 8 * DAY))

    def fail() -> Image:
        raise MeentwerkError("the Debian archive does not answer")

    monkeypatch.setattr(image, "build_base", fail)
    assert image.ensure("base") == old
    assert "using the image of 8 days ago" in capsys.readouterr().err


def test_without_any_image_the_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Image:
        raise MeentwerkError("the Debian archive does not answer")

    monkeypatch.setattr(image, "build_base", fail)
    with pytest.raises(MeentwerkError, match="does not answer"):
        image.ensure("base")


def test_layers_stand_over_their_parents() -> None:
    base = make("base", NOW - 10)
    layer = make("web", NOW, base.folder)
    assert image.lower_directories(layer.folder) == f"{layer.tree}:{base.tree}"


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the scripts that layers were built with."""
    built: list[str] = []

    def build(name: str, parent: str, script: str, _resolv_conf: str) -> Image:
        under = image.current(parent)
        assert under
        built.append(script)
        return make(name, NOW, under.folder, image.digest(script))

    monkeypatch.setattr(image, "build_layer", build)
    return built


def test_a_layer_is_built_once(layers: list[str]) -> None:
    make("base", NOW - 10)
    first = image.ensure_layer("web", "base", "apt-get install nginx", "")
    assert image.ensure_layer("web", "base", "apt-get install nginx", "") == first
    assert layers == ["apt-get install nginx"]


def test_a_layer_of_another_script_is_made_anew(layers: list[str]) -> None:
    base = make("base", NOW - 10)
    make("web", NOW - 5, base.folder, image.digest("apt-get install apache2"))
    image.ensure_layer("web", "base", "apt-get install nginx", "")
    assert layers == ["apt-get install nginx"]


@pytest.mark.parametrize(("days", "parents"), [(8, 1), (0, 2)], ids=["too old", "over an older base"])
def test_an_old_layer_is_made_anew(layers: list[str], days: int, parents: int) -> None:
    bases = [make("base", NOW - 10 * step) for step in range(parents)]
    make("web", int(NOW - 100 - days * DAY), bases[-1].folder, image.digest("true"))
    assert image.ensure_layer("web", "base", "true", "").parent == bases[0].folder
    assert layers == ["true"]


@pytest.mark.parametrize(("known", "serves"), [("true", True), ("false", False)])
def test_an_old_layer_serves_when_the_archive_is_away_and_its_script_is_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], known: str, serves: bool
) -> None:
    base = make("base", NOW - 10)
    old = make("web", int(NOW - 8 * DAY), base.folder, image.digest(known))

    def fail(*_: object) -> Image:
        raise MeentwerkError("the Debian archive does not answer")

    monkeypatch.setattr(image, "build_layer", fail)
    if serves:
        assert image.ensure_layer("web", "base", "true", "") == old
        assert "using the image of 8 days ago" in capsys.readouterr().err
    else:
        with pytest.raises(MeentwerkError, match="does not answer"):
            image.ensure_layer("web", "base", "true", "")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("E: Could not resolve 'deb.example'", "archive does not answer"),
        ("dpkg: error: No space left on device", "disk is full"),
        ("GPG error: NO_PUBKEY 1234", "signature does not match"),
        ("The repository does not have a Release file.", "no Debian trixie"),
        ("something new\nits last line", "its last line"),
    ],
)
def test_a_failed_build_names_cause_and_cure(output: str, said: str) -> None:
    error = image._explain("building the base image", output)
    assert said in error.message
    assert error.cure


def test_too_little_space_is_said_before_anything_begins() -> None:
    with pytest.raises(MeentwerkError, match="MB free"):
        image.require_space(10**9, "an image")


def test_prune_keeps_what_is_newest_and_clears_remains(state: Path) -> None:
    old, new = make("base", NOW - 100), make("base", NOW)
    (state / "images/.build-base-1").mkdir()
    assert sorted(image.prune()) == sorted([".build-base-1", old.folder])
    assert image.current("base") == new


def test_prune_keeps_the_parent_of_a_layer_in_use(state: Path) -> None:
    base = make("base", NOW - 100)
    make("base", NOW)
    layer = make("web", NOW - 50, base.folder)
    assert image.prune() == []
    assert layer.tree.exists()
