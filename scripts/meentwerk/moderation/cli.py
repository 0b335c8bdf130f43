"""`meentwerk moderation`: lint, plan, apply, diff, import, export, publish."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from meentwerk.console import Json, note, say, show_json
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.files import replace_file
from meentwerk.moderation import connect as connecting
from meentwerk.moderation import show, work
from meentwerk.moderation.connect import Connected, Target
from meentwerk.moderation.plan import Plan, load
from meentwerk.moderation.policy import Policy
from meentwerk.moderation.sections import GUARDS

SERVER = "The server"
POLICY = "The policy"

PolicyFiles = Annotated[
    list[Path] | None,
    typer.Option("--policy", "-p", metavar="FILE", help="A layer; several, the most general first."),
]
Server = Annotated[str | None, typer.Option("--server", metavar="URL", help="The server's address.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="Holds the token; else MEENTWERK_TOKEN does.")
]
CaFile = Annotated[Path | None, typer.Option("--ca-file", metavar="FILE", help="The authority of its certificate.")]
Address = Annotated[str | None, typer.Option("--address", metavar="IP", help="Where to connect if DNS knows no name.")]
Instance = Annotated[str | None, typer.Option("--instance", metavar="NAME", help="An instance of the inventory.")]
Inventory = Annotated[Path | None, typer.Option("--inventory", "-i", metavar="FOLDER", help="The inventory it is in.")]
Way = Annotated[
    str, typer.Option("--way", metavar="auto|api|batch", help="How lists are changed; auto: what is faster.")
]
Account = Annotated[
    str | None,
    typer.Option("--account", metavar="NAME", help="With bin/batch: whom the server's own audit log names."),
]
Audit = Annotated[
    Path | None, typer.Option("--audit", metavar="FILE", help="The audit log; by default beside the first layer.")
]
Patience = Annotated[
    int, typer.Option("--patience", metavar="SECONDS", help="How long to wait for rate limits in all.")
]
Override = Annotated[
    list[str] | None, typer.Option("--override", metavar="GUARD", help="Let this guard's refusals through, this time.")
]
Adopt = Annotated[
    bool, typer.Option("--adopt", help="Take over entries made by hand that the policy names (additive sections).")
]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Moderation policy as code: what servers are limited, who may sign up, the rules; planned, applied, audited.",
    epilog="""\b
Examples:
  scripts/apply-moderation lint --policy organisation.yml --policy tides.yml
  scripts/apply-moderation plan -p organisation.yml -p tides.yml --server https://social.tides.example.org
  scripts/apply-moderation plan --instance tides -i inventories/production --out tides.plan
  scripts/apply-moderation apply tides.plan --instance tides -i inventories/production
  scripts/apply-moderation diff --instance tides -i inventories/production      drift? exit code 3
  scripts/apply-moderation import --server https://social.tides.example.org --out found.yml
