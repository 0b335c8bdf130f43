"""From a record to a running host, and back to nothing."""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from meentwerk.embedded import network
from meentwerk.embedded.image import lower_directories
from meentwerk.embedded.state import Host, give_to_user, locked, state_directory
from meentwerk.embedded.sysctl import lay_copies
from meentwerk.errors import MeentwerkError

SYSTEMD = Path("/run/systemd/system").is_dir()
START_TIMEOUT = 90.0
STOP_TIMEOUT = 10.0
# A process that is not there after this has ended, not begun
GRACE = 5.0
CONSOLE_LINES = 25

# Runs in a mount namespace of its own, so that every mount ends with the host.
# A host needs cgroup2; where this machine has the mixed hierarchy, it is mounted here and nowhere else.
# Each host has its own cgroup: two nspawns in one would share /payload.
# CAP_NET_ADMIN: nftables inside. CAP_BPF, CAP_PERFMON and the bpf call: IPAddressDeny= is silently void without them.
BOOT = r"""
set -e
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
  umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
fi
if [ -z "$IN_UNIT" ]; then
  mkdir -p "/sys/fs/cgroup/meentwerk-$NAME"; echo $$ > "/sys/fs/cgroup/meentwerk-$NAME/cgroup.procs"
fi
mount -t overlay "meentwerk-$NAME" -o "lowerdir=$LOWER,upperdir=$DIR/upper,workdir=$DIR/work,volatile" "$DIR/root"
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --boot --capability=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON --system-call-filter=bpf \
  --directory="$DIR/root" --machine="$NAME" --hostname="$NAME" --register=no --keep-unit \
  --network-namespace-path="/run/netns/meentwerk-$NAME" \
  --resolv-conf=off --timezone=off --link-journal=no --console=pipe --notify-ready=yes
"""

HOSTS_BEGIN = "# begin embedded hosts"
HOSTS_END = "# end embedded hosts"


def _unit(host: Host) -> str:
    return f"meentwerk-{host.name}.service"


def nspawn_pid(host: Host) -> int:
    """Return the pid of the process that runs the host, or 0 when it does not run."""
    if SYSTEMD:
        shown = subprocess.run(
            ["systemctl", "show", "-PMainPID", _unit(host)], capture_output=True, text=True, check=False
        )
        return int(shown.stdout.strip() or 0)
    try:
        environment = Path(f"/proc/{host.pid}/environ").read_bytes()
    except OSError:
        return 0
    # a number alone could be someone else's by now
    return host.pid if f"DIR={host.directory}".encode() in environment.split(b"\0") else 0


def leader(host: Host) -> int:
    """Return the pid of the host's own pid 1 as this machine sees it, or 0."""
    pid = nspawn_pid(host)
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text().strip() in {"systemd", "init"}:
                return int(child)
    except OSError:
        pass
    return 0


def hosts_block(peers: Sequence[Host]) -> str:
    """Return the lines of /etc/hosts that name a group's hosts."""
    lines = [HOSTS_BEGIN]
    for peer in peers:
        names = " ".join([peer.name, *peer.aliases])
        lines += [f"{peer.ip4} {names}", f"{peer.ip6} {names}"]
    return "\n".join([*lines, HOSTS_END]) + "\n"


def prepare(host: Host, peers: Sequence[Host]) -> None:
    """Lay out the host's overlay: its name, its neighbours, its resolver and its own ssh identity."""
    for part in ("upper/etc/ssh", "work", "root"):
        (host.directory / part).mkdir(parents=True)
    etc = host.directory / "upper/etc"
    (etc / "hostname").write_text(f"{host.name}\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{hosts_block(peers)}")
    (etc / "resolv.conf").write_text(network.resolver())
    proxy = "".join(
        f'Acquire::{scheme}::Proxy "{os.environ[f"{scheme}_proxy"]}";\n'
        for scheme in ("http", "https")
        if os.environ.get(f"{scheme}_proxy")
    )
    if proxy:
        (etc / "apt/apt.conf.d").mkdir(parents=True)
        (etc / "apt/apt.conf.d/90proxy").write_text(proxy)
    for kind in ("ed25519", "ecdsa"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", host.name, "-f", str(etc / f"ssh/ssh_host_{kind}_key")],
            check=True,
        )


