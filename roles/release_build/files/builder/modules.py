"""Stage `modules`: the npm packages that yarn.lock names; downloaded first, built without network."""

import shutil
import urllib.parse
from pathlib import Path

from .bench import Bench
from .errors import BuildError


def settings(bench: Bench, *, network: bool) -> dict[str, str]:
    """Give yarn's settings: one cache, no telemetry, yarn of the tools and not one that the source brings."""
    values = {
        "YARN_IGNORE_PATH": "1",
        "YARN_ENABLE_TELEMETRY": "0",
        "YARN_ENABLE_GLOBAL_CACHE": "0",
        "YARN_CACHE_FOLDER": str(bench.work / "yarn-cache"),
        "YARN_ENABLE_IMMUTABLE_INSTALLS": "1",
        "YARN_ENABLE_HARDENED_MODE": "0",
        "YARN_ENABLE_PROGRESS_BARS": "0",
        "YARN_ENABLE_NETWORK": "1" if network else "0",
        "YARN_HTTP_RETRY": "2",
        "YARN_NPM_REGISTRY_SERVER": bench.plan.registry.rstrip("/"),
    }
    place = urllib.parse.urlsplit(bench.plan.registry)
    if place.scheme == "http":
        values["YARN_UNSAFE_HTTP_WHITELIST"] = place.hostname or ""
    for name in ("http_proxy", "https_proxy"):
        if network and (proxy := getattr(bench.plan, name)):
            values[f"YARN_{name.upper()}"] = proxy
    return values


def install(bench: Bench) -> None:
    """Bring all packages into yarn's cache, and install them from there."""
    shutil.rmtree(bench.app / "node_modules", ignore_errors=True)
    cache = bench.folder(bench.work / "yarn-cache", empty=True)
    kept = bench.folder(bench.downloads / "yarn")
    shutil.copytree(kept, cache, dirs_exist_ok=True)
    bench.own(cache)
    if not bench.plan.offline:
        bench.run(["yarn", "install", "--immutable", "--mode=skip-build"], "bring the npm packages", network=True,
                  extra=settings(bench, network=True))  # fmt: skip
        if bench.plan.keep:
            keep(cache, kept)
            bench.own(kept)
    try:
        bench.run(["yarn", "install", "--immutable"], "install the npm packages", extra=settings(bench, network=False))
    except BuildError as error:
        if bench.plan.offline and ("YN0080" in error.message or "network" in error.message.lower()):
            raise BuildError(
                f"The folder of downloads lacks npm packages. {error.message}",
                "Fill release_build_downloads by a build with network of this version.",
            ) from None
        raise


def keep(cache: Path, kept: Path) -> None:
    """Keep what is new; a package's file never changes under its name, which holds its hash."""
    for path in cache.iterdir():
        if path.is_file() and not (kept / path.name).exists():
            shutil.copyfile(path, kept / path.name)
