"""`meentwerk accounts`: from a department's list to working accounts."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from meentwerk.accounts import checks, csv_out, exceptions, journal, planning, policy, report, status, target
from meentwerk.accounts.account import Account
from meentwerk.accounts.applying import Applying, Outcome, by_name
from meentwerk.accounts.checks import Checked
from meentwerk.accounts.credentials import Store, read_recipients, recipients
from meentwerk.accounts.limits import Limits
from meentwerk.accounts.over_api import WAITING, OverApi
from meentwerk.accounts.pending import Pending
from meentwerk.accounts.planning import Action, Step
from meentwerk.accounts.policy import Policy
from meentwerk.accounts.target import Target
from meentwerk.api import read_token
from meentwerk.batch import tootctl
from meentwerk.console import Json, note, show_json, show_table
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.files import replace_file

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Accounts: from a department's list to working ones."
)

ListFile = Annotated[Path, typer.Argument(metavar="LIST", help="The list: .csv or .yml; docs/accounts.md.")]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help=f"The naming policy. Default: {policy.FILE_NAME} beside the list.")
]
InstanceName = Annotated[str, typer.Option("--instance", help="Its name in the inventory.")]
ServerName = Annotated[
    str, typer.Option("--server", help="Instead: a server that Meentwerk does not run, by its address; over its API.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="With --server: file with a moderator's token. Default: MEENTWERK_TOKEN."),
]
Address = Annotated[
    str, typer.Option("--address", help="With --server: where to connect, when this machine does not know its name.")
]
Hours = Annotated[
    float, typer.Option("--patience", help="With --server: hours to wait for rate limits (5 sign-ups in half an hour).")
]
Reason = Annotated[str, typer.Option("--reason", help="With --server: what its moderators read with each sign-up.")]
Source = Annotated[
    Path | None,
    typer.Option("--inventory", "-i", envvar="ANSIBLE_INVENTORY", help="The inventory's folder, or its main file."),
]
PasswordFiles = Annotated[
    list[str] | None, typer.Option("--vault-password-file", help="As for Ansible. Default: as for Ansible.")
]
CaFile = Annotated[Path | None, typer.Option("--ca-file", help="Authority of the server's certificate, PEM.")]
StateFolder = Annotated[
    Path | None, typer.Option("--state", help="Folder of journal, credentials and exports. Default: one per instance.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for another run on this instance instead of giving up.")]
Delete = Annotated[
    bool, typer.Option("--delete", help="Delete absent accounts and their posts for good. Asks before it does.")
]
Confirm = Annotated[
    str, typer.Option("--confirm", help="What --delete asks for (the instance's domain), for a script.")
]
Recipients = Annotated[
    list[str] | None,
    typer.Option(
        "--recipient", "-r", help="Who can read first passwords: age1..., an ssh public key, or a file of them."
    ),
]
FirstAccess = Annotated[
    Literal["credentials", "mail"],
    typer.Option(help="How a holder gets in: a file with a first password, or a mail with which one sets it."),
]
_EXITS = "\b\nExit codes: 0 done, 2 the list is wrong (nothing was sent), 3 something differs, 4 some accounts failed."


@app.command(epilog=_EXITS)
def validate(
    listed: ListFile,
    *,
    policy_file: PolicyFile = None,
    instance: Annotated[str, typer.Option("--instance", help="Take the limits that this instance publishes.")] = "",
    inventory: Source = None,
    ca_file: CaFile = None,
    vault_password_file: PasswordFiles = None,
    as_json: Json = False,
) -> None:
    """Check a list, whole: every problem with row and column. Without --instance nothing is contacted."""
    rules = policy.load(policy_file, listed)
    reach = _target(instance, inventory, ca_file, vault_password_file) if instance else None
    _checked(listed, rules, reach, as_json=as_json, always=True)


@app.command(epilog=_EXITS)
def plan(
    listed: ListFile,
    *,
    instance: InstanceName = "",
    inventory: Source = None,
    server: ServerName = "",
    token_file: TokenFile = None,
    address: Address = "",
    policy_file: PolicyFile = None,
    ca_file: CaFile = None,
    vault_password_file: PasswordFiles = None,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Show what would be created and changed, field by field, and what is in the way. Changes nothing."""
    rules = policy.load(policy_file, listed)
    reach = _reach(instance, inventory, ca_file, vault_password_file, server, token_file, address)
    checked = _checked(listed, rules, reach, as_json=as_json)
    folder = journal.state_folder(reach.domain, state)
    if reach.host is None:
        steps = (other := _over_api(reach, rules, folder, [])).plan(checked.accounts, other.states())
    else:
        run = _applying(reach, rules, folder, [], "credentials")
        steps = planning.plan(checked.accounts, run.states(), run.journal.pictures, rules)
    report.plan(steps, as_json=as_json)
    if any(step.action is not Action.UNCHANGED for step in steps):
        raise typer.Exit(Exit.FINDINGS)


