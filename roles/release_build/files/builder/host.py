"""Stage `host`: is this a host that can build it, and has it the Debian packages and the user of the build?"""

import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .bench import USER, Bench
from .errors import BuildError
from .reasons import explain

DEBIAN = "13"
SUITE = "trixie"
OS_RELEASE = Path("/etc/os-release")
MEMINFO = Path("/proc/meminfo")
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")
HOST_LISTS = Path("/var/lib/apt/lists")


def prepare(bench: Bench) -> None:
    """Check the host, install the build's packages, make its user and folders."""
    check_system(bench)
    check_room(bench)
    if bench.plan.certificates:
        known = SYSTEM_CA.read_text(encoding="utf-8") if SYSTEM_CA.is_file() else ""
        (bench.work / "ca.pem").write_text(
            f"{known}\n{(bench.kit / 'ca.pem').read_text(encoding='utf-8')}", encoding="utf-8"
        )
    install_packages(bench)
    make_user(bench)
    for folder in (bench.home, bench.downloads, bench.tools):
        bench.folder(folder)
    bench.write_configuration()


def check_system(bench: Bench) -> None:
    """Refuse another Debian or another architecture: a release runs only where the same libraries are."""
    values = dict(line.split("=", 1) for line in OS_RELEASE.read_text(encoding="utf-8").splitlines() if "=" in line)
    system, version = values.get("ID", "").strip('"'), values.get("VERSION_ID", "").strip('"')
    if (system, version) != ("debian", DEBIAN):
        raise BuildError(
            f"The builder runs {system or 'an unknown system'} {version}, and releases are made for Debian {DEBIAN}.",
            f"Put a Debian {DEBIAN} host into the group builders; with an empty group it is an embedded host.",
        )
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if machine != bench.plan.architecture:
        raise BuildError(
            f"The builder is {machine}, the release is wanted for {bench.plan.architecture}.",
            f"Put a host of that architecture into the group builders, or set release_build_architecture={machine}.",
        )


def memory_mb() -> int:
    """Give the memory in MB that a process may still take here: of the machine, and of the limit around this host."""
    lines = dict(line.split(":", 1) for line in MEMINFO.read_text(encoding="utf-8").splitlines())
    available = int(lines["MemAvailable"].split()[0]) // 1024
    try:
        limit = CGROUP_LIMIT.read_text(encoding="utf-8").strip()
    except OSError:
        limit = "max"
    return available if limit == "max" else min(available, int(limit) // (1 << 20))


def check_room(bench: Bench) -> None:
    """Refuse to begin what memory or disk cannot hold: both fail late and say little."""
    plan = bench.plan
    memory = memory_mb()
    if memory < plan.memory_mb:
        raise BuildError(
            f"Compiling the assets needs {plan.memory_mb} MB of memory, and this builder has {memory} MB free.",
            "Give it more, or stop what else runs on it. Who knows better sets release_build_memory_mb.",
        )
    check_disk(bench)


def check_disk(bench: Bench) -> None:
    """Refuse a disk that the build would fill; what a resumed build has there already counts as free."""
    present = sum(path.lstat().st_size for path in bench.work.rglob("*") if path.is_file()) // 1_000_000
    free = shutil.disk_usage(bench.work).free // 1_000_000
    if free + present < bench.plan.disk_mb:
        raise BuildError(
            f"The build needs {bench.plan.disk_mb} MB of disk in {bench.work}, and {free} MB are free.",
            "Make room, or put release_build_work on a larger disk. Who knows better sets release_build_disk_mb.",
        )


def missing(packages: Sequence[str]) -> list[str]:
    """Name the packages that are not installed."""
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [name for name in packages if name not in installed]


def install_packages(bench: Bench) -> None:
    """Install what compiles, from the host's own sources, from the mirror, or from the folder of downloads."""
    plan = bench.plan
    wanted = missing(plan.build_packages)
    if not wanted:
        return
    folder = bench.downloads / "debian" / plan.architecture
    (folder / "archives/partial").mkdir(parents=True, exist_ok=True)
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    options = ["-q", "-o", f"Dir::Cache::archives={folder}/archives", "-o", f"Dir::State::lists={folder}/lists",
               "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root",
               "-o", "APT::Keep-Downloaded-Packages=true", "-o", "Acquire::Retries=2", "-o", "Acquire::Languages=none",
               "-o", "Dpkg::Use-Pty=0"]  # fmt: skip
    if plan.debian_mirror:
        sources = bench.work / "sources.list"
        sources.write_text("".join(f"{line}\n" for line in source_lines(bench)), encoding="utf-8")
        options += ["-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-"]
    if plan.certificates:
        options += ["-o", f"Acquire::https::CAInfo={bench.work / 'ca.pem'}"]
    if not plan.offline:
        apt(bench, [*options, "-o", "APT::Update::Error-Mode=any", "update"], "read Debian's lists of packages")
    what = "install Debian packages"
    without = ["--no-download"] if plan.offline else []
    apt(bench, [*options, "--yes", "--no-install-recommends", *without, "install", *wanted], what)


def source_lines(bench: Bench) -> list[str]:
    """Give apt's sources for a mirror; that of security updates stands beside it unless it is named."""
    mirror = bench.plan.debian_mirror.rstrip("/")
    security = bench.plan.debian_security_mirror.rstrip("/") or f"{mirror.removesuffix('/debian')}/debian-security"
    return [f"deb {mirror} {SUITE} main", f"deb {mirror} {SUITE}-updates main", f"deb {security} {SUITE}-security main"]


def apt(bench: Bench, arguments: Sequence[str], what: str) -> None:
    """Run apt-get as root; what it cannot do offline is named package by package."""
    environment = {**bench.environment(), "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    done = subprocess.run(["apt-get", *arguments], env=environment, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", check=False)  # fmt: skip
    if not done.returncode:
        return
    lines = done.stdout.splitlines()
    if bench.plan.offline:
        said = "; ".join(line.strip() for line in lines if line.startswith(("E:", "W:")) or "Depends:" in line)[:600]
        raise BuildError(
            f"{what}: the folder of downloads lacks something, or was filled on another state of Debian: {said}.",
            "Fill release_build_downloads again by a build with network, on a builder like this one.",
        )
    log = bench.work / "apt.log"
    log.write_text(done.stdout, encoding="utf-8")
    raise explain(what, done.returncode, lines, bench.plan, str(log))


def make_user(bench: Bench) -> None:
    """Make the user who runs everything that comes from outside; it can log in nowhere."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(bench.home),
                        "--shell", "/usr/sbin/nologin", USER], check=True, capture_output=True)  # fmt: skip
