"""Images: the cached tree of Debian 13 that every embedded host starts from, and layers over it.

An image is a folder NAME-BUILD that never changes once it has its name; a host keeps the build it started from.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from meentwerk.console import note
from meentwerk.embedded.state import give_to_user, known_hosts, locked, state_directory
from meentwerk.errors import MeentwerkError

SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What a freshly installed small server has: its init, python for Ansible, ssh
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "ca-certificates",
    "sudo",
    "iproute2",
    "openssh-server",
)
MAX_AGE_DAYS = 7.0
DAY = 86400.0
# A base tree is 370 MB; building it needs as much again for packages
SPACE_MB = 1500

# What mmdebstrap or apt say when a build fails, and what it means
CAUSES = (
    (("No space left",), "the disk is full", "free some space, or set MEENTWERK_STATE to a folder on another disk"),
    (
        ("NO_PUBKEY", "is not signed", "signatures couldn't be verified", "BADSIG", "EXPKEYSIG"),
        "the archive's signature does not match the keys this machine trusts",
        "update the package debian-archive-keyring; behind a mirror, check that it carries Debian unchanged",
    ),
    (
        (
            "Could not resolve",
            "Temporary failure resolving",
            "Unable to connect",
            "Could not connect",
            "Connection failed",
            "Failed to fetch",
        ),
        "the Debian archive does not answer",
        "check the network, or name a mirror: MEENTWERK_DEBIAN_MIRROR=URL",
    ),
    (
        ("does not have a Release file", "404  Not Found"),
        f"that archive has no Debian {SUITE}",
        "check MEENTWERK_DEBIAN_MIRROR: it must be a full Debian mirror",
    ),
)


@dataclass
class Image:
    """A finished build: `build` is its time in seconds; of a layer, `parent` is the folder name of the image under it
    and `script` the SHA-256 of what made it.
    """

    name: str
    build: int
    parent: str | None = None
    script: str | None = None

    @property
    def folder(self) -> str:
        """The name of the image's folder."""
        return f"{self.name}-{self.build}"

    @property
    def tree(self) -> Path:
        """The image's own part of the file system."""
        return images_directory() / self.folder / "tree"

    @property
    def age_days(self) -> float:
        """Days since the build."""
        return (time.time() - self.build) / DAY


def images_directory() -> Path:
    """Return the folder of all images."""
    return state_directory() / "images"


def all_images() -> list[Image]:
    """Return every finished image, newest first."""
    found = []
    for meta in images_directory().glob("*/meta.json"):
        if not meta.parent.name.startswith("."):
            found.append(Image(**json.loads(meta.read_text())))
    return sorted(found, key=lambda image: image.build, reverse=True)


def by_folder(folder: str) -> Image:
    """Return the image of a folder name."""
    return Image(**json.loads((images_directory() / folder / "meta.json").read_text()))


def current(name: str) -> Image | None:
    """Return the newest build of an image."""
    return next((image for image in all_images() if image.name == name), None)


def lower_directories(folder: str) -> str:
    """Return overlay's lowerdir for an image, uppermost first."""
    trees: list[str] = []
    step: str | None = folder
    while step:
        image = by_folder(step)
        trees.append(str(image.tree))
        step = image.parent
    return ":".join(trees)


def ssh_key() -> Path:
    """Return the key that opens every embedded host of this user; made once."""
    key = state_directory() / "id_ed25519"
    if not key.exists():
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "meentwerk-embedded-hosts", "-f", str(key)],
            check=True,
        )
        for path in (key, key.with_suffix(".pub")):
            give_to_user(path)
    return key


def require_space(megabytes: int, what: str) -> None:
    """Refuse to begin what the disk cannot hold."""
    free = shutil.disk_usage(state_directory()).free // 1_000_000
    if free < megabytes:
        raise MeentwerkError(
            f"{state_directory()} has {free} MB free; {what} needs {megabytes} MB",
            cure="free some space, or set MEENTWERK_STATE to a folder on another disk",
        )


@contextmanager
def _workshop(name: str) -> Iterator[Path]:
    """Yield a folder to build in; it is gone afterwards unless it was renamed to a finished image."""
    folder = images_directory() / f".build-{name}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _finish(folder: Path, image: Image) -> Image:
    (folder / "meta.json").write_text(json.dumps(asdict(image)))
    folder.rename(images_directory() / image.folder)
    return image


def _explain(what: str, output: str) -> MeentwerkError:
    for signs, cause, cure in CAUSES:
        if any(sign in output for sign in signs):
            return MeentwerkError(f"{what}: {cause}", cure=cure)
    tail = "\n".join(output.strip().splitlines()[-8:])
    return MeentwerkError(
        f"{what} failed. It ended with:\n{tail}", cure="run it again; if it stays, report these lines"
    )


def _stream(command: list[str], what: str) -> None:
    """Run a long command, showing its steps on a terminal and keeping its words for an error."""
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout  # noqa: S101  opened with PIPE
        for line in process.stdout:
            lines.append(line)
            if sys.stderr.isatty() and line.startswith("I: "):
                sys.stderr.write(f"  {line[3:]}")
    if process.returncode:
        raise _explain(what, "".join(lines))


