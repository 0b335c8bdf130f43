"""Machine-wide kernel settings, as a host sees them.

Settings such as vm.* and kernel.* belong to the real kernel and are read-only in a host. Each host gets writable
copies laid over them: a role can write and read back what it means to set, and nothing changes outside. What the kernel
would do with the value is not shown by this.
"""

import io
import subprocess
import tarfile
from pathlib import Path

# Whole folders, each laid over as one; and folders in which a host may write most settings itself
COPIED = ("vm", "fs", "kernel")
COPIED_IN_PART = ("net/core", "net/netfilter", "dev/tty")
# Per host already, or facts about the kernel that no one sets
KEPT_REAL = {
    "hostname", "domainname", "random", "overflowuid", "overflowgid", "cap_last_cap", "ns_last_pid", "osrelease",
    "version", "ostype",
}  # fmt: skip

# Runs inside the host: lays copies over the settings that exist there and cannot be written.
# Few mounts, and each once: systemd goes through all of them for every service with a sandbox, in quadratic time, and a
# mount for each setting made every start of a service a second longer. So a folder is laid over whole, with what stays
# real bound into it before it is moved to its place.
INSIDE = r"""
import ctypes, os, sys, tarfile
copies = "/run/embedded-host-sysctl"
tarfile.open(fileobj=sys.stdin.buffer, mode="r|").extractall(copies, filter="data")
libc = ctypes.CDLL(None, use_errno=True)
MS_BIND, MS_MOVE, MS_PRIVATE, MNT_DETACH = 4096, 8192, 1 << 18, 2
def mount(source, target, flags):
    if libc.mount(source.encode(), target.encode(), None, flags, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)
mount(copies, copies, MS_BIND)
for shared in (copies, "/proc/sys"):
    mount("none", shared, MS_PRIVATE)
for folder in sys.argv[1].split():
    stage, real = f"{copies}/{folder}", f"/proc/sys/{folder}"
    mount(stage, stage, MS_BIND)
    for top, _, files in os.walk(real):
        beside = stage + top[len(real):]
        os.makedirs(beside, exist_ok=True)
        for name in files:
            if os.path.exists(f"{beside}/{name}"):
                continue
            with open(f"{beside}/{name}", "x") as placeholder:
                try:
                    mount(f"{top}/{name}", f"{beside}/{name}", MS_BIND)
                except OSError:
                    # the id of this boot, which nspawn laid over from a file that it then deleted
                    placeholder.write(open(f"{top}/{name}").read())
    mount(stage, real, MS_MOVE)
for folder in sys.argv[2].split():
    for top, _, files in os.walk(f"{copies}/{folder}"):
        for name in files:
            source = os.path.join(top, name)
            setting = "/proc/sys" + source[len(copies):]
            if not os.path.exists(setting):
                continue
            try:
                with open(setting, "rb") as old, open(setting, "wb", 0) as new:
                    new.write(old.read())
            except OSError:
                mount(source, setting, MS_BIND)
libc.umount2(copies.encode(), MNT_DETACH)
"""


def _copies() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for top in (*COPIED, *COPIED_IN_PART):
            for path in sorted(Path("/proc/sys", top).rglob("*")):
                relative = path.relative_to("/proc/sys")
                if not path.is_file() or KEPT_REAL & set(relative.parts[-2:]) or not path.stat().st_mode & 0o200:
                    continue
                try:
                    content = path.read_bytes()
                except OSError:  # write-only, or meant for another kernel
                    continue
                entry = tarfile.TarInfo(str(relative))
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def lay_copies(leader: int) -> None:
    """Lay the copies inside the host whose pid 1 is `leader`."""
    subprocess.run(
        [
            "nsenter",
            "-t",
            str(leader),
            "-m",
            "-p",
            "-n",
            "python3",
            "-c",
            INSIDE,
            " ".join(COPIED),
            " ".join(COPIED_IN_PART),
        ],
        input=_copies(),
        check=True,
        capture_output=True,
    )