def start(host: Host) -> None:
    """Boot a prepared host and return when it answers on ssh."""
    network.connect(host)
    environment = {
        "NAME": host.name,
        "DIR": str(host.directory),
        "LOWER": lower_directories(host.image),
        "PATH": os.environ["PATH"],
    }
    private = ["unshare", "--mount", "--propagation", "private", "bash", "-c", BOOT]
    with host.console.open("wb") as console:
        if SYSTEMD:
            subprocess.run(
                [
                    "systemd-run", "--quiet", "--collect", "--no-block", f"--unit={_unit(host)}",
                    "--slice=machine.slice",
                    "-pDelegate=yes", "-pKillMode=mixed", "-pTasksMax=16384", "-pDevicePolicy=auto",
                    "-pType=notify", "-pNotifyAccess=all", f"-pTimeoutStartSec={START_TIMEOUT:.0f}",
                    f"-pStandardOutput=append:{host.console}", f"-pStandardError=append:{host.console}",
                    *[f"--setenv={key}={value}" for key, value in environment.items()], "--setenv=IN_UNIT=1", *private,
                ],
                check=True, stdout=console, stderr=console,
            )  # fmt: skip
        else:
            process = subprocess.Popen(
                private,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
            host.pid = process.pid
    host.started = time.time()
    host.save()
    _wait(host)
    lay_copies(leader(host))


def _wait(host: Host) -> None:
    begin = time.monotonic()
    while time.monotonic() < begin + START_TIMEOUT:
        try:
            with socket.create_connection((host.ip4, 22), timeout=1) as connection:
                connection.settimeout(2)
                if connection.recv(4) == b"SSH-" and leader(host):
                    return
        except OSError:
            pass
        if time.monotonic() > begin + GRACE and not _alive(nspawn_pid(host)):
            break
        time.sleep(0.05)
    raise MeentwerkError(
        f"{host.name} does not come up (no answer on {host.ip4} port 22). The end of its console:\n{console_end(host)}",
        cure=_boot_cure(host),
    )


def console_end(host: Host) -> str:
    """Return the last lines of the host's console, without terminal colours."""
    try:
        text = host.console.read_text(errors="replace")
    except OSError:
        text = ""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)
    lines = [line for line in plain.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-CONSOLE_LINES:]) or "  (it is empty)"


def _boot_cure(host: Host) -> str:
    if "overlay" in console_end(host) and "mount" in console_end(host):
        return "the state folder cannot carry an overlay: set MEENTWERK_STATE to a folder on ext4, xfs, btrfs or tmpfs"
    return "run it again; if it stays, a local firewall may block the bridge meentwerk0"


def _alive(pid: int) -> bool:
    try:
        return bool(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stop(host: Host) -> None:
    """End a host and remove all that it was: processes, network, cgroup, files; parts may be gone already.

    Another process may be at it, too: the lock on the host's own folder lets one do it, and the other wait.
    """
    try:
        descriptor = os.open(host.directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # gone meanwhile, or a new host of that name
        if host.directory.exists() and os.path.samestat(os.fstat(descriptor), host.directory.stat()):
            _stop(host)
    finally:
        os.close(descriptor)


def _stop(host: Host) -> None:
    pid = nspawn_pid(host)
    if pid:
        if SYSTEMD:
            subprocess.run(["systemctl", "kill", "--signal=KILL", _unit(host)], check=False, capture_output=True)
        else:
            # killing the host's pid 1 makes the kernel end everything in it; nspawn follows
            os.kill(leader(host) or pid, signal.SIGKILL)
        end = time.monotonic() + STOP_TIMEOUT
        while _alive(pid) and time.monotonic() < end:
            time.sleep(0.02)
        if _alive(pid):
            os.kill(pid, signal.SIGKILL)
    network.disconnect(host)
    for hierarchy in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        _remove_cgroup(Path(hierarchy) / f"meentwerk-{host.name}")
    shutil.rmtree(host.directory)


def _remove_cgroup(top: Path) -> None:
    if not top.is_dir():
        return
    for folder in sorted((p for p in top.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)):
        folder.rmdir()
    top.rmdir()


def tell_neighbours(running: Sequence[Host]) -> None:
    """Write the group's present names into /etc/hosts of each of its hosts."""
    for host in running:
        pid = leader(host)
        if not pid:
            continue
        path = Path(f"/proc/{pid}/root/etc/hosts")
        try:
            before, _, rest = path.read_text().partition(HOSTS_BEGIN)
            path.write_text(before + hosts_block(running) + rest.partition(f"{HOSTS_END}\n")[2])
        except OSError:  # it ended meanwhile
            continue


def write_known_hosts(hosts: Sequence[Host]) -> None:
    """Write the ssh identities of all hosts, so that clients can check them."""
    lines = []
    for host in hosts:
        for key in sorted(host.directory.glob("upper/etc/ssh/ssh_host_*_key.pub")):
            try:
                kind, material = key.read_text().split()[:2]
            except OSError:  # it is being removed
                continue
            lines.append(f"{','.join([host.name, host.ip4, host.ip6, *host.aliases])} {kind} {material}\n")
    with locked("known-hosts-lock"):
        path = state_directory() / "known_hosts"
        temporary = path.with_suffix(".new")
        temporary.write_text("".join(lines))
        give_to_user(temporary)
        temporary.rename(path)