@app.command(
    epilog="""\b
Examples:
  scripts/onboard-accounts apply tides.csv --instance tides -i inventories/production -r age1...
  scripts/onboard-accounts apply tides.csv --instance tides -i inventories/production --first-access mail
"""
    + _EXITS
)
def apply(
    listed: ListFile,
    *,
    instance: InstanceName = "",
    inventory: Source = None,
    server: ServerName = "",
    token_file: TokenFile = None,
    address: Address = "",
    patience: Hours = 1.0,
    reason: Reason = "",
    policy_file: PolicyFile = None,
    recipient: Recipients = None,
    first_access: FirstAccess = "credentials",
    delete: Delete = False,
    confirm: Confirm = "",
    wait: Wait = False,
    ca_file: CaFile = None,
    vault_password_file: PasswordFiles = None,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Make the accounts of a list and bring existing ones in line; read back. It can be interrupted and run again."""
    rules = policy.load(policy_file, listed)
    sealed = read_recipients(recipient or [])
    recipients(sealed)
    reach = _reach(instance, inventory, ca_file, vault_password_file, server, token_file, address)
    checked = _checked(listed, rules, reach, as_json=as_json)
    folder = journal.state_folder(reach.domain, state)
    with journal.only_run(folder, wait=wait):
        exceptions.record(folder, checked.accounts)
        if reach.host is None:
            if delete or first_access == "mail":
                raise UsageError("--delete and --first-access mail need bin/batch", "they work with --instance only")
            reach.client.patience.seconds = patience * 3600
            other = _over_api(reach, rules, folder, sealed, reason)
            _report(other.run(other.plan(checked.accounts, other.states())), other.writes, as_json=as_json)
            return
        run = _applying(reach, rules, folder, sealed, first_access)
        _apply(run, checked.accounts, reach, delete=delete, confirm=confirm, as_json=as_json)


@app.command()
def offboard(
    usernames: Annotated[list[str], typer.Argument(metavar="USERNAME...", help="Accounts that end.")],
    *,
    instance: InstanceName,
    inventory: Source = None,
    delete: Delete = False,
    confirm: Confirm = "",
    wait: Wait = False,
    ca_file: CaFile = None,
    vault_password_file: PasswordFiles = None,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Export accounts and disable them; with --delete also delete them, after asking."""
    reach = _target(instance, inventory, ca_file, vault_password_file)
    folder = journal.state_folder(reach.domain, state)
    with journal.only_run(folder, wait=wait):
        run = _applying(reach, Policy.model_validate({}), folder, [], "credentials")
        states = by_name(run.batch.run("states", [{"username": name} for name in usernames]))
        if missing := [name for name in usernames if name.lower() not in states]:
            raise UsageError(f"there is no account {', '.join(missing)} on {reach.domain}", "status lists the accounts")
        accounts = [
            Account(0, name.lower(), states[name.lower()].get("email") or "", "", state="absent")
            for name in dict.fromkeys(usernames)
        ]
        _apply(run, accounts, reach, delete=delete, confirm=confirm, as_json=as_json)


@app.command("status")
def show_status(
    listed: Annotated[Path | None, typer.Argument(metavar="[LIST]", help="Names each account's department.")] = None,
    *,
    instance: InstanceName,
    inventory: Source = None,
    policy_file: PolicyFile = None,
    to_csv: Annotated[Path | None, typer.Option("--csv", help="Write a file for a spreadsheet program.")] = None,
    ca_file: CaFile = None,
    vault_password_file: PasswordFiles = None,
    as_json: Json = False,
) -> None:
    """List accounts: last post, second factor, confirmation, role, verified links, department."""
    accounts: list[Account] = []
    if listed is not None:
        accounts = _checked(listed, policy.load(policy_file, listed), None, as_json=as_json).accounts
    reach = _target(instance, inventory, ca_file, vault_password_file)
    rows = status.rows(by_name(reach.batch.run("states", [{"username": "*"}])), accounts)
    cells = [[row[name] for name in status.COLUMNS] for row in rows]
    if to_csv is not None:
        replace_file(to_csv, csv_out.text(status.COLUMNS, cells), 0o600)
        note(f"written: {to_csv}")
    if as_json:
        show_json({"instance": instance, "accounts": rows})
    elif to_csv is None:
        show_table(status.COLUMNS, [["-" if cell is None else cell for cell in line] for line in cells])


def _target(instance: str, inventory: Path | None, ca_file: Path | None, passwords: list[str] | None) -> Target:
    if inventory is None:
        raise UsageError("which inventory?", "give -i INVENTORY, or set ANSIBLE_INVENTORY")
    return target.of_inventory(inventory, instance, ca_file, passwords)


def _reach(
    instance: str,
    inventory: Path | None,
    ca_file: Path | None,
    passwords: list[str] | None,
    server: str,
    token_file: Path | None,
    address: str,
) -> Target:
    """Return an instance of the inventory, or another's server with a moderator's token."""
    if bool(instance) == bool(server):
        raise UsageError("which server?", "give --instance NAME, or --server ADDRESS of one that is not Meentwerk's")
    if instance:
        return _target(instance, inventory, ca_file, passwords)
    return target.of_server(server, ca_file, address or None, read_token(token_file))


def _over_api(reach: Target, rules: Policy, folder: Path, sealed: list[str], reason: str = "") -> OverApi:
    store = Store(folder / "credentials", reach.client.server.url, recipients(sealed))
    return OverApi(
        reach.client, rules, journal.Journal.open(folder), store, Pending(folder), folder / "exports", reason
    )


def _checked(listed: Path, rules: Policy, reach: Target | None, *, as_json: bool, always: bool = False) -> Checked:
    """Check the list; end with exit 2 when something is wrong. Only a list without other problems asks for limits."""
    checked = checks.check(listed, rules, Limits())
    if reach is not None and not checks.check(listed, rules, _NONE).problems:
        checked = checks.check(listed, rules, reach.limits())
    if checked.problems or always:
        report.findings(checked, as_json=as_json)
    else:
        for finding in checked.findings:
            note(finding.text(listed))
    if checked.problems:
        raise typer.Exit(Exit.USAGE)
    return checked


_MUCH = 10**9
_NONE = Limits(_MUCH, _MUCH, _MUCH, _MUCH, _MUCH, _MUCH, _MUCH, _MUCH, _MUCH, _MUCH, _MUCH)


def _applying(
    reach: Target, rules: Policy, folder: Path, sealed: list[str], first: Literal["credentials", "mail"]
) -> Applying:
    store = Store(folder / "credentials", reach.client.server.url, recipients(sealed))
    return Applying(
        batch=reach.batch,
        client=reach.client,
        policy=rules,
        journal=journal.Journal.open(folder),
        store=store,
        exports=folder / "exports",
        first_access=first,
    )


def _apply(run: Applying, accounts: list[Account], reach: Target, *, delete: bool, confirm: str, as_json: bool) -> None:
    steps = planning.plan(accounts, run.states(), run.journal.pictures, run.policy, delete=delete)
    gone = [step for step in steps if step.action is Action.DELETE]
    if gone:
        _ask(gone, reach.domain, confirm)
        host = reach.host
        run.delete = (lambda name: tootctl(host, "accounts", "delete", name)) if host else None
    _report(run.run(steps), run.writes, as_json=as_json)


def _report(outcomes: list[Outcome], writes: int, *, as_json: bool) -> None:
    """Show what became of the accounts, and end with the code that says it."""
    report.outcomes(outcomes, writes, as_json=as_json)
    if any(outcome.outcome == WAITING for outcome in outcomes) and not any(o.outcome == "failed" for o in outcomes):
        raise typer.Exit(Exit.FINDINGS)
    bad = [outcome for outcome in outcomes if outcome.outcome in {"failed", "conflict"}]
    if bad:
        raise typer.Exit(
            Exit.PARTIAL if _did_anything(outcomes) else Exit.FINDINGS if _only_conflicts(bad) else Exit.UNEXPECTED
        )


def _did_anything(outcomes: list[Outcome]) -> bool:
    return any(outcome.outcome not in {"failed", "conflict"} for outcome in outcomes)


def _only_conflicts(outcomes: list[Outcome]) -> bool:
    return all(outcome.outcome == "conflict" for outcome in outcomes)


def _ask(gone: list[Step], domain: str, confirm: str) -> None:
    names = ", ".join(step.account.username for step in gone[:10]) + (" and more" if len(gone) > 10 else "")  # noqa: PLR2004
    note(f"{len(gone)} accounts and everything they posted would be deleted for good: {names}")
    answer = confirm or typer.prompt(f"Type {domain} to delete them", default="", show_default=False, err=True)
    if answer.strip() != domain:
        raise MeentwerkError(f"nothing was deleted: that was not {domain}", "run it again to delete", Exit.REFUSED)