\b
The token stands in MEENTWERK_TOKEN or in the file of --token-file. docs/moderation.md says everything else.
Exit codes: 0 nothing to do or done, 2 wrong input, 3 changes or findings, 4 partly failed, 5 not allowed,
6 refused by a guard or stale, 7 gave up waiting.""",
)


def policy_of(connected: Connected) -> Policy:
    """Read the policy, or print what is wrong with it and end."""
    reading = work.read_policy(connected.policy)
    if reading.problems:
        show.problems(reading.problems)
        note("\nnothing was sent. What a policy may say: docs/moderation.md")
        raise typer.Exit(Exit.USAGE)
    if reading.list_problems:
        note(f"note: {len(reading.list_problems)} rows of lists cannot be taken over; lint names each")
    return reading.policy


@app.command()
def lint(
    policy: PolicyFiles = None,
    instance: Instance = None,
    inventory: Inventory = None,
    as_json: Json = False,
) -> None:
    """Check layers and lists, without a server: exit 2 for what is wrong, 3 for what a person should look at."""
    connected = connecting.connect(Target(policy or (), instance=instance, inventory=inventory), needs_server=False)
    reading = work.read_policy(connected.policy)
    refusals = [] if reading.problems else work.standing_refusals(reading.policy)
    found = [it for it in refusals if not it.overridden]
    if as_json:
        base = Path.cwd()
        show_json(
            {
                "problems": [problem.record(base) for problem in reading.problems],
                "lists": [problem.record(base) for problem in reading.list_problems],
                "guards": [{"guard": it.guard, "what": it.what, "text": it.text, "cure": it.cure} for it in found],
                "remarks": [vars_of(remark) for remark in reading.policy.remarks],
            }
        )
    else:
        show.problems(reading.problems)
        show.problems(reading.list_problems, "Rows that cannot be taken over:")
        for it in found:
            say(f"refused by the guard {it.guard}: {it.text}\n    {it.cure}")
        show.remarks(reading.policy.remarks)
    if reading.problems:
        raise typer.Exit(Exit.USAGE)
    if reading.list_problems or found or reading.policy.remarks:
        raise typer.Exit(Exit.FINDINGS)
    if not as_json:
        say(f"{len(connected.policy)} layers: all right")


def vars_of(remark: object) -> dict[str, object]:
    """Return the fields of a record with slots."""
    from dataclasses import asdict  # noqa: PLC0415

    return asdict(remark)  # type: ignore[call-overload,no-any-return]  # a dataclass


def guards_named(override: Sequence[str] | None) -> tuple[str, ...]:
    """Return the guards to override; UsageError for a name that is none."""
    for name in override or ():
        if name not in GUARDS:
            raise UsageError(f"there is no guard {name!r}", f"there are {', '.join(GUARDS)}")
    return tuple(override or ())


def _planned(connected: Connected, override: Sequence[str] | None, *, adopt: bool) -> Plan:
    assert connected.ways is not None  # noqa: S101  # connect() was asked for a server
    policy = policy_of(connected)
    return work.make_plan(connected.ways, policy, connected.audit, override=guards_named(override), adopt=adopt)


@app.command()
def plan(
    policy: PolicyFiles = None,
    server: Server = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    address: Address = None,
    instance: Instance = None,
    inventory: Inventory = None,
    way: Way = "auto",
    audit: Audit = None,
    patience: Patience = 1800,
    override: Override = None,
    adopt: Adopt = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Keep the plan, for apply.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show every change.")] = False,
    as_json: Json = False,
) -> None:
    """Show what would change and why; change nothing. Exit 0: nothing, 3: changes, 6: a guard refuses them."""
    target = Target(policy or (), server, token_file, ca_file, address, instance, inventory, way, None, audit, patience)
    made = _planned(connecting.connect(target), override, adopt=adopt)
    if out:
        replace_file(out, made.text(), 0o600)
    if as_json:
        show.plan_json(made)
    else:
        show.plan(made, every=every)
        if out and made.changes:
            say(f"kept in {out}: apply it with scripts/apply-moderation apply {out} ...")
    if made.refused():
        raise typer.Exit(Exit.REFUSED)
    if made.changes:
        raise typer.Exit(Exit.FINDINGS)


@app.command()
def apply(
    plan_file: Annotated[
        Path | None, typer.Argument(metavar="[PLAN]", help="A plan that was kept; without one, a new one is made.")
    ] = None,
    policy: PolicyFiles = None,
    server: Server = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    address: Address = None,
    instance: Instance = None,
    inventory: Inventory = None,
    way: Way = "auto",
    account: Account = None,
    audit: Audit = None,
    patience: Patience = 1800,
    override: Override = None,
    adopt: Adopt = False,
    as_json: Json = False,
) -> None:
    """Make the changes, write each to the audit log, and read them back. A second apply changes nothing."""
    target = Target(
        policy or (), server, token_file, ca_file, address, instance, inventory, way, account, audit, patience
    )
    connected = connecting.connect(target, needs_policy=plan_file is None)
    assert connected.ways is not None  # noqa: S101  # connect() was asked for a server
    if plan_file:
        made = load(_text(plan_file), str(plan_file))
        if override or adopt:
            raise UsageError("a kept plan is applied as it is", "give --override and --adopt to plan")
        state = work.stale(made, connected.ways, connected.audit)
    else:
        made, state = work.plan_and_state(
            connected.ways, policy_of(connected), connected.audit, override=guards_named(override), adopt=adopt
        )
        if not as_json:
            show.plan(made)
    if not made.changes:
        if as_json:
            show_json({"server": made.server, "changes": 0, "failed": []})
        return
    result = work.carry_out(made, state, connected.ways, connected.audit, _progress)
    if as_json:
        failed = [{"section": change.section, "key": change.key, "why": why} for change, why in result.failed]
        show_json({"server": made.server, "changes": result.made, "failed": failed, "way": result.way})
    else:
        show.done(result)
        say(f"audit log: {connected.audit.file}")
    if result.failed:
        raise typer.Exit(Exit.PARTIAL if result.made else Exit.UNEXPECTED)


def _progress(done: int, of: int) -> None:
    if done % 100 == 0 or done == of:
        note(f"{done} of {of}")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no plan {file}", "make one: scripts/apply-moderation plan --out FILE") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no plan", "make one: scripts/apply-moderation plan --out FILE") from None


@app.command()
def diff(
    policy: PolicyFiles = None,
    server: Server = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    address: Address = None,
    instance: Instance = None,
    inventory: Inventory = None,
    way: Way = "auto",
    audit: Audit = None,
    patience: Patience = 1800,
    as_json: Json = False,
) -> None:
    """Show where the server is not as the policy says, field by field. Exit 0: nowhere, 3: drift."""
    target = Target(policy or (), server, token_file, ca_file, address, instance, inventory, way, None, audit, patience)
    connected = connecting.connect(target)
    assert connected.ways is not None  # noqa: S101  # connect() was asked for a server
    found = work.drift(connected.ways, policy_of(connected), connected.audit)
    if as_json:
        remarks = [vars_of(remark) for remark in found.remarks]
        show_json({"server": found.server, "drift": list(show.differences(found)), "remarks": remarks})
    else:
        show.remarks(found.remarks)
        if found.changes:
            show.unified(found)
        else:
            say(f"{found.server}: as the policy says")
    if found.changes:
        raise typer.Exit(Exit.FINDINGS)


@app.command("import")
def import_(
    server: Server = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    address: Address = None,
    instance: Instance = None,
    inventory: Inventory = None,
    way: Way = "auto",
    file: Annotated[Path | None, typer.Option("--list", metavar="FILE", help="A list instead of a server.")] = None,
    layer: Annotated[str, typer.Option("--layer", metavar="NAME", help="The name of the new layer.")] = "found",
    owner: Annotated[str, typer.Option("--owner", metavar="TEAM", help="Who answers for it.")] = "Moderators",
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="Let the sections belong to the policy whole.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The new file; else it is printed.")] = None,
) -> None:
    """Write a layer from what a server has, or from a list: the way to put an existing server under a policy."""
    from meentwerk.moderation import exchange  # noqa: PLC0415  # only these commands need it

    if file:
        text = exchange.layer_of_list(file, layer, owner)
    else:
        target = Target((), server, token_file, ca_file, address, instance, inventory, way)
        connected = connecting.connect(target, needs_policy=False)
        assert connected.ways is not None  # noqa: S101  # connect() was asked for a server
        text = exchange.layer_of_server(connected.ways, layer, owner, exclusive=exclusive)
    _give(text, out)


@app.command()
def export(
    policy: PolicyFiles = None,
    instance: Instance = None,
    inventory: Inventory = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The new file; else it is printed.")] = None,
) -> None:
    """Write the policy's domain blocks as Mastodon's CSV, for another server or another tool."""
    from meentwerk.moderation import exchange  # noqa: PLC0415  # only these commands need it

    target = Target(policy or (), instance=instance, inventory=inventory)
    text = exchange.csv_of(policy_of(connecting.connect(target, needs_server=False)))
    _give(text, out)


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the pages and the JSON go.")],
    policy: PolicyFiles = None,
    server: Server = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    address: Address = None,
    instance: Instance = None,
    inventory: Inventory = None,
    organisation: Annotated[str, typer.Option("--organisation", metavar="NAME", help="Who publishes it.")] = "",
) -> None:
    """Write what is limited and why, in Dutch and English, as pages and JSON. With a server: only what is in force."""
    from meentwerk.moderation import publishing  # noqa: PLC0415  # only this command needs templates

    asks = bool(server or instance)
    target = Target(policy or (), server, token_file, ca_file, address, instance, inventory)
    connected = connecting.connect(target, needs_server=asks)
    wanted = policy_of(connected)
    state = work.look(connected.ways, wanted, connected.audit) if asks and connected.ways else None
    name = organisation or (connected.ways.server if connected.ways else "")
    for written in publishing.write(folder, wanted, state, name):
        say(f"{written} written")


def _give(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    if out.exists():
        raise MeentwerkError(f"{out} is there already", "give another name, or remove it first", Exit.REFUSED)
    replace_file(out, text, 0o644)
    say(f"{out} written")
