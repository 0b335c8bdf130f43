"""Stage `warm`: bootsnap's cache, made under the very path that the release will have on its hosts.

Bootsnap finds its entries by the absolute path of a file, and trusts them by that file's time: both must be here what
they are there. docs/releases.md says why the identifier does not depend on the cache.
"""

import hashlib
import os
import shutil
from pathlib import Path

from .assets import ENVIRONMENT
from .bench import Bench
from .errors import BuildError
from .trim import remove

RELEASES = Path("/opt/mastodon/releases")
CACHE = "tmp/cache/bootsnap"
# As `meentwerk release pack` sets them: scripts/meentwerk/release/archive.py, modification_time
LATEST = 1577836800
SPAN = 10 * 365 * 24 * 3600


def warm(bench: Bench) -> None:
    """Fill the cache: all code of gems and application, then what starting it once adds."""
    shutil.rmtree(bench.app / CACHE, ignore_errors=True)
    (bench.app / "tmp/cache").mkdir(parents=True, exist_ok=True)
    settle(bench.app)
    for command, what in (
        (["bundle", "exec", "bootsnap", "precompile", "--gemfile", "app/", "lib/", "config/"], "cache the code"),
        (["bin/rails", "environment"], "start it once"),
    ):
        there(bench, command, what)
    clear(bench.app)


def clear(app: Path) -> None:
    """Remove what the start left beside the cache: a log, and the dummy's secret, which is another each time."""
    shutil.rmtree(app / "log", ignore_errors=True)
    for folder, kept in ((app / "tmp", "cache"), (app / "tmp/cache", "bootsnap")):
        for path in folder.iterdir():
            if path.name != kept:
                remove(path)


def settle(app: Path) -> None:
    """Give each file the time that it will have on a host, and each folder its own."""
    for folder, _, files in os.walk(app, topdown=False):
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                moment = LATEST - int(hashlib.sha256(path.read_bytes()).hexdigest()[:16], 16) % SPAN
                os.utime(path, (moment, moment))
        os.utime(folder, (LATEST, LATEST))


def there(bench: Bench, command: list[str], what: str) -> None:
    """Run a command where the release will lie, in a mount namespace of its own."""
    if not bench.plan.identifier:
        raise BuildError("The release has no identifier yet.", "This is a bug of the role: report it.")
    place = RELEASES / bench.plan.identifier
    existed = [each for each in (place, *place.parents) if each.exists()]
    place.mkdir(parents=True, exist_ok=True)
    try:
        bench.run(command, what, bind=place, extra=ENVIRONMENT)
    finally:
        for each in (place, *place.parents):
            if each in existed:
                break
            each.rmdir()
