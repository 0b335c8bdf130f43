"""The command line of `benchmarks/accounts`."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from meentwerk.accounts import profiles, target
from meentwerk.accounts.mastodon_py import Library
from meentwerk.accounts.over_api import NATIVE
from meentwerk.accounts.target import Target
from meentwerk.batch import HostBatch, tootctl
from meentwerk.console import say, show_table
from meentwerk.errors import UsageError
from meentwerk.on_host import Host

HELP = """Measure what an account costs on a rehearsal instance of an inventory: by bin/batch, by the API, by tootctl.

Accounts are really made there, and stay: use an instance for rehearsals only. The API's limit of five sign-ups in half
an hour is lifted between sign-ups by clearing the cache, so that the request itself is measured; what the limit makes
of it is calculated beside."""

SIGN_UPS, PERIOD = 5, 1800  # Mastodon's limit: that many in so many seconds
app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}, rich_markup_mode=None)


@dataclass(frozen=True)
class Measured:
    """One way, with so many accounts; `limited` is what the server's own rate limit makes of it."""

    way: str
    accounts: int
    seconds: float
    limited: float

    @property
    def each(self) -> float:
        """Seconds for one account."""
        return self.seconds / self.accounts


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that work takes."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def by_batch(batch: HostBatch, mark: str, number: int, domain: str) -> Measured:
    """Make that many accounts in one start of the application."""
    items = [
        {
            "username": f"b{number}x{mark}{index}",
            "email": f"b{number}x{mark}{index}@{domain}",
            "confirmed": True,
            "approved": True,
            "password": secrets.token_urlsafe(18),
        }
        for index in range(number)
    ]
    say(f"bin/batch: {number} accounts in one start")
    seconds = timed(lambda: batch.run("accounts", items))
    return Measured("bin/batch", number, seconds, seconds)


def by_tootctl(host: Host, mark: str, number: int, domain: str) -> Measured:
    """Make accounts one by one, as an operator without a batch does."""

    def work() -> None:
        for index in range(number):
            name = f"t{mark}{index}"
            tootctl(host, "accounts", "create", name, "--email", f"{name}@{domain}", "--confirmed")

    say(f"tootctl: {number} accounts, one after the other")
    seconds = timed(work)
    return Measured("tootctl", number, seconds, seconds)


def by_api(reach: Target, host: Host, mark: str, number: int, domain: str) -> float:
    """Sign accounts up and return the seconds of all requests, without the waits that the limit asks for."""
    body = {"client_name": f"benchmark {mark}", "redirect_uris": NATIVE, "scopes": profiles.SCOPES}
    application = reach.client.post("/api/v1/apps", body)
    library = Library(reach.client, None, (application["client_id"], application["client_secret"]))
    say(f"API: {number} sign-ups")
    seconds = 0.0
    for index in range(number):
        tootctl(host, "cache", "clear")
        seconds += timed(partial(sign_up, library, f"a{mark}{index}", domain))
    return seconds


def sign_up(library: Library, name: str, domain: str) -> None:
    """Sign one account up."""
    library.call(
        "POST /api/v1/accounts",
        lambda mastodon: mastodon.create_account(
            name, secrets.token_urlsafe(18), f"{name}@{domain}", agreement=True, scopes=profiles.SCOPES.split()
        ),
        repeatable=False,
    )


@app.command(help=HELP)
def main(
    instance: Annotated[str, typer.Option(help="Its name in the inventory.")],
    inventory: Annotated[Path, typer.Option("-i", help="The inventory.")],
    numbers: Annotated[
        list[int] | None, typer.Option("--accounts", help="Sizes of a batch; default 100, 1000.")
    ] = None,
    each: Annotated[int, typer.Option(help="Accounts by tootctl and by the API, one at a time.")] = 5,
    domain: Annotated[
        str, typer.Option("--mail-domain", help="Of the mailboxes; a real Mastodon asks the DNS for it.")
    ] = "example.org",
    output: Annotated[Path | None, typer.Option(help="Write the measurements as JSON.")] = None,
) -> None:
    """Measure."""
    reach = target.of_inventory(inventory, instance, None, None)
    host, mark, sizes = reach.host, secrets.token_hex(3), numbers or [100, 1000]
    if host is None:
        raise UsageError("an instance of the inventory is needed")
    found = [by_batch(HostBatch(host), mark, number, domain) for number in sizes]
    found.append(by_tootctl(host, mark, each, domain))
    seconds = by_api(reach, host, mark, each, domain)
    for number in [each, *sizes]:
        # The first five at once, then five in each half hour
        found.append(Measured("API", number, seconds / each * number, (number - 1) // SIGN_UPS * PERIOD))
    report(found, output)


def report(found: list[Measured], output: Path | None) -> None:
    """Show the measurements, and write them."""
    rows = [
        (one.way, one.accounts, f"{one.seconds:.1f}", f"{one.each:.3f}", f"{max(one.seconds, one.limited) / 3600:.1f}")
        for one in found
    ]
    show_table(["way", "accounts", "seconds", "seconds each", "hours with the server's limit"], rows)
    if output is not None:
        content = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "measured": [asdict(one) for one in found]}
        output.write_text(json.dumps(content, indent=2) + "\n")
        say(f"written: {output}")


if __name__ == "__main__":
    app()
