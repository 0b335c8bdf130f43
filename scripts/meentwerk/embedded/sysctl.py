"""Machine-wide kernel settings, as a host sees them.

Settings such as vm.* and kernel.* belong to the real kernel and are read-only in a host. Each host gets writable
copies laid over them: a role can write and read back what it means to set, and nothing changes outside. What the kernel
would do with the value is not shown by this.
"""

import io
import subprocess
import tarfile
from pathlib import Path

COPIED = ("vm", "fs", "kernel", "net/core", "net/netfilter")
# Per host already, or facts about the kernel that no one sets
KEPT_REAL = {
    "hostname", "domainname", "random", "overflowuid", "overflowgid", "cap_last_cap", "ns_last_pid", "osrelease",
    "version", "ostype",
}  # fmt: skip

# Runs inside the host: lays a copy over each setting that exists there and cannot be written
INSIDE = r"""
import ctypes, os, sys, tarfile
copies = "/run/embedded-host-sysctl"
tarfile.open(fileobj=sys.stdin.buffer, mode="r|").extractall(copies, filter="data")
libc = ctypes.CDLL(None, use_errno=True)
MS_BIND = 4096
for top, _, files in os.walk(copies):
    for name in files:
        source = os.path.join(top, name)
        setting = "/proc/sys" + source[len(copies):]
        if not os.path.exists(setting):
            continue
        try:
            with open(setting, "rb") as old, open(setting, "wb", 0) as new:
                new.write(old.read())
        except OSError:
            libc.mount(source.encode(), setting.encode(), None, MS_BIND, None)
"""


def _copies() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for top in COPIED:
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
        ["nsenter", "-t", str(leader), "-m", "-p", "-n", "python3", "-c", INSIDE],
        input=_copies(),
        check=True,
        capture_output=True,
    )
