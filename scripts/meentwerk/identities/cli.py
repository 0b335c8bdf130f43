"""`meentwerk identities`: who is behind an account, checked again and again, and shown to citizens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from meentwerk.console import Json, busy, note, say, show_json, show_table
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.identities import config as configuration
from meentwerk.identities import directory, fix, history, names, registry, results
from meentwerk.identities import publish as site
from meentwerk.identities.addresses import networks
from meentwerk.identities.config import Config
from meentwerk.identities.fetch import Fetcher
from meentwerk.identities.model import Account, Result, Verdict
from meentwerk.identities.run import judge_all

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Prove who is behind an account: registers, rel=me, WebFinger; and publish it.",
    epilog="""\b
Examples:
  scripts/verify-identities registers update                fetch the registers that identities.yml names
  scripts/verify-identities check -i inventories/production  look at every account of the fleet
  scripts/verify-identities report --only-findings           what is wrong, and what to do
  scripts/verify-identities fix news@tides.example.org       a ready e-mail to the webmaster
  scripts/verify-identities publish --output site            the public register page
\b
Exit codes: 0 all verified, 2 wrong input, 3 findings, 4 no findings, but something could not be looked at.""",
)
registers_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Registers of organisations.")
app.add_typer(registers_app, name="registers")

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="What to check (docs/identities.md).")]
Folder = Annotated[
    Path | None,
    typer.Option("--results", help="Folder of results and history; default: `identities` beside the configuration."),
]
DEFAULT_CONFIG = Path("identities.yml")


def _folder(given: Path | None, config: Path) -> Path:
    return given or config.absolute().parent / "identities"


def _fetcher(config: Config, base: Path) -> Fetcher:
    trust = base / config.trust if config.trust else None
    if trust is not None and not trust.is_file():
        raise UsageError(f"trust: there is no file {trust}", "give a file with certificates in PEM form")
    return Fetcher(config.contact, networks(config.allow_networks), trust=str(trust) if trust else None)


@registers_app.command("update")
def update(config: ConfigFile = DEFAULT_CONFIG, folder: Folder = None, as_json: Json = False) -> None:
    """Download the registers that have an https address; what has not changed is not sent again."""
    settings = configuration.load(config)
    place = _folder(folder, config) / "registers"
    with busy("downloading registers"):
        done = registry.download_all(settings, place, _fetcher(settings, config.absolute().parent))
    if as_json:
        show_json([{"register": d.register, "outcome": d.outcome, "bytes": d.bytes, "detail": d.detail} for d in done])
    else:
        for one in done:
            say(f"{one.register}: {one.outcome}{f' ({one.detail})' if one.detail else ''}, {one.bytes / 1e6:.1f} MB")
        if not done:
            say("no register has an https address: nothing to download")
    failed = [one for one in done if one.outcome == "failed"]
    if failed:
        raise typer.Exit(Exit.PARTIAL if len(failed) < len(done) else Exit.UNEXPECTED)


@app.command()
def check(
    config: ConfigFile = DEFAULT_CONFIG,
    inventory: Annotated[
        Path | None, typer.Option("--inventory", "-i", help="Look also at the accounts of this inventory's instances.")
    ] = None,
    folder: Folder = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this account, name@domain; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at every account, and keep what was found as JSON, CSV, JUnit and metrics, with a history."""
    settings = configuration.load(config)
    base, place = config.absolute().parent, _folder(folder, config)
    past = history.read(place / history.FILE)
    accounts, problems = _accounts(settings, base, inventory)
    accounts = _chosen(accounts, only)
    with busy(f"reading {len(settings.registers)} registers"):
        known = registry.load(settings, base, place / "registers", {account.organisation for account in accounts})
    found = judge_all(accounts, known, _fetcher(settings, base), settings.servers)
    # A look at some accounts must not make the others vanish from the page
    results.write_all(place, _merged(place, found) if only else found)
    future, changes = history.advance(past, found)
    history.write(place / history.FILE, future)
    for line in problems:
        note(f"warning: {line}")
    for change in changes:
        note(history.alert(change))
    _show(found, as_json=as_json, only_findings=True)
    note(f"results: {place}")
    _end(found, unseen=bool(problems))


def _accounts(settings: Config, base: Path, inventory: Path | None) -> tuple[list[Account], list[str]]:
    entries: list[Account] = []
    problems: list[str] = []
    if inventory is not None:
        with busy("asking instances for their accounts"):
            handles = [claim.handle for claim in settings.accounts]
            entries, problems = directory.accounts(inventory, handles, _fetcher(settings, base))
    accounts = configuration.claims(settings, entries)
    if not accounts and not problems:
        raise UsageError("there is no account to check", "list some in the configuration, or give --inventory")
    return accounts, problems


