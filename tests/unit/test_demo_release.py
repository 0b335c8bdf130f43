"""Which release the demo deploys."""

from pathlib import Path

import pytest
from meentwerk import demo
from meentwerk.errors import MeentwerkError

NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the wish in a folder of the test's own."""
    monkeypatch.setattr(demo, "WISH", tmp_path / "release.json")
    monkeypatch.setattr(demo, "RELEASES", tmp_path / "releases")
    return tmp_path


def test_the_rehearsal_server_unless_something_else_is_asked_for() -> None:
    assert demo.wished(None, None) == demo.Wish("sandbox")
    assert demo.wished("sandbox", None).build_arguments() == ["-e", "release_build_flavour=sandbox"]


def test_mastodon_is_the_version_that_is_built_by_default() -> None:
    wish = demo.wished("mastodon", None)
    assert wish.release[0].isdigit()
    assert f"release_build_version={wish.release}" in wish.build_arguments()


def test_the_next_run_remembers(state: Path) -> None:
    mirrors = state / "mirrors.yml"
    mirrors.write_text("{}")
    wish = demo.wished("4.6.5", mirrors)
    wish.keep()
    assert demo.wished(None, None) == wish
    assert f"@{mirrors}" in wish.build_arguments()
    assert demo.wished("4.6.6", None).release == "4.6.6"


@pytest.mark.parametrize(("has", "wanted"), [("sandbox", "mastodon"), ("4.6.5", "sandbox")])
def test_no_other_application_on_the_same_hosts(has: str, wanted: str) -> None:
    demo.Wish(has).keep()
    with pytest.raises(MeentwerkError, match="another application cannot follow") as refused:
        demo.wished(wanted, None)
    assert "scripts/demo --destroy" in refused.value.cure


def test_a_file_that_is_not_there(state: Path) -> None:
    with pytest.raises(MeentwerkError, match="There is no file"):
        demo.wished("mastodon", state / "none.yml")


def test_sources_out_of_reach(state: Path) -> None:
    mirrors = state / "mirrors.yml"
    mirrors.write_text("".join(f"{name}: {NOWHERE}\n" for name in demo.SOURCES))
    wish = demo.Wish("4.6.5", str(mirrors))
    with pytest.raises(MeentwerkError, match="does not answer") as refused:
        demo.require_sources(wish)
    assert "release_build_gem_mirror" in refused.value.cure
    demo.require_sources(demo.Wish("sandbox"))
    demo.RELEASES.mkdir()
    (demo.RELEASES / "mastodon-4.6.5.g0123456789ab-debian13-amd64.tar.zst").touch()
    demo.require_sources(wish)
