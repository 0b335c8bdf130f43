"""The command line of `benchmarks/backup`."""

import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from meentwerk.console import say, show_error, show_table
from meentwerk.embedded.state import Host
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit

from benchmarks import inventory, measure
from benchmarks.inventory import Place
from benchmarks.load import Target
from benchmarks.people import People
from benchmarks.provision import alone, commit, require_quiet_machine, set_up, step, terminated, up
from benchmarks.upgrade import people_of, play

READERS = 4
PAGES = ("/api/v1/timelines/home?limit=20", "/api/v1/accounts/verify_credentials", "/api/v1/timelines/public?limit=20")

HELP = """Measure what people notice of a running backup on an embedded host of this machine.

An instance with posts and media is read by several people at once, first alone, then while full backups of database
and files run one after the other into a folder of the same host: the worst place, where both share processor and disk.
It prints how long requests took: half of them, 95 and 99 of a hundred, and the longest.

It takes about four minutes, wants a machine that does nothing else, and needs root. What it makes is removed at the
end, also after Ctrl-C."""

FILL = """
runuser -u postgres -- psql -qXd mastodon -c "CREATE TABLE ballast AS
SELECT n AS id, md5(n::text) || md5((n + 1)::text) AS text FROM generate_series(1, {rows}) AS n"
install -d -o mastodon -g www-data /var/lib/mastodon/media/ballast
for n in $(seq {files}); do head -c 200000 /dev/urandom > /var/lib/mastodon/media/ballast/$n.jpg; done
"""

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}, rich_markup_mode=None)


@dataclass
class Times:
    """How long requests took, in seconds."""

    took: list[float] = field(default_factory=list)
    failed: int = 0

    def row(self) -> tuple[str, ...]:
        """Give number, median, 95th and 99th percentile and the longest, as text."""
        parts = statistics.quantiles(self.took, n=100)
        shown = (parts[49], parts[94], parts[98], max(self.took))
        return (str(len(self.took)), str(self.failed), *(f"{1000 * value:.0f} ms" for value in shown))


@contextmanager
def reading(people: People) -> Iterator[Times]:
    """Let people read until the block ends; each asks again as soon as the answer came, with a short pause."""
    times, over = Times(), threading.Event()

    def read(number: int) -> None:
        turn = number
        while not over.wait(0.1):
            token = people.authors[turn % len(people.authors)]
            began = time.monotonic()
            try:
                status, _ = people.target.ask("GET", PAGES[turn % len(PAGES)], token)
            except OSError:
                status = 0
            times.took.append(time.monotonic() - began)
            times.failed += status != 200  # noqa: PLR2004  (HTTP)
            turn += 1

    threads = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield times
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


def back_up(host: Host, seconds: float) -> int:
    """Make full backups one after the other for some seconds; returns how many ended."""
    made, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        # As the timer's service runs it: after everybody else
        measure.ask(host, "nice -n 15 ionice -c 3 meentwerk-backup run --kind full >/dev/null")
        made += 1
    return made


@app.command(help=HELP)
def main(
    seconds: Annotated[int, typer.Option("--seconds", min=5, help="How long each part is measured.")] = 30,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows of ballast in the database.")] = 2_000_000,
    files: Annotated[int, typer.Option("--files", min=1, help="Files of 200 kB among the media.")] = 1000,
) -> None:
    """Measure, and tell."""
    require_quiet_machine()
    with alone(), tempfile.TemporaryDirectory(prefix="meentwerk-benchmark-") as path:
        step("Build the release")
        bench = set_up(Path(path))
        place = Place(8)
        with up([place]) as (host,):
            folder = bench.folder / "one"
            folder.mkdir()
            chosen = inventory.write(folder, [place], bench.releases)
            (chosen / f"host_vars/{place.name}").mkdir(parents=True)
            (chosen / f"host_vars/{place.name}/backup.yml").write_text(
                "backup_repositories: [{name: near, type: local, path: /srv/backup}]\n"
            )
            step("Provision an instance, and fill it")
            measure.prepare(host)
            play(bench, chosen, host, "site", {})
            people = people_of(host, Target(place.ip4, place.domain, chosen / ".state/ca/ca.pem"))
            measure.ask(host, FILL.format(rows=rows, files=files))
            step(f"Alone, {seconds} s")
            with reading(people) as alone_:
                time.sleep(seconds)
            step(f"While backups run, {seconds} s at least")
            with reading(people) as beside:
                made = back_up(host, seconds)
    if alone_.failed or beside.failed:
        raise MeentwerkError("requests failed", "see .test-logs", Exit.FINDINGS)
    table = [("alone", *alone_.row()), (f"{made} full backups beside", *beside.row())]
    show_table(("measured", "requests", "failed", "half", "95 %", "99 %", "longest"), table)
    say(f"at {commit()}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminated)
    try:
        app(prog_name="benchmarks/backup")
    except MeentwerkError as error:
        show_error(error.message, error.cure)
        sys.exit(error.exit)
