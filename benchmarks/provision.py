"""The command line of `benchmarks/provision`."""

import datetime
import fcntl
import os
import platform
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from meentwerk.console import note, say, show_error, show_table
from meentwerk.embedded import hosts, network
from meentwerk.embedded.state import Host, state_directory
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit
from meentwerk.files import create_private_file

from benchmarks import inventory, measure, report, times
from benchmarks.inventory import GROUP, Place

ROOT = Path(__file__).parents[1]
LOGS = ROOT / ".test-logs"
FLOOR = ROOT / "benchmarks/floor.sh"
# What the floor takes over from a provisioned host, because it has to be there before a package starts its service
BEFORE = ("etc/postgresql-common/createcluster.d", "etc/systemd/system/valkey-server.service.d")
# And what can follow. Should a role write to another place, the floor does not get healthy, and says so
SETTINGS = (
    "etc/mastodon", "etc/nginx/nginx.conf", "etc/postgresql/17/main/conf.d", "etc/postgresql/17/main/pg_hba.conf",
    "etc/ssl/meentwerk", "etc/systemd/system/mastodon*", "etc/valkey/meentwerk.*", "usr/local/sbin/mastodon-run",
    "usr/local/bin/tootctl", "var/lib/meentwerk-nginx",
)  # fmt: skip
PACKAGES = "dpkg-query --show --showformat='${db:Status-Status} ${Package}\\n'"

HELP = """Measure how long an instance takes on embedded hosts of this machine, and write docs/performance.md.

In one run: the site playbook over one bare host, the same again with nothing to change, a floor (a shell script that
does only what is unavoidable: the same packages, release, migrations and services), and the playbook over several
hosts, twice.

It takes about ten minutes, wants a machine that does nothing else, and needs root. Hosts, secrets and releases of the
measurement are its own and are removed at the end, also after Ctrl-C."""
EPILOG = """\b
Examples:
  benchmarks/provision               measure; keeps the result in benchmarks/results/ and renews the page
  benchmarks/provision --hosts 1     one host only, some four minutes: while you change something
  benchmarks/provision --show        every task of the newest result
  benchmarks/provision --page        only write docs/performance.md from the newest result"""

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}, rich_markup_mode=None)


@dataclass
class Bench:
    """Where a measurement works: a private folder, and what it has built there."""

    folder: Path
    releases: Path
    environment: Mapping[str, str]

    def log(self, name: str) -> Path:
        """Return the file for the output of a step; it stays."""
        LOGS.mkdir(exist_ok=True)
        return LOGS / f"benchmark-{name}.log"


def step(message: str) -> None:
    """Say what happens now, and when it began."""
    note(f"{time.strftime('%H:%M:%S')}  {message}")


def require_quiet_machine() -> None:
    """Refuse where the measurement could not run, or would take away what somebody else uses."""
    if os.geteuid() != 0:
        raise MeentwerkError(
            "embedded hosts need root", cure="run the same command with sudo, or as root", exit=Exit.NOT_ALLOWED
        )
    missing = network.missing_tools()
    if missing:
        raise MeentwerkError(f"this machine lacks: {', '.join(missing)}", cure="run scripts/bootstrap")
    left = [row.name for row in hosts.statuses() if row.group == GROUP]
    if left:
        raise MeentwerkError(
            f"hosts of the group {GROUP} are up: {', '.join(left)}",
            cure=f"remove them: scripts/embedded-host down --group {GROUP}",
            exit=Exit.REFUSED,
        )
    others = [row.name for row in hosts.statuses()]
    if others:
        note(f"other embedded hosts are up ({', '.join(others)}): what they do will be in the numbers")


