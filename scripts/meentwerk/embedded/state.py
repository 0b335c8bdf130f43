"""Where embedded hosts keep their state, and the locks and records in it.

Layout below `state_directory()`::

    id_ed25519, known_hosts     how ssh reaches the hosts
    images/NAME-BUILD/          meta.json and tree/
    run/HOST/                   host.json, console.log, and the host's own overlay
    lock                        held while the network or the list of hosts changes
"""

import fcntl
import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Host:
    """One embedded host as it was asked for, and the process that runs it (0: not started)."""

    name: str
    ip4: str
    ip6: str
    aliases: list[str] = field(default_factory=list)
    group: str = "default"
    image: str = "base"
    pid: int = 0
    started: float = 0.0

    @property
    def directory(self) -> Path:
        """The host's record and overlay."""
        return state_directory() / "run" / self.name

    @property
    def console(self) -> Path:
        """What the host's systemd printed."""
        return self.directory / "console.log"

    def save(self) -> None:
        """Write the record in one step, so that a reader never sees half of it."""
        temporary = self.directory / "host.json.new"
        temporary.write_text(json.dumps(asdict(self), indent=2))
        temporary.rename(self.directory / "host.json")


def invoking_user() -> pwd.struct_passwd:
    """Return the person behind this process, also when sudo stands between."""
    return pwd.getpwuid(int(os.environ.get("SUDO_UID", os.getuid())))


def state_directory() -> Path:
    """Return MEENTWERK_STATE, or ~/.cache/meentwerk/embedded of the invoking user: where their Ansible looks, too."""
    chosen = os.environ.get("MEENTWERK_STATE")
    home = Path(invoking_user().pw_dir) if "SUDO_UID" in os.environ else Path.home()
    return Path(chosen) if chosen else home / ".cache/meentwerk/embedded"


def give_to_user(path: Path) -> None:
    """Let the invoking user own a file that root made for them."""
    user = invoking_user()
    os.chown(path, user.pw_uid, user.pw_gid)


@contextmanager
def locked(name: str = "lock") -> Iterator[None]:
    """Hold a lock of the state directory: one process at a time changes what it guards."""
    directory = state_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def load_host(name: str) -> Host | None:
    """Return the record of a host, or None when there is none that can be read."""
    try:
        return Host(**json.loads((state_directory() / "run" / name / "host.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def known_names() -> list[str]:
    """Return every name that has a folder, also those left by an interrupted run."""
    return sorted(p.name for p in (state_directory() / "run").glob("*") if p.is_dir())


def known_hosts() -> list[Host]:
    """Return the records of all hosts, running or not."""
    return [host for name in known_names() if (host := load_host(name))]
