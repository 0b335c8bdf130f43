"""The verbs on embedded hosts."""

import os
import re
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from meentwerk.console import note
from meentwerk.embedded import boot, image, network
from meentwerk.embedded.state import Host, give_to_user, known_hosts, known_names, load_host, locked, state_directory
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.inventory import _start_ansible

# Also the length of a Linux host name's label; nspawn and ip netns take no more
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Below this, apt or a database fails halfway through a role
SPACE_MB_PER_HOST = 600
AT_ONCE = 8


@dataclass
class Wanted:
    """A host as someone asks for it; without addresses it gets free ones."""

    name: str
    ip4: str = ""
    ip6: str = ""
    aliases: list[str] = field(default_factory=list)
    image: str = "base"


@dataclass
class Status:
    """What `list` shows of a host."""

    name: str
    state: str
    ip4: str
    ip6: str
    group: str
    image: str
    minutes: float


def from_inventory(path: Path) -> list[Wanted]:
    """Read hosts from an Ansible inventory: ansible_host and embedded_host_ip6, _aliases and _image."""
    if not path.exists():
        raise UsageError(f"there is no inventory {path}", cure="name a YAML inventory or a folder with one")
    _start_ansible()
    from ansible.inventory.helpers import get_group_vars  # type: ignore[import-untyped]  # noqa: PLC0415
    from ansible.inventory.manager import InventoryManager  # type: ignore[import-untyped]  # noqa: PLC0415
    from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]  # noqa: PLC0415

    manager = InventoryManager(loader=DataLoader(), sources=[str(path)])
    wanted = []
    for host in manager.get_hosts():
        given = get_group_vars(host.get_groups()) | host.vars
        if given.get("ansible_connection") == "local":
            continue
        wanted.append(
            Wanted(
                host.name,
                str(given.get("ansible_host", "")),
                str(given.get("embedded_host_ip6", "")),
                [str(alias) for alias in given.get("embedded_host_aliases", [])],
                str(given.get("embedded_host_image", "base")),
            )
        )
    if not wanted:
        raise UsageError(
            f"{path} names no host", cure="an inventory needs hosts: with ansible_host, see docs/embedded-hosts.md"
        )
    return wanted


def _check_machine() -> None:
    missing = network.missing_tools()
    if missing:
        raise MeentwerkError(
            f"this machine lacks: {', '.join(missing)}",
            cure=f"apt-get install {' '.join(missing)}, or run scripts/bootstrap",
        )


def _clear_dead() -> list[str]:
    """Remove what hosts left that no longer run, and folders of an interrupted `up`. Call it under the state lock."""
    cleared = []
    for name in known_names():
        host = load_host(name) or Host(name, "0.0.0.0", "::")  # noqa: S104  a placeholder, nothing listens
        if name not in _being_started() and not boot.nspawn_pid(host):
            boot.stop(host)
            cleared.append(name)
    return cleared


def _being_started() -> set[str]:
    """Return hosts that a living process is bringing up at this moment."""
    starting = set()
    for marker in (state_directory() / "run").glob("*/starting"):
        try:
            os.kill(int(marker.read_text()), 0)
        except (OSError, ValueError):
            continue
        starting.add(marker.parent.name)
    return starting


def _claim(wanted: Sequence[Wanted], group: str, images: dict[str, str], *, replace: bool) -> list[Host]:
    """Reserve names and addresses for all wanted hosts, or for none. Call it under the state lock."""
    _clear_dead()
    if replace:
        for each in wanted:
            if old := load_host(each.name):
                boot.stop(old)
    present = known_hosts()
    claimed: list[Host] = []
    for each in wanted:
        if not NAME.fullmatch(each.name):
            raise UsageError(
                f"{each.name!r} cannot be a host name",
                cure="use lower-case letters, digits and hyphens, 63 characters at most",
            )
        if any(host.name == each.name for host in [*present, *claimed]):
            raise UsageError(
                f"an embedded host {each.name} exists already",
                cure=f"choose another name, add --replace, or remove it: scripts/embedded-host down {each.name}",
            )
        ip4, ip6 = each.ip4, each.ip6
        if not ip4 or not ip6:
            taken = {host.ip4 for host in [*present, *claimed]}
            free4, free6 = network.free_address(taken)
            ip4, ip6 = ip4 or free4, ip6 or free6
        host = Host(each.name, ip4, ip6, each.aliases, group, images[each.image])
        network.check_addresses(host, [*present, *claimed])
        claimed.append(host)
    for host in claimed:
        host.directory.mkdir(parents=True)
        (host.directory / "starting").write_text(str(os.getpid()))
        host.save()
    return claimed