def _chosen(accounts: Sequence[Account], only: Sequence[str] | None) -> list[Account]:
    if not only:
        return list(accounts)
    known = {account.handle: account for account in accounts}
    chosen = []
    for text in only:
        try:
            handle = "@".join(names.handle(text))
        except names.WrongNameError as error:
            raise UsageError(str(error)) from None
        if handle not in known:
            raise UsageError(f"{handle} is not among the accounts", "list it in the configuration")
        chosen.append(known[handle])
    return chosen


def _merged(place: Path, found: Sequence[Result]) -> list[Result]:
    path = place / results.RESULTS
    before = results.read(path) if path.exists() else []
    new = {result.account.handle: result for result in found}
    kept = [new.pop(result.account.handle, result) for result in before]
    return [*kept, *new.values()]


@app.command()
def report(
    config: ConfigFile = DEFAULT_CONFIG,
    folder: Folder = None,
    only_findings: Annotated[bool, typer.Option("--only-findings", help="Leave out what is right.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the last check found."""
    found = results.read(_folder(folder, config) / results.RESULTS)
    _show(found, as_json=as_json, only_findings=only_findings)
    _end(found)


def _show(found: Sequence[Result], *, as_json: bool, only_findings: bool) -> None:
    if as_json:
        show_json(results.records(found))
        return
    rows = []
    for result in found:
        for one in result.checks:
            if not only_findings or one.verdict is not Verdict.PASS:
                rows.append(
                    (result.account.handle, one.name, one.verdict, one.why + (f" -> {one.cure}" if one.cure else ""))
                )
    show_table(
        ("account", "check", "verdict", "why -> what to do"), [tuple(_plain(str(c)) for c in row) for row in rows]
    )
    counts = {verdict: sum(result.verdict is verdict for result in found) for verdict in Verdict}
    note(
        f"{len(found)} accounts: {counts[Verdict.PASS]} verified, {counts[Verdict.FAIL]} not, "
        f"{counts[Verdict.UNKNOWN]} not known today"
    )


def _plain(text: str) -> str:
    """Return a text without what moves a terminal's cursor or a reader's eye: pages and profiles are strangers'."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _end(found: Sequence[Result], *, unseen: bool = False) -> None:
    verdicts = {one.verdict for result in found for one in result.checks}
    if Verdict.FAIL in verdicts:
        raise typer.Exit(Exit.FINDINGS)
    if Verdict.UNKNOWN in verdicts or unseen:
        raise typer.Exit(Exit.PARTIAL)


@app.command()
def publish(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the site; replaced in one step.")],
    config: ConfigFile = DEFAULT_CONFIG,
    folder: Folder = None,
) -> None:
    """Make the public register page from the last check: static files, ready for the role register_site."""
    settings = configuration.load(config)
    place = _folder(folder, config)
    found = results.read(place / results.RESULTS)
    pages = site.publish(output, found, history.read(place / history.FILE), settings)
    say(f"{output}: {pages} files for {len(found)} accounts")


@app.command("fix")
def fix_(
    handles: Annotated[list[str] | None, typer.Argument(help="Accounts; without, every one with findings.")] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    folder: Folder = None,
    resave: Annotated[
        bool, typer.Option("--resave", help="Save the profile again, so that Mastodon looks again.")
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(help=f"File with the account's token (read:accounts write:accounts); or {fix.TOKEN_VARIABLE}."),
    ] = None,
) -> None:
    """Print a ready e-mail for each account's webmaster; with --resave, make Mastodon look at one profile again."""
    found = results.read(_folder(folder, config) / results.RESULTS)
    known = {result.account.handle: result for result in found}
    chosen = [known[account.handle] for account in _chosen([result.account for result in found], handles)]
    if resave:
        if len(chosen) != 1:
            raise UsageError("--resave is for one account, since each has its own token", "name it")
        settings = configuration.load(config)
        trust: str | bool = str(config.absolute().parent / settings.trust) if settings.trust else True
        _resave(chosen[0], fix.read_token(token_file), trust)
        return
    letters = [text for result in chosen if (text := fix.letter(result))]
    say(f"\n{'-' * 72}\n\n".join(letters).rstrip() if letters else "nothing to mend")


def _resave(result: Result, token: str, trust: str | bool) -> None:
    owner = fix.Owner(fix.account_base(result), token, trust)
    lines = owner.reset(fix.stale_links(result)) or owner.resave()
    if not lines:
        raise MeentwerkError(f"{result.account.handle} has no link that Mastodon would look at", exit=Exit.FINDINGS)
    for line in lines:
        say(line)
    note("Mastodon looks within seconds; check again to see what it found")
