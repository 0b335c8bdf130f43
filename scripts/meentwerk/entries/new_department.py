"""`meentwerk inventory new-department`: ask the few questions, write a right entry, never overwrite."""

import ipaddress
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml

from meentwerk.console import note, say
from meentwerk.entries import names, rules, values
from meentwerk.entries.between import environment
from meentwerk.entries.fleet import DEPARTMENTS, GROUP, Fleet
from meentwerk.entries.problem import Wrong
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.files import create_file
from meentwerk.inventory import ROOT

SIZES = {"small": "4 GB of memory", "medium": "8 GB", "large": "16 GB"}
SCHEMA = ROOT / "docs/department.schema.json"

Ask = Callable[[str, str], str]


def new_department(  # one option per question
    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory",
            "-i",
            help="Folder of the inventory. Default: the one that is neither demo nor example, else demo.",
            show_default=False,
        ),
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Domain of every handle, such as tides.example.org.")] = None,
    web_domain: Annotated[str | None, typer.Option(help="Domain of the web site, if it is another one.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Official name of the organisation.")] = None,
    register_id: Annotated[str | None, typer.Option(help="Its identifier in a register, an https address.")] = None,
    email: Annotated[str | None, typer.Option(help="Mailbox of the team to ask.")] = None,
    contact: Annotated[str | None, typer.Option(help="Name of that team.")] = None,
    address: Annotated[str | None, typer.Option(help="Address of the server; the operator knows it.")] = None,
    size: Annotated[str | None, typer.Option(help=f"Size of the server: {', '.join(SIZES)}.")] = None,
    name: Annotated[str | None, typer.Option(help="Short name of the instance and of its file.")] = None,
) -> None:
    """Write the entry of a new department. What no option says is asked; nothing is ever overwritten."""
    folder = (inventory or _usual_inventory()).absolute()
    if not folder.is_dir():
        raise UsageError(
            f"there is no inventory {folder}", "make the folder first, or give another one with --inventory"
        )
    fleet, problems = rules.check([folder])
    demo = _environment(fleet) == "demo"
    ask = _ask if interactive() else _cannot_ask
    answers: dict[str, str] = {}

    def question(key: str, given: str | None, text: str, default: str, check: Callable[[Any], Any]) -> str:
        answers[key] = _answer(ask, f"--{key.replace('_', '-')}", given, text, default, check)
        return answers[key]

    question("domain", domain, "Domain, in every handle and for good", "", names.domain)
    question("name", name, "Short name of the instance", _short(answers["domain"]), _short_name)
    target = folder / DEPARTMENTS / f"{answers['name']}.yml"
    if target.exists() or target.is_symlink():
        raise MeentwerkError(
            f"{target} exists already", "choose another --name, or change that file by hand", Exit.REFUSED
        )
    question("organisation", organisation, "Official name of the organisation", "", values.plain_text)
    question(
        "register_id",
        register_id,
        "Its identifier in a register (https)",
        _suggest_register(answers, demo=demo),
        values.register_id,
    )
    question("email", email, "Mailbox of the team to ask", f"webcare@{answers['domain']}", values.email)
    question("contact", contact, "Name of that team", "Webcare team", values.plain_text)
    question("address", address, "Address of the server", _free_address(fleet) if demo else "", names.host_address)
    question(
        "size",
        size,
        f"Size ({', '.join(f'{word}: {meaning}' for word, meaning in SIZES.items())})",
        "small",
        _known_size,
    )
    if web_domain is not None:
        question("web_domain", web_domain, "", "", names.domain)
    text = render(answers, target, demo=demo)
    _, after = rules.check([folder], {target: text.encode()})
    if new := [problem for problem in after if problem not in problems]:
        for problem in new:
            note(problem.text(Path.cwd()))
        raise UsageError("the entry would not be right; nothing was written", "change what the lines above say")
    target.parent.mkdir(exist_ok=True)
    create_file(target, text)
    shown = target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target
    say(f"{shown} is written and right.")
    note(f"\nNext: look at it, then\n  scripts/validate-inventory {shown}")
    note("  scripts/demo" if demo else "  propose it as a pull request (docs/departments.md)")


def interactive() -> bool:
    """Say whether someone is there to be asked."""
    return sys.stdin.isatty()


def _usual_inventory() -> Path:
    """Return the inventory that is meant without being named: the only one of the operator's own, else the demo."""
    own = [path for path in (ROOT / "inventories").iterdir() if path.is_dir() and path.name not in {"demo", "example"}]
    if len(own) > 1:
        raise UsageError(
            f"there are several inventories: {', '.join(path.name for path in own)}", "name one with --inventory"
        )
    return own[0] if own else ROOT / "inventories/demo"