def build_base() -> Image:
    """Build the base image from the signed Debian archive; about 20 to 50 seconds."""
    if not shutil.which("mmdebstrap"):
        raise MeentwerkError("mmdebstrap is not installed", cure="apt-get install mmdebstrap, or run scripts/bootstrap")
    require_space(SPACE_MB, "an image")
    note(f"building the base image: Debian {SUITE} from the signed archive (about a minute)")
    mirror = os.environ.get("MEENTWERK_DEBIAN_MIRROR")
    key = ssh_key().with_suffix(".pub")
    with _workshop("base") as folder:
        command = [
            "mmdebstrap",
            "--variant=minbase",
            "--skip=cleanup/apt/lists",
            f"--include={','.join(PACKAGES)}",
            *([f"--keyring={KEYRING}"] if KEYRING.exists() else []),
            f'--customize-hook=install -D -m 600 -o root -g root "{key}" "$1/root/.ssh/authorized_keys"',
            # each host gets its own identity at its first start
            '--customize-hook=chmod 700 "$1/root/.ssh"; : > "$1/etc/machine-id"; rm -f "$1"/etc/ssh/ssh_host_*',
            SUITE,
            str(folder / "tree"),
            *([mirror] if mirror else []),
        ]
        _stream(command, "building the base image")
        return _finish(folder, Image("base", int(time.time())))


LAYER = r"""
set -e
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
  umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
fi
cgroup=/sys/fs/cgroup/meentwerk-build-$$
mkdir -p $cgroup
( echo $BASHPID > $cgroup/cgroup.procs
  mount -t overlay meentwerk-build -o "lowerdir=$LOWER,upperdir=$DIR/tree,workdir=$DIR/work" "$DIR/root"
  exec systemd-nspawn --quiet -D "$DIR/root" --machine=meentwerk-build-$$ --register=no --keep-unit --pipe \
    --resolv-conf=off \
    /usr/bin/env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 sh -ec "$1" < /dev/null ) && rc=0 || rc=$?
find $cgroup -depth -type d -exec rmdir {} + 2>/dev/null || true
exit $rc
"""


def build_layer(name: str, parent: str, script: str, resolv_conf: str) -> Image:
    """Build an image as a layer: `script` (sh) runs inside the newest build of `parent`, what it changed is kept."""
    under = current(parent)
    if not under:
        raise MeentwerkError(
            f"there is no image {parent}", cure="scripts/embedded-host image --list names those there are"
        )
    require_space(SPACE_MB, "an image")
    note(f"building the image {name} over {under.folder}")
    with _workshop(name) as folder:
        for part in ("tree/etc", "work", "root"):
            (folder / part).mkdir(parents=True)
        (folder / "tree/etc/resolv.conf").write_text(resolv_conf)
        environment = dict(os.environ, DIR=str(folder), LOWER=lower_directories(under.folder))
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", LAYER, "layer", script],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise _explain(f"building the image {name}", done.stdout)
        shutil.rmtree(folder / "work")
        shutil.rmtree(folder / "root", ignore_errors=True)
        return _finish(folder, Image(name, int(time.time()), under.folder, digest(script)))


def digest(script: str) -> str:
    """Return by what a layer is known to be made by this script."""
    return hashlib.sha256(script.encode()).hexdigest()


def ensure_layer(
    name: str, parent: str, script: str, resolv_conf: str, max_age_days: float = MAX_AGE_DAYS, *, rebuild: bool = False
) -> Image:
    """Return the newest build of a layer; made anew when it is too old, or its parent or its script is another.

    When a renewal cannot reach the archive, the older image of the same script serves and a line says so.
    """
    under = ensure(parent, max_age_days)
    with locked("image-lock"):
        image = current(name)
        if image and image.script != digest(script):
            image = None
        if image and image.parent == under.folder and image.age_days <= max_age_days and not rebuild:
            return image
        return _renewed(None if rebuild else image, lambda: build_layer(name, parent, script, resolv_conf))


def _renewed(old: Image | None, build: Callable[[], Image]) -> Image:
    """Build an image; when that fails, the old one serves, if there is one."""
    try:
        return build()
    except MeentwerkError as error:
        if not old:
            raise
        note(f"{error}\nusing the image of {old.age_days:.0f} days ago")
        return old


def ensure(name: str, max_age_days: float = MAX_AGE_DAYS, *, rebuild: bool = False) -> Image:
    """Return an image to start from; the base image is built when missing and renewed when older than the limit.

    When a renewal cannot reach the archive, the older image serves and a line says so.
    """
    images_directory().mkdir(parents=True, exist_ok=True)
    with locked("image-lock"):
        clear_remains()
        image = current(name)
        if name != "base":
            if not image:
                raise MeentwerkError(
                    f"there is no image {name}", cure="make it with: scripts/embedded-host image NAME --run SCRIPT"
                )
            return image
        if image and image.age_days <= max_age_days and not rebuild:
            return image
        return _renewed(None if rebuild else image, build_base)


def clear_remains() -> list[str]:
    """Remove what interrupted builds left behind. Call it under the image lock."""
    removed = []
    for folder in images_directory().glob(".build-*"):
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder.name)
    return removed


def prune(*, everything: bool = False) -> list[str]:
    """Remove images that no host uses and that are not the newest of their name; with `everything` all unused ones."""
    with locked("image-lock"):
        removed = clear_remains()
        used = {host.image for host in known_hosts()}
        keep: set[str] = set()
        for image in all_images():
            newest = current(image.name)
            stale_layer = image.parent and not (images_directory() / image.parent / "meta.json").exists()
            if image.folder in used or (
                not everything and not stale_layer and newest and newest.folder == image.folder
            ):
                step: str | None = image.folder
                while step and (images_directory() / step / "meta.json").exists():
                    keep.add(step)
                    step = by_folder(step).parent
        for image in all_images():
            if image.folder not in keep:
                shutil.rmtree(images_directory() / image.folder)
                removed.append(image.folder)
        return removed
