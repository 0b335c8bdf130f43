"""The text of a secrets file: parsed with positions, extended without touching what is there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

VARIABLE = "instance_secrets"
HEADER = """\
---
# The secrets of {instance}, each encrypted with ansible-vault when it was made. Keep this file in version control:
# without it, and the vault password, the instance's database cannot be read. It is written once and never overwritten.
"""


class MalformedError(ValueError):
    """The text is no secrets file; the message says where and why, without quoting a value."""


@dataclass(frozen=True)
class Entry:
    """One secret as it stands in the file."""

    text: str
    """ansible-vault text, or a plain value where `vaulted` is false."""
    vaulted: bool
    line: int
    end: int
    """Index of the line behind its last one."""


@dataclass(frozen=True)
class Document:
    """A parsed secrets file."""

    text: str
    entries: Mapping[str, Entry]
    end_line: int
    """Index of the line before which a further entry belongs."""
    indent: int


def render(instance: str, vaulted: Mapping[str, str]) -> str:
    """Return a new file holding `vaulted` (name to ansible-vault text)."""
    return HEADER.format(instance=instance) + f"{VARIABLE}:\n" + "".join(_lines(vaulted, indent=2))


def parse(text: str) -> Document:
    """Parse a secrets file, or raise MalformedError."""
    text = text if text.endswith("\n") else text + "\n"
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise MalformedError(f"{place}{error.problem or 'is not YAML'}") from error
    if root is None:
        raise MalformedError("is empty")
    block = dict(_pairs(root, "the file")).get(VARIABLE)
    if block is None:
        raise MalformedError(f"has no variable {VARIABLE}")
    entries: dict[str, Entry] = {}
    for key, value in _pairs(block, VARIABLE):
        line = value.start_mark.line + 1
        if key in entries:
            raise MalformedError(f"line {line}: {key} stands twice")
        if not isinstance(value, yaml.ScalarNode):
            raise MalformedError(f"line {line}: {key} must be one value")
        entries[key] = Entry(
            text=value.value, vaulted=value.tag == "!vault", line=line, end=max(line, value.end_mark.line)
        )
    first = block.value[0][0] if block.value else None
    return Document(text, entries, end_line=block.end_mark.line, indent=first.start_mark.column if first else 2)


def extend(document: Document, vaulted: Mapping[str, str]) -> str:
    """Return the document's text with `vaulted` added behind its last entry, every other byte as it was."""
    lines = document.text.splitlines(keepends=True)
    before, behind = lines[: document.end_line], lines[document.end_line :]
    extended = "".join([*before, *_lines(vaulted, document.indent), *behind])
    entries = parse(extended).entries
    kept = {name: entry.text for name, entry in document.entries.items()}
    if {name: entry.text for name, entry in entries.items()} != kept | dict(vaulted):
        raise MalformedError(f"has a layout to which nothing can be added: write one secret a line under {VARIABLE}")
    return extended


def replace(document: Document, vaulted: Mapping[str, str]) -> str:
    """Return the document's text with other values of secrets that it has, every other byte as it was."""
    lines = document.text.splitlines(keepends=True)
    for name, entry in sorted(document.entries.items(), key=lambda it: it[1].line, reverse=True):
        if name in vaulted:
            lines[entry.line - 1 : entry.end] = _lines({name: vaulted[name]}, document.indent)
    replaced = "".join(lines)
    kept = {name: entry.text for name, entry in document.entries.items()}
    if {name: entry.text for name, entry in parse(replaced).entries.items()} != kept | dict(vaulted):
        raise MalformedError("has a layout in which nothing can be replaced: write one secret a line")
    return replaced


def _lines(vaulted: Mapping[str, str], indent: int) -> Iterator[str]:
    margin = " " * indent
    for name, text in vaulted.items():
        yield f"{margin}{name}: !vault |\n"
        yield from (f"{margin}  {line}\n" for line in text.splitlines())


def _pairs(node: yaml.Node, what: str) -> Iterator[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise MalformedError(f"line {node.start_mark.line + 1}: {what} must be a mapping")
    for key, value in node.value:
        yield str(key.value), value