@contextmanager
def alone() -> Iterator[None]:
    """Refuse to measure beside another measurement."""
    state_directory().mkdir(parents=True, exist_ok=True)
    with (state_directory() / "benchmark-lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MeentwerkError("a benchmark is running on this machine", "wait for its end", Exit.REFUSED) from None
        yield


@contextmanager
def up(places: Sequence[Place]) -> Iterator[list[Host]]:
    """Boot embedded hosts and remove them afterwards, whatever happens."""
    wanted = [hosts.Wanted(place.name, place.ip4, place.ip6, [place.domain]) for place in places]
    try:
        yield hosts.up(wanted, GROUP)
    finally:
        # a second Ctrl-C must not leave half a host
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        hosts.down_group(GROUP)
        signal.signal(signal.SIGINT, before)


def set_up(folder: Path) -> Bench:
    """Make the vault password, and build and sign a release."""
    password = folder / "vault-password"
    create_private_file(password, secrets.token_urlsafe(32) + "\n")
    bench = Bench(folder, folder / "releases", {"ANSIBLE_VAULT_PASSWORD_FILE": str(password)})
    command = [
        "ansible-playbook", "playbooks/build.yml", "-e", "release_build_flavour=sandbox",
        "-e", f"release_build_output={bench.releases}", "-e", f"release_build_signing_key={folder / 'release_ed25519'}",
        "-e", "release_build_generate_signing_key=true",
    ]  # fmt: skip
    measure.run(command, bench.log("build"), [], environment=bench.environment)
    return bench


def play(bench: Bench, chosen: Path, up_hosts: Sequence[Host], name: str) -> report.Run:
    """Run the site playbook once, over connections of its own."""
    events = bench.folder / f"events-{name}"
    environment = {
        **bench.environment,
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "benchmarks/callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "task_times",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(bench.folder / f"cp-{name}"),
        "BENCHMARK_EVENTS": str(events),
    }
    command = ["ansible-playbook", "--inventory", str(chosen), "playbooks/site.yml"]
    cost = measure.run(command, bench.log(name), up_hosts, environment=environment)
    tasks = times.parse(events.read_text().splitlines(), cost.begin, cost.end)
    step(f"  {cost.seconds:.1f} s, {cost.rounds} commands to the hosts")
    return report.Run(
        hosts=len(up_hosts),
        seconds=cost.seconds,
        controller_cpu=cost.controller_cpu,
        host_cpu=cost.host_cpu,
        rounds=cost.rounds,
        tasks=tasks,
    )


def pair(bench: Bench, places: Sequence[Place], up_hosts: Sequence[Host], name: str) -> report.Pair:
    """Run the site playbook over bare hosts and once more; refuse a second run that changes something."""
    folder = bench.folder / name
    folder.mkdir()
    chosen = inventory.write(folder, places, bench.releases)
    for host in up_hosts:
        measure.prepare(host)
    count = f"{len(places)} host{'s'[: len(places) > 1]}"
    step(f"First run, {count}")
    first = play(bench, chosen, up_hosts, f"{name}-first")
    step(f"Second run, {count}")
    again = play(bench, chosen, up_hosts, f"{name}-second")
    changed = [f"{task.role}: {task.name}" for task in again.tasks if task.status == "changed"]
    if changed:
        raise MeentwerkError(f"the second run changed something: {', '.join(changed)}", "a role is not idempotent")
    return report.Pair(first=first, again=again)


def names(listing: str) -> set[str]:
    """Return the installed packages of a listing in the form of PACKAGES."""
    rows = (line.split() for line in listing.splitlines())
    return {package for status, package in rows if status == "installed"}


def pack(bench: Bench, host: Host, packages: Sequence[str]) -> Path:
    """Put all that the floor needs into one archive; settings come from a provisioned host."""
    folder = bench.folder / "floor"
    folder.mkdir()
    for name, paths in (("before.tar", BEFORE), ("settings.tar", SETTINGS)):
        with (folder / name).open("wb") as output:
            command = f"cd / && tar -cf - {' '.join(paths)}"
            subprocess.run([*measure.ssh_command(host), command], stdout=output, check=True)
    (folder / "packages").write_text("\n".join(packages) + "\n")
    for path in (FLOOR, *bench.releases.glob("*.tar.zst")):
        (folder / path.name).write_bytes(path.read_bytes())
    archive = bench.folder / "floor.tar"
    subprocess.run(["tar", "-C", str(folder), "-cf", str(archive), "."], check=True)
    return archive


def floor(bench: Bench, archive: Path, host: Host, place: Place, domain: str) -> measure.Cost:
    """Run the floor on a fresh host, and refuse it when it does not serve what the provisioned host served."""
    measure.prepare(host)
    command = [*measure.ssh_command(host), "mkdir floor && tar -C floor -xf - && sh floor/floor.sh"]
    cost = measure.run(command, bench.log("floor"), [host], stdin=archive)
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", "--cacert",
         str(bench.folder / "one/inventory/.state/ca/ca.pem"), "--resolve", f"{domain}:443:{place.ip4}",
         f"https://{domain}/api/v2/instance"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise MeentwerkError(f"the floor's instance does not serve: {done.stderr.strip()}", "see benchmarks/floor.sh")
    return cost


def facts() -> dict[str, str]:
    """Return the versions that decide on the numbers."""
    return {"ansible-core": metadata.version("ansible-core"), "python": platform.python_version()}


def commit() -> str:
    """Return what is measured, as git describes it; a tree with changes says so."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def provision(bench: Bench, several: int) -> report.Result:
    """Measure everything."""
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    load = os.getloadavg()[0]
    place = Place(1)
    with up([place]) as (host,):
        before = names(measure.ask(host, PACKAGES))
        one = pair(bench, [place], [host], "one")
        packages = sorted(names(measure.ask(host, PACKAGES)) - before)
        debian = measure.ask(host, "cat /etc/debian_version").strip()
        archive = pack(bench, host, packages)
    # Beside the first: its neighbours still know the other's address
    fresh = Place(2)
    with up([fresh]) as (host,):
        step("Floor")
        cost = floor(bench, archive, host, fresh, place.domain)
        step(f"  {cost.seconds:.1f} s")
    many = None
    if several > 1:
        places = [Place(3 + number) for number in range(several)]
        with up(places) as started:
            many = pair(bench, places, started, "several")
    return report.Result(
        date=date,
        commit=commit(),
        versions={**facts(), "Debian": debian},
        processors=len(os.sched_getaffinity(0)),
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        load=load,
        packages=len(packages),
        floor_seconds=cost.seconds,
        floor_cpu=cost.host_cpu,
        one=one,
        several=many,
    )


def write_page(result: report.Result) -> None:
    """Renew the generated part of the page."""
    report.PAGE.write_text(report.page(report.PAGE.read_text(), result))
    say(f"{report.PAGE.relative_to(ROOT)} written")


def tell(result: report.Result) -> None:
    """Say what came out."""
    rows = [
        ("floor", f"{result.floor_seconds:.1f} s", ""),
        ("first run", f"{result.one.first.seconds:.1f} s", f"{result.first_by_floor:.2f} x floor"),
        ("second run", f"{result.one.again.seconds:.1f} s", f"{result.again_by_first:.2f} x first"),
    ]
    if result.several:
        further = result.further(result.one.first, result.several.first)
        rows += [
            (f"first run, {result.several.first.hosts} hosts", f"{result.several.first.seconds:.1f} s", ""),
            ("  each further host", f"{further:.1f} s", f"{further / result.one.first.seconds:.2f} x first"),
            (f"second run, {result.several.again.hosts} hosts", f"{result.several.again.seconds:.1f} s", ""),
        ]
    show_table(("measured", "time", "ratio"), rows)


@app.command(help=HELP, epilog=EPILOG)
def main(
    several: Annotated[int, typer.Option("--hosts", min=1, max=8, help="How many hosts at once; 1 leaves it out.")] = 4,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the result; the page is then left alone.", show_default="benchmarks/results"),
    ] = None,
    page: Annotated[bool, typer.Option("--page", help="Only write docs/performance.md.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Only show every task of the newest result.")] = False,
) -> None:
    """Measure, or show what was measured."""
    if page:
        write_page(report.newest())
        return
    if show:
        for title, run in (("first", report.newest().one.first), ("second", report.newest().one.again)):
            show_table(
                ("run", "role", "task", "status", "seconds"),
                [(title, task.role, task.name, task.status, f"{task.seconds:.2f}") for task in run.tasks],
            )
        return
    require_quiet_machine()
    with alone(), tempfile.TemporaryDirectory(prefix="meentwerk-benchmark-") as folder:
        step("Build the release")
        result = provision(set_up(Path(folder)), several)
    path = report.save(result, output or report.RESULTS)
    tell(result)
    say(f"kept as {path}")
    if output is None:
        write_page(report.newest())  # as it was kept: rounded


def terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    """End as if by an exception, so that everything is removed."""
    sys.exit(Exit.TERMINATED)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminated)
    try:
        app(prog_name="benchmarks/provision")
    except MeentwerkError as error:
        show_error(error.message, error.cure)
        sys.exit(error.exit)
