"""Stage `trim`: our programs in, everything that production does not need out, and the same bytes each time."""

import fnmatch
import json
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from . import bill, unneeded
from .bench import Bench
from .modules import settings

ELF = b"\x7fELF"


def trim(bench: Bench) -> None:
    """Turn the tree of a build into the tree of a release."""
    app = bench.app
    shutil.rmtree(app / "node_modules", ignore_errors=True)
    bench.run(["yarn", "workspaces", "focus", "--production", "@mastodon/streaming"], "install what streaming needs",
              extra=settings(bench, network=False))  # fmt: skip
    lay_over(bench.kit / "overlay", app)
    documents = bill.gems(bench)
    prune(app)
    strip(bench)
    bench.own(app)
    toolchain = json.loads((bench.work / "toolchain.json").read_text(encoding="utf-8"))
    result = {
        "toolchain": {**toolchain, **bill.compilers()},
        "runtime_packages": sorted({*bench.plan.runtime_packages, *listed(app), *bill.libraries(bench)}),
        "tree": bill.tree_digest(app),
        "bytes": sum(path.lstat().st_size for path in app.rglob("*")),
    }
    parts = [*documents, *bill.modules(app), bill.node(toolchain, bench.plan)]
    (bench.work / "components.json").write_text(json.dumps(parts, indent=1) + "\n", encoding="utf-8")
    (bench.work / "result.json").write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def lay_over(overlay: Path, app: Path) -> None:
    """Copy our own files over the source; whether a file can be executed is part of it."""
    for folder, _, files in os.walk(overlay):
        for name in files:
            source = Path(folder) / name
            target = app / source.relative_to(overlay)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink() or target.exists():
                target.unlink()
            shutil.copyfile(source, target, follow_symlinks=False)
            if not source.is_symlink():
                target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)


def listed(app: Path) -> list[str]:
    """Give the Debian packages that the programs name themselves."""
    path = app / "runtime-packages.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a name matches one of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def prune(app: Path) -> None:
    """Remove what production does not need; a licence is never removed with the rest of a gem's papers."""
    for pattern in unneeded.TOP:
        for path in app.glob(pattern):
            remove(path)
    for gem in [*app.glob("vendor/bundle/ruby/*/gems/*"), *app.glob("vendor/bundle/ruby/*/bundler/gems/*")]:
        prune_gem(gem)
    for name in ("build_info", "doc", "cache"):
        for path in app.glob(f"vendor/bundle/ruby/*/{name}"):
            remove(path)
    for path in app.glob("node_modules/**/prebuilds/*"):
        if not path.name.startswith("linux-"):
            remove(path)
    for folder, patterns in unneeded.DEEP.items():
        for path in list((app / folder).rglob("*")):
            if not path.is_dir() and matches(path.name, patterns):
                path.unlink()
    for path in list(app.rglob("*")):
        if path.is_symlink() and not path.exists():
            path.unlink()
    # Rails expects it; it holds the cache alone, which is never written on a host
    (app / "tmp/cache").mkdir(parents=True)


def prune_gem(gem: Path) -> None:
    """Remove a gem's tests, papers and what its compiler left."""
    # Bundler reads the specification of a gem from git in its folder
    from_git = gem.parent.parent.name == "bundler"
    for path in list(gem.iterdir()):
        stays = matches(path.name.lower(), unneeded.LICENCES) or (from_git and path.suffix == ".gemspec")
        if not stays and matches(path.name, unneeded.GEM):
            remove(path)
    libraries = {path.name for path in (gem / "lib").rglob("*.so")}
    for path in list((gem / "ext").rglob("*")):
        # Some gems load their library from here and have it nowhere else (ffi-compiler)
        only_here = path.suffix == ".so" and path.name not in libraries
        if path.is_file() and matches(path.name, unneeded.COMPILED) and not only_here:
            path.unlink()


def is_library(path: Path) -> bool:
    """Tell whether a file is a program or library for Linux."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == ELF


def strip(bench: Bench) -> None:
    """Remove debug information: it is half of every extension, and names where it was compiled."""
    libraries = [path for path in (bench.app / "vendor/bundle").rglob("*") if is_library(path)]
    if libraries:
        bench.own(*libraries)
        bench.run(["strip", "--strip-debug", "--enable-deterministic-archives", *libraries], "strip the extensions")