def up(
    wanted: Sequence[Wanted],
    group: str = "default",
    *,
    keep: bool = False,
    replace: bool = False,
    max_age_days: float = image.MAX_AGE_DAYS,
) -> list[Host]:
    """Boot hosts that know each other and the running ones of their group by name; all of them, or none.

    With `keep`, a running host of the same name and group stays as it is.
    Raises MeentwerkError naming the host when one cannot be had; then none of the wanted ones is left behind.
    """
    _check_machine()
    if keep:
        running = {row.name for row in statuses() if row.state == "running" and row.group == group}
        wanted = [each for each in wanted if each.name not in running]
    images = {name: image.ensure(name, max_age_days).folder for name in {each.image for each in wanted}}
    image.require_space(SPACE_MB_PER_HOST * len(wanted), f"{len(wanted)} hosts")
    with locked():
        claimed = _claim(wanted, group, images, replace=replace)
    try:
        with locked():
            network.bridge_up()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda host: _boot(host, claimed), claimed))
        _settle(group)
    except BaseException:
        down([host.name for host in claimed])
        raise
    for host in claimed:
        (host.directory / "starting").unlink()
    return claimed


def _boot(host: Host, peers: Sequence[Host]) -> None:
    begin = time.monotonic()
    boot.prepare(host, peers)
    boot.start(host)
    note(f"{host.name} is up at {host.ip4} and {host.ip6} after {time.monotonic() - begin:.1f} s")


def _settle(group: str) -> None:
    with locked():
        everyone = known_hosts()
        boot.tell_neighbours([host for host in everyone if host.group == group and boot.leader(host)])
        boot.write_known_hosts(everyone)


def down(names: Sequence[str]) -> list[str]:
    """Remove hosts, also ones that are half there; returns the names that were."""
    found = [name for name in names if name in known_names()]
    hosts = [load_host(name) or Host(name, "0.0.0.0", "::") for name in found]  # noqa: S104  a placeholder, nothing listens
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(boot.stop, hosts))
    for group in {host.group for host in hosts}:
        _settle(group)
    with locked():
        if not known_names():
            network.bridge_down()
    return found


def down_group(group: str) -> list[str]:
    """Remove every host of a group."""
    return down([host.name for host in known_hosts() if host.group == group])


def statuses() -> list[Status]:
    """Return every known host and whether it runs."""
    starting = _being_started()
    rows = []
    for host in known_hosts():
        state = "starting" if host.name in starting else "running" if boot.leader(host) else "dead"
        minutes = (time.time() - host.started) / 60 if host.started else 0.0
        rows.append(Status(host.name, state, host.ip4, host.ip6, host.group, host.image, round(minutes, 1)))
    return rows


def shell(name: str, command: Sequence[str]) -> int:
    """Run a command, or an interactive shell, inside a host as root; returns its exit code.

    It enters from this machine and not over ssh: it works when the host's network or ssh does not.
    """
    host = load_host(name)
    pid = boot.leader(host) if host else 0
    if not pid:
        running = ", ".join(row.name for row in statuses() if row.state == "running") or "none"
        raise UsageError(f"no embedded host {name} is running", cure=f"running now: {running}")
    inside = ["env", "-i", f"TERM={os.environ.get('TERM', 'dumb')}", "HOME=/root", "LANG=C.UTF-8",
              "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]  # fmt: skip
    return subprocess.run(
        ["nsenter", "-t", str(pid), "-a", *inside, *(command or ["bash", "-l"])], check=False
    ).returncode


def prune(*, everything: bool = False) -> list[str]:
    """Remove dead hosts, remains of interrupted runs and images no one needs; with `everything` all of it."""
    removed: list[str] = []
    if everything:
        removed += down(known_names())
    with locked():
        removed += _clear_dead()
        if not known_names():
            network.bridge_down()
    removed += image.prune(everything=everything)
    if everything:
        for name in ("id_ed25519", "id_ed25519.pub", "known_hosts"):
            (state_directory() / name).unlink(missing_ok=True)
    return removed


def key_for_user() -> Path:
    """Return the ssh key, owned by the person who runs Ansible."""
    key = image.ssh_key()
    give_to_user(key)
    return key
