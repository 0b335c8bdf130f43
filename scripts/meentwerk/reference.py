"""`meentwerk docs`: what is generated: the pages on variables and rules, and all that the model of the entry yields."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from meentwerk import controls
from meentwerk.accounts import derived as accounts
from meentwerk.console import say
from meentwerk.entries import derived
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.files import replace_file
from meentwerk.inventory import ROOT
from meentwerk.moderation import schema

REFERENCE = ROOT / "docs/variables.md"
CONTROLS = ROOT / "docs/controls.md"
# The way of an instance through site.yml; other roles follow by name
ORDER = ("instance", "base", "hardening", "ssh", "firewall", "postgresql", "valkey", "certificate", "nginx", "mastodon")
HEAD = """\
# Variables

Every variable of every role, written by `scripts/generate-reference` from `roles/*/meta/argument_specs.yml`: change it
there. A department's entry uses those of [instance](#instance) only; `playbooks/site.yml` sets most others from it.
An operator sets what remains in `group_vars`.
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The generated part of the documentation.")


@app.callback()
def _group() -> None:
    pass


@app.command()
def reference(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 3 if the file is stale.")] = False,
) -> None:
    """Write docs/variables.md and docs/controls.md from the roles, and what the models of entries and lists make."""
    for name, text in {
        **derived.files(),
        **accounts.files(),
    }.items():  # the role instance's argument_specs among them, so before the roles
        _write(ROOT / name, text, check=check)
    _write(schema.FILE, schema.text(), check=check)
    _write(REFERENCE, render(ROOT / "roles"), check=check)
    _write(CONTROLS, controls.render(ROOT / "roles", ORDER), check=check)


def _write(path: Path, text: str, *, check: bool) -> None:
    current = path.read_bytes().decode() if path.exists() else None
    name = path.relative_to(ROOT)
    if current == text:
        say(f"{name} is up to date")
    elif check:
        raise MeentwerkError(f"{name} is stale", "run scripts/generate-reference and commit it", Exit.FINDINGS)
    else:
        replace_file(path, text, 0o644)
        say(f"{name} written")


def render(roles: Path) -> str:
    """Return the whole page for the roles in a folder."""
    specs = {path.parent.parent.name: _main(path) for path in roles.glob("*/meta/argument_specs.yml")}
    names = [name for name in ORDER if name in specs] + sorted(specs.keys() - set(ORDER))
    return "\n".join([HEAD, *(_section(name, specs[name]) for name in names)])


def _main(path: Path) -> Mapping[str, Any]:
    try:
        spec = yaml.safe_load(path.read_text())["argument_specs"]["main"]
        spec["short_description"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: argument_specs.main with a short_description is missing: {error}") from error
    return dict(spec)


def _section(role: str, spec: Mapping[str, Any]) -> str:
    lines = [f"## {role}", "", _sentence(spec["short_description"]) + f" [More](../roles/{role}/README.md)", ""]
    options = spec.get("options") or {}
    if not options:
        return "\n".join([*lines, "It has no variables.", ""])
    lines += ["| Variable | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    lines += _rows(options, "")
    return "\n".join([*lines, ""])


def _rows(options: Mapping[str, Mapping[str, Any]], prefix: str) -> Iterator[str]:
    for name, option in options.items():
        kind = option.get("type", "str")
        shown = f"list of {option['elements']}" if "elements" in option else kind
        cells = [f"`{prefix}{name}`", shown, _default(option), _meaning(option)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        if "options" in option:
            yield from _rows(option["options"], f"{prefix}{name}{'[]' if kind == 'list' else ''}.")


def _default(option: Mapping[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    if "default" not in option:
        return ""
    value = option["default"]
    text = value if isinstance(value, str) and value else _flow(value)
    words = text.removesuffix("...\n").split()  # the mark that ends a YAML document of one plain value
    return f"`{' '.join(words)}`"


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)


def _meaning(option: Mapping[str, Any]) -> str:
    text = option.get("description", "")
    sentences = [_sentence(part) for part in ([text] if isinstance(text, str) else text)]
    if choices := option.get("choices"):
        sentences.append("One of " + ", ".join(f"`{choice}`" for choice in choices) + ".")
    return " ".join(sentences)


def _sentence(text: str) -> str:
    """One line of Markdown for Ansible's markup: C(code), V(value), O(option), I(italic), B(bold), U(address)."""
    line = " ".join(text.split())
    line = re.sub(r"\b[CVOE]\(([^)]*)\)", r"`\1`", line)
    line = re.sub(r"\bU\(([^)]*)\)", r"<\1>", line)
    line = re.sub(r"\bI\(([^)]*)\)", r"*\1*", line)
    line = re.sub(r"\bB\(([^)]*)\)", r"**\1**", line)
    # An angle bracket outside of code would be read as HTML
    parts = line.split("`")
    parts[::2] = [re.sub(r"<(?!https?:)", r"\<", part) for part in parts[::2]]
    line = "`".join(parts)
    return line if line.endswith((".", "?", "!", ":")) else line + "."
