"""Stage `gems`: what Gemfile.lock names, without development and test; downloaded first, compiled without network."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from .bench import Bench
from .errors import BuildError

# What the programs of the release find, too: .bundle/config travels with it
SETTINGS = {
    "BUNDLE_PATH": "vendor/bundle",
    "BUNDLE_WITHOUT": "development:test",
    "BUNDLE_FROZEN": "true",
    "BUNDLE_DEPLOYMENT": "true",
}
# The lockfile is read by Debian's bundler; the one that wrote it would be one more download that nobody pinned
BUILD_ONLY = {"BUNDLE_VERSION": "system", "BUNDLE_CACHE_ALL": "true", "BUNDLE_RETRY": "2", "BUNDLE_TIMEOUT": "30",
              "BUNDLE_DISABLE_VERSION_CHECK": "true", "BUNDLE_SILENCE_ROOT_WARNING": "true"}  # fmt: skip

# Debian's libraries are what hosts update; a copy inside a gem would stay as old as the release
BUILD_ONLY |= {"BUNDLE_BUILD__NOKOGIRI": "--use-system-libraries", "BUNDLE_FORCE_RUBY_PLATFORM": "true"}
# `bundle cache --no-install` installs all the same (bundler 2.6); the setting does not
DOWNLOAD_ONLY = {"BUNDLE_NO_INSTALL": "true"}


def install(bench: Bench) -> None:
    """Bring all gems into vendor/cache, compile them into vendor/bundle, and keep what was brought."""
    empty(bench.app)
    configuration = bench.folder(bench.app / ".bundle", empty=True) / "config"
    configuration.write_text(
        "---\n" + "".join(f'{key}: "{value}"\n' for key, value in SETTINGS.items()), encoding="utf-8"
    )
    settings = configuration.read_text(encoding="utf-8")
    bench.own(bench.app / ".bundle")
    kept, cache = bench.downloads / "gems", bench.app / "vendor/cache"
    if not complete(bench, kept, cache):
        if bench.plan.offline:
            raise lacking(bench)
        # Beside a folder vendor/cache, bundler asks no server; a gem from git that the look unpacked counts as brought
        empty(bench.app)
        bench.run(["bundle", "cache"], "bring the gems", network=True, extra={**BUILD_ONLY, **DOWNLOAD_ONLY})
    shutil.rmtree(bench.app / "vendor/bundle", ignore_errors=True)
    jobs = str(os.cpu_count() or 1)
    compile_ = ["bundle", "install", "--local", f"--jobs={jobs}"]
    bench.run(compile_, "compile the gems", extra={**BUILD_ONLY, "MAKE": f"make -j{jobs}"})
    hashes = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(cache.glob("*.gem"))}
    (bench.work / "gem-hashes.json").write_text(json.dumps(hashes), encoding="utf-8")
    if bench.plan.keep:
        bench.folder(kept)
        shutil.copytree(cache, kept, dirs_exist_ok=True, symlinks=True)
        bench.own(kept)
    # Bundler notes there what it was told in passing
    configuration.write_text(settings, encoding="utf-8")
    remove_cache(bench.app)


def empty(app: Path) -> None:
    """Remove what an earlier try has brought or compiled."""
    for name in ("vendor/bundle", "vendor/cache"):
        shutil.rmtree(app / name, ignore_errors=True)


def complete(bench: Bench, kept: Path, cache: Path) -> bool:
    """Lay out the gems that were kept, and tell whether the lockfile needs no others."""
    if not kept.is_dir():
        return False
    shutil.copytree(kept, cache, symlinks=True)
    bench.own(cache)
    try:
        bench.run(["bundle", "cache"], "look at the gems that were kept", extra={**BUILD_ONLY, **DOWNLOAD_ONLY})
    except BuildError:
        return False
    return True


def lacking(bench: Bench) -> BuildError:
    """Name the gems that an offline build misses, in bundler's own words."""
    logs = (bench.work / "logs").glob("look-at-the-gems-that-were-kept.*")
    said = " ".join(" ".join(log.read_text(encoding="utf-8") for log in sorted(logs)).split())[:600] or "all of them"
    return BuildError(
        f"The folder of downloads lacks gems: {said}.",
        "Fill release_build_downloads by a build with network of this version.",
    )


def remove_cache(app: Path) -> None:
    """Remove the gems' archives: the release holds them unpacked."""
    shutil.rmtree(app / "vendor/cache", ignore_errors=True)
    for cache in app.glob("vendor/bundle/ruby/*/cache"):
        shutil.rmtree(cache)
