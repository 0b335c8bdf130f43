"""The command line of `benchmarks/upgrade`."""

import json
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from meentwerk.console import say, show_error, show_table
from meentwerk.embedded.state import Host
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit

from benchmarks import inventory, measure
from benchmarks.inventory import Place
from benchmarks.load import Report, Target
from benchmarks.people import People, settle
from benchmarks.provision import ROOT, Bench, alone, commit, require_quiet_machine, set_up, step, terminated, up

QUIET_SECONDS = 20

HELP = """Measure an upgrade under load on an embedded host of this machine.

In one run: an instance under a constant load of reads, posts and a held stream, first left alone, then upgraded several
times with playbooks/upgrade.yml, each time to a release with one schema step on each side of the switch. It tells how
long an upgrade takes from its start to the switch, how many requests were answered meanwhile, and the longest that one
of them waited. It fails when a request, a post, a job or an event of the stream is lost.

It takes about five minutes, wants a machine that does nothing else, and needs root. What it makes is removed at the
end, also after Ctrl-C."""

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}, rich_markup_mode=None)


@dataclass(frozen=True)
class Upgrade:
    """One upgrade, in seconds from its start."""

    switched: float
    """Until the new release was in service, alone and healthy."""
    ended: float
    """Until the playbook ended."""
    report: Report


def source(folder: Path, number: int) -> Path:
    """Copy the sandbox as its version 0.NUMBER.0, with one schema step before and one after the switch."""
    tree = folder / f"source-{number}"
    shutil.copytree(ROOT / "sandbox", tree, ignore=shutil.ignore_patterns("__pycache__"))
    about = tree / "about.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "version": f"0.{number}.0"}))
    schema = tree / "meentwerk_sandbox/schema.py"
    text = schema.read_text()
    begin = text.index("STEPS: tuple[Step, ...] = (")
    end = text.index("\n)\n", begin)
    steps = "".join(
        f'\n    Step("2026100{step}000{phase}", "{name}_{step}", "{name}", ("{sql.format(step)}",)),'
        for step in range(2, number + 1)
        for phase, name, sql in (
            (1, "pre", "ALTER TABLE accounts ADD COLUMN remark_{} varchar"),
            (2, "post", "ALTER TABLE accounts ALTER COLUMN remark_{} SET DEFAULT ''"),
        )
    )
    schema.write_text(text[:end] + steps + text[end:])
    return tree


def build(bench: Bench, number: int) -> Path:
    """Build and sign that version; returns the folder with its files."""
    output = bench.folder / f"releases-{number}"
    command = [
        "ansible-playbook", "playbooks/build.yml", "-e", "release_build_flavour=sandbox",
        "-e", f"release_build_output={output}", "-e", f"release_build_signing_key={bench.folder / 'release_ed25519'}",
        "-e", f"release_build_sandbox_source={source(bench.folder, number)}",
    ]  # fmt: skip
    measure.run(command, bench.log(f"build-{number}"), [], environment=bench.environment)
    return output


def play(bench: Bench, chosen: Path, host: Host, verb: str, variables: Mapping[str, str]) -> measure.Cost:
    """Run a playbook on the host."""
    extra = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
    command = ["ansible-playbook", "--inventory", str(chosen), f"playbooks/{verb}.yml", *extra]
    return measure.run(command, bench.log(verb), [host], environment=bench.environment)


def switched_at(host: Host) -> float:
    """Return when the release in service was put there, in seconds since 1970."""
    last = measure.ask(host, "tail -n 1 /opt/mastodon/history.jsonl")
    return datetime.fromisoformat(json.loads(last)["time"]).timestamp()


def people_of(host: Host, target: Target) -> People:
    """Let accounts live on the instance."""

    def run(name: str, question: str) -> str:
        return measure.ask(host, f"printf %s {shlex.quote(question)} | mastodon-run batch {name}")

    return settle(target, run)


def insist(report: Report) -> None:
    """Refuse a measurement in which anything was lost."""
    lost = [*report.failed, *report.lost_posts, *report.undelivered, *report.unseen]
    if lost:
        raise MeentwerkError(f"something was lost: {report}; the first: {lost[0]}", "see .test-logs", Exit.FINDINGS)


def upgrade(bench: Bench, rounds: int) -> tuple[Report, list[Upgrade]]:
    """Provision, measure the load alone, then upgrade round by round."""
    place = Place(9)
    with up([place]) as (host,):
        folder = bench.folder / "one"
        folder.mkdir()
        chosen = inventory.write(folder, [place], bench.releases)
        step("Provision an instance")
        measure.prepare(host)
        play(bench, chosen, host, "site", {})
        people = people_of(host, Target(place.ip4, place.domain, chosen / ".state/ca/ca.pem"))
        step(f"Load alone, {QUIET_SECONDS} s")
        with people.busy() as quiet:
            time.sleep(QUIET_SECONDS)
        insist(quiet)
        upgrades = []
        for number in range(2, rounds + 2):
            releases = build(bench, number)
            step(f"Upgrade {number - 1} of {rounds} under load")
            with people.busy() as report:
                begin = time.time()
                cost = play(bench, chosen, host, "upgrade", {"instance_release_directory": str(releases)})
            insist(report)
            upgrades.append(Upgrade(switched_at(host) - begin, cost.seconds, report))
        return quiet, upgrades


def seen(report: Report, quiet: Report) -> tuple[str, str, str, str]:
    """Return a row's part about the load: requests, longest stall, that as a ratio, how long the stream was away."""
    away = max(report.cuts, default=0.0)
    return str(report.requests), f"{report.slowest:.2f} s", f"{report.slowest / quiet.slowest:.1f}", f"{away:.2f} s"


@app.command(help=HELP)
def main(
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=7, help="How many upgrades.")] = 3,
) -> None:
    """Measure, and tell."""
    require_quiet_machine()
    with alone(), tempfile.TemporaryDirectory(prefix="meentwerk-benchmark-") as folder:
        step("Build the first release")
        quiet, upgrades = upgrade(set_up(Path(folder)), rounds)
    rows = [("load alone", "", "", *seen(quiet, quiet))]
    for number, it in enumerate(upgrades, 1):
        rows.append((f"upgrade {number}", f"{it.switched:.0f} s", f"{it.ended:.1f} s", *seen(it.report, quiet)))
    show_table(("measured", "to the switch", "to the end", "requests", "stall", "x alone", "stream away"), rows)
    say(f"at {commit()}: nothing was lost")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminated)
    try:
        app(prog_name="benchmarks/upgrade")
    except MeentwerkError as error:
        show_error(error.message, error.cure)
        sys.exit(error.exit)