def _environment(fleet: Fleet) -> str:
    return next((environment(host) for host in fleet.instances()), "")


def _answer(ask: Ask, option: str, given: str | None, text: str, default: str, check: Callable[[Any], Any]) -> str:
    """Return a right answer: the given one or fail, else ask until it is right."""
    if given is not None:
        try:
            return str(check(given))
        except Wrong as error:
            raise UsageError(f"{option}: {error.wrong}", error.cure) from None
    if default and not interactive():
        return default
    while True:
        answer = ask(text or option, default) if text else ""
        try:
            return str(check(answer.strip()))
        except Wrong as error:
            note(f"  {error.wrong} {error.cure}")


def _ask(text: str, default: str) -> str:
    return str(typer.prompt(text, default=default or None, err=True))


def _cannot_ask(text: str, _default: str) -> NoReturn:
    raise UsageError(f"not answered: {text}", "run it on a terminal, or give every answer as an option (see --help)")


def _short(domain: str) -> str:
    first = domain.partition(".")[0]
    return first if re.fullmatch(names.HOST_NAME_PATTERN, first) else "department"


def _short_name(value: str) -> str:
    if not re.fullmatch(names.HOST_NAME_PATTERN, value):
        raise Wrong(
            f"«{value}» is no short name.", "It takes lower-case letters, digits and hyphens, and begins with a letter."
        )
    return value


def _known_size(value: str) -> str:
    if value not in SIZES:
        near = values.near_choice(value, tuple(SIZES))
        raise Wrong(f"«{value}» is no size.", f"Did you mean {near}?" if near else f"Write {', '.join(SIZES)}.")
    return value


def _suggest_register(answers: dict[str, str], *, demo: bool) -> str:
    return f"https://register.example.org/organisations/{answers['name']}" if demo else ""


def _free_address(fleet: Fleet) -> str:
    """Return the address after the last one of the demo's embedded hosts."""
    used = [values_ for host in fleet.instances() if (values_ := host.effective.get("ansible_host"))]
    numbers = [ipaddress.IPv4Address(value.data) for value in used if re.fullmatch(r"[0-9.]+", str(value.data))]
    return str(max(numbers) + 1) if numbers else ""


def render(answers: dict[str, str], target: Path, *, demo: bool) -> str:
    """Return the text of an entry: what was answered, and as comments what else may be said."""
    lines = [
        "---",
        *_schema_line(target),
        f"# The request of {' '.join(answers['organisation'].split())}. Every key: docs/entry.md",
        f"{GROUP}:",
        "  hosts:",
        f"    {answers['name']}:",
        f"      ansible_host: {_yaml(answers['address'])}",
    ]
    if demo:
        host = answers["address"].rpartition(".")[2]
        names = ", ".join(dict.fromkeys((answers["domain"], answers.get("web_domain", answers["domain"]))))
        lines += [f"      embedded_host_ip6: fd87:6d65:656e::{host}", f"      embedded_host_aliases: [{names}]"]
    lines += ["", "      # In every handle, for good", f"      instance_domain: {answers['domain']}"]
    if "web_domain" in answers:
        lines.append(f"      instance_web_domain: {answers['web_domain']}")
    lines += [
        "      instance_organisation:",
        f"        name: {_yaml(answers['organisation'])}",
        f"        register_id: {_yaml(answers['register_id'])}",
        "      # A team and its mailbox, not a person",
        "      instance_contact:",
        f"        name: {_yaml(answers['contact'])}",
        f"        email: {_yaml(answers['email'])}",
        f"      instance_size: {answers['size']}",
        "",
        "      # What else can be said; remove the # to say it",
        f"      # instance_web_domain: social.{answers['domain']}",
        "      # instance_title: Our name on the pages",
        "      # instance_languages: [nl, en]",
        "      # instance_rules:",
        "      #   - text: Be kind to people who disagree.",
    ]
    return "\n".join(lines) + "\n"


def _schema_line(target: Path) -> list[str]:
    """Return the comment by which editors find the schema; only inside this clone does a path hold for everyone."""
    if not target.is_relative_to(ROOT):
        return []
    up = "../" * len(target.parent.relative_to(ROOT).parts)
    return [f"# yaml-language-server: $schema={up}{SCHEMA.relative_to(ROOT)}"]


def _yaml(text: str) -> str:
    """Return a text as YAML writes it on one line: in quotes where it needs them."""
    dumped: str = yaml.safe_dump(text, allow_unicode=True, width=10**6, default_style=None)
    return dumped.removesuffix("...\n").strip()
