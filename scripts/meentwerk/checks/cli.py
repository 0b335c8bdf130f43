"""``meentwerk check``: compare what a host or a name is measured to be with what is promised. Changes nothing."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from meentwerk.checks import report
from meentwerk.checks.probe import dns
from meentwerk.checks.run import Report, run
from meentwerk.console import Json, busy, note, say, show_json
from meentwerk.errors import UsageError
from meentwerk.exits import Exit

app = typer.Typer(
    name="check", help="Compare what is measured with what is promised.", no_args_is_help=True, add_completion=False
)

Strict = Annotated[bool, typer.Option("--strict", help="What could not be measured counts as drift.")]
Folder = Annotated[Path | None, typer.Option("--report", help="Folder for NAME.json and NAME.html.")]


def _request(text: str) -> dict[str, Any]:
    try:
        request = json.loads(text)
    except ValueError as error:
        raise UsageError(f"standard input is no JSON: {error}", "playbooks/check.yml calls this; run that.") from None
    missing = {"host", "areas", "target", "ssh", "measured", "promise"} - set(request)
    if missing:
        raise UsageError(
            f"the request has no {', '.join(sorted(missing))}", "playbooks/check.yml calls this; run that."
        )
    return dict(request)


def _show(found: Report, folder: Path | None, strict: bool, as_json: bool) -> None:
    places = report.write(found, folder) if folder else []
    if as_json:
        drift = found.drifted(strict)
        show_json({**found.as_dict(), "drift": drift, "lines": report.lines(found), "files": list(map(str, places))})
    else:
        say("\n".join(report.lines(found)))
        for place in places:
            note(f"written: {place}")
    if found.drifted(strict):
        raise typer.Exit(Exit.FINDINGS)


@app.command()
def host(folder: Folder = None, strict: Strict = False, as_json: Json = False) -> None:
    """Judge a host by the request on standard input; what playbooks/check.yml calls."""
    _show(run(_request(sys.stdin.read())), folder, strict, as_json)


@app.command()
def public(
    domain: Annotated[str, typer.Argument(help="Name of the web site.", show_default=False)],
    address: Annotated[
        list[str] | None, typer.Option(help="Ask there instead of where DNS leads; may be repeated.")
    ] = None,
    resolver: Annotated[
        str, typer.Option(help="DNS server to ask: ADDRESS or ADDRESS:PORT.", show_default="this machine's")
    ] = "",
    mail_domain: Annotated[str, typer.Option(help="Domain of mail addresses.", show_default="the domain")] = "",
    ca_file: Annotated[str, typer.Option(help="CA to trust instead of this machine's.", show_default=False)] = "",
    folder: Folder = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Look at a web site from outside: TLS, headers and DNS, with the records to add. Needs no inventory."""
    asked = address or (dns.addresses(domain, resolver) if resolver else [])
    request: dict[str, Any] = {
        "host": domain, "areas": ["tls", "headers", "dns"], "measured": {}, "own_addresses": [], "scan": False,
        "target": {"names": [domain], "addresses": asked, "ca_file": ca_file}, "resolver": resolver,
        "ssh": {"address": domain, "port": 22}, "controls": {"playbook": "", "sources": [], "arguments": []},
        "promise": {
            "tls": {"days_left": 14}, "headers": {"hsts_seconds": 31_536_000},
            "dns": {"addresses": address or [], "mail_domain": mail_domain or domain, "dkim_selectors": []},
        },
    }  # fmt: skip
    with busy(f"looking at {domain}"):
        found = run(request)
    _show(found, folder, strict, as_json)
