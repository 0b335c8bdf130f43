"""The command line of embedded hosts."""

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from meentwerk.console import Json, note, say, show_json, show_table
from meentwerk.embedded import hosts, image, network
from meentwerk.embedded.state import state_directory
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit

app = typer.Typer(
    no_args_is_help=True,
    help="""Embedded hosts: real Debian 13 machines on this one.

They are booted by systemd-nspawn from a cached image made of the signed Debian archive, each with its own systemd,
network, addresses and ssh. The demo, Molecule and the release builder use them over ssh as one would use a VM.
Needs root (it asks sudo when you are not).""",
    epilog="""\b
Examples:
  scripts/embedded-host up web-1                              a host with a free address
  scripts/embedded-host up -i molecule/valkey/hosts.yml       every host of an inventory
  scripts/embedded-host shell web-1                           a root shell in it
  scripts/embedded-host down web-1
  scripts/embedded-host prune                                 clear what interrupted runs left""",
)

Names = Annotated[list[str] | None, typer.Argument(help="Names of hosts.", show_default=False)]
Inventory = Annotated[
    Path | None,
    typer.Option("--inventory", "-i", help="An Ansible inventory whose hosts are meant.", show_default=False),
]


@app.callback()
def _as_root() -> None:
    """Become root through sudo when that is possible without surprise."""
    if os.geteuid() == 0 or {"--help", "-h"} & set(sys.argv):
        return
    may_ask = sys.stdin.isatty()
    if may_ask or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        os.execvp(  # noqa: S606  this very command, as root
            "sudo",
            ["sudo", f"MEENTWERK_STATE={state_directory()}", f"PATH={os.environ['PATH']}", sys.argv[0], *sys.argv[1:]],
        )
    raise MeentwerkError(
        "embedded hosts need root: they are booted with mounts, namespaces and a bridge",
        cure="run the same command with sudo, or as root",
        exit=Exit.NOT_ALLOWED,
    )


@app.command()
def up(
    names: Names = None,
    inventory: Inventory = None,
    group: Annotated[str, typer.Option(help="Hosts of one group know each other by name.")] = "default",
    ip4: Annotated[str, typer.Option(help="IPv4 address, when one host is named.", show_default="a free one")] = "",
    ip6: Annotated[str, typer.Option(help="IPv6 address, when one host is named.", show_default="a free one")] = "",
    alias: Annotated[
        list[str] | None, typer.Option(help="Another name of it; can be repeated.", show_default=False)
    ] = None,
    image_name: Annotated[str, typer.Option("--image", help="Image to start from.")] = "base",
    max_age: Annotated[
        float,
        typer.Option(
            envvar="MEENTWERK_IMAGE_MAX_AGE_DAYS", help="Renew the base image when it is older than this many days."
        ),
    ] = image.MAX_AGE_DAYS,
    replace: Annotated[bool, typer.Option(help="Remove hosts of the same name first.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave running hosts of the same name and group as they are.")
    ] = False,
    json: Json = False,
) -> None:
    """Boot hosts; returns when each answers on ssh. All of them come up, or none is left."""
    if bool(names) == bool(inventory):
        raise UsageError("name either hosts or an inventory", cure="scripts/embedded-host up --help shows examples")
    if inventory:
        wanted = hosts.from_inventory(inventory)
    else:
        if len(names or []) > 1 and (ip4 or ip6 or alias):
            raise UsageError(
                "--ip4, --ip6 and --alias belong to one host", cure="start the hosts one by one, or use --inventory"
            )
        wanted = [hosts.Wanted(name, ip4, ip6, alias or [], image_name) for name in names or []]
    started = hosts.up(wanted, group, keep=keep, replace=replace, max_age_days=max_age)
    hosts.key_for_user()
    if json:
        show_json({"hosts": [asdict(host) for host in started]})


@app.command()
def down(
    names: Names = None,
    inventory: Inventory = None,
    group: Annotated[str, typer.Option(help="Every host of this group.", show_default=False)] = "",
    json: Json = False,
) -> None:
    """Remove hosts with all they hold. Names that are not there are no error."""
    if not (names or inventory or group):
        raise UsageError(
            "which hosts?", cure="name them, or give --inventory or --group; `prune --all` removes everything"
        )
    removed = hosts.down_group(group) if group else []
    chosen = [*(names or []), *([each.name for each in hosts.from_inventory(inventory)] if inventory else [])]
    removed += hosts.down(chosen)
    if json:
        show_json({"removed": removed})
    else:
        note(f"removed: {', '.join(removed) or 'nothing, none of them was there'}")


@app.command(name="list")
def list_hosts(json: Json = False) -> None:
    """Show hosts, their addresses and whether they run."""
    rows = hosts.statuses()
    if json:
        show_json({"hosts": [asdict(row) for row in rows]})
    else:
        show_table(
            ("name", "state", "IPv4", "IPv6", "group", "image", "minutes"),
            (tuple(asdict(row).values()) for row in rows),
        )


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def shell(
    name: Annotated[str, typer.Argument(help="Name of the host.")],
    command: Annotated[
        list[str] | None, typer.Argument(help="Command to run; a shell without one.", show_default=False)
    ] = None,
) -> None:
    """Enter a host as root, also when its network or ssh is broken."""
    raise typer.Exit(hosts.shell(name, command or []))


@app.command(name="image")
def image_command(
    name: Annotated[str, typer.Argument(help="Name of the image.")] = "base",
    run: Annotated[
        Path | None, typer.Option(help="Make a layer: this sh script runs inside the parent.", show_default=False)
    ] = None,
    parent: Annotated[str, typer.Option(help="Image under the layer.")] = "base",
    if_old: Annotated[
        bool, typer.Option("--if-old", help="Only when there is none, it is too old, or its script or parent changed.")
    ] = False,
    list_all: Annotated[bool, typer.Option("--list", help="Only show the images there are.")] = False,
    json: Json = False,
) -> None:
    """Build the base image anew, or a layer over another image."""
    if not list_all:
        if run:
            if not run.is_file():
                raise UsageError(f"there is no script {run}", cure="--run names an sh script to run in the parent")
            image.ensure_layer(name, parent, run.read_text(), network.resolver(), rebuild=not if_old)
        elif name == "base":
            image.ensure("base", rebuild=not if_old)
        else:
            raise UsageError(
                f"what makes the image {name}?", cure="--run SCRIPT names the script that runs inside its parent"
            )
    rows = image.all_images()
    if json:
        show_json({"images": [asdict(row) for row in rows]})
    else:
        show_table(
            ("image", "folder", "parent", "days"),
            ((r.name, r.folder, r.parent or "", f"{r.age_days:.1f}") for r in rows),
        )


@app.command()
def prune(
    everything: Annotated[bool, typer.Option("--all", help="Remove every host, image and the ssh key.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Clear what interrupted runs left, and images that no one needs."""
    if everything and not yes:
        typer.confirm("Remove every embedded host of this user, with all it holds, and all images?", abort=True)
    removed = hosts.prune(everything=everything)
    if json:
        show_json({"removed": removed})
    else:
        say(f"removed: {', '.join(removed)}" if removed else "nothing to remove")
