"""What is made from the model of the entry: JSON Schema for editors, the role's argument_specs, the reference page."""

import json
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from meentwerk.entries.explain import model_in
from meentwerk.entries.model import DEMO_ONLY, DepartmentFile, Entry, set_by_operator
from meentwerk.inventory import ROOT

SCHEMA = ROOT / "docs/department.schema.json"
PAGE = ROOT / "docs/entry.md"
SPECS = ROOT / "roles/instance/meta/argument_specs.yml"

HEAD = """\
# The entry

Everything that a department's entry may say. Written by `scripts/generate-reference` from
`scripts/meentwerk/entries/model.py`: change it there. [departments.md](departments.md) says how to ask for a server;
[department.schema.json](department.schema.json) is the same as a JSON Schema, for editors that complete and check while
one types.

One file per department, `inventories/ENVIRONMENT/departments/NAME.yml`, holds `mastodon_instances:`, `hosts:`, the
short name of each instance (lower-case letters, digits and hyphens), and below it these keys.
`scripts/validate-inventory` checks it.
"""


def files() -> dict[str, str]:
    """Return the text of every derived file, by its path in the repository."""
    return {
        str(SCHEMA.relative_to(ROOT)): schema(),
        str(PAGE.relative_to(ROOT)): page(),
        str(SPECS.relative_to(ROOT)): argument_specs(),
    }


def schema() -> str:
    """Return the JSON Schema (draft 2020-12) of a department's file."""
    made = DepartmentFile.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A department's entry"}
    for name in list(made["$defs"]["Entry"]["properties"]):
        if set_by_operator(name):
            del made["$defs"]["Entry"]["properties"][name]
    body = _plain(made)
    return json.dumps({**head, **body}, indent=2, ensure_ascii=False) + "\n"


def _plain(part: Any) -> Any:  # noqa: ANN401  # a JSON document holds anything
    """Take out what only this project reads, and Ansible's markup."""
    if isinstance(part, Mapping):
        return {
            key: _words(value) if key == "description" and isinstance(value, str) else _plain(value)
            for key, value in part.items()
            if not key.startswith("x-") and not (key == "title" and isinstance(value, str))
        }
    return [_plain(item) for item in part] if isinstance(part, list) else part


def _words(text: str, mark: str = "") -> str:
    return text.replace("C(", mark).replace(")", mark) if "C(" in text else text


def argument_specs() -> str:
    """Return roles/instance/meta/argument_specs.yml: the keys that Ansible checks with its own types."""
    options = {name: _option(info) for name, info in Entry.model_fields.items() if name.startswith("instance_")}
    main = {
        "short_description": "A department's entry",
        "description": [
            "Every key that an entry in C(inventories/<environment>/departments/) may have.",
            "The role changes nothing. It refuses an entry that cannot be right, and needs neither facts nor the host.",
        ],
        "options": options,
    }
    text = yaml.dump(
        {"argument_specs": {"main": main}}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, indent=2
    )
    head = "# Written by scripts/generate-reference from scripts/meentwerk/entries/model.py: change it there."
    return f"---\n{head}\n{text}"


class _Dumper(yaml.SafeDumper):
    """Writes YAML as a person does here: lists indented or in brackets, templates in double quotes."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # PyYAML's name
        super().increase_indent(flow, False)

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "{{" in text else None)

    def represent_items(self, items: list[Any]) -> yaml.Node:
        short = all(isinstance(item, str) and " " not in item for item in items)
        return self.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(list, _Dumper.represent_items)


def _option(info: FieldInfo) -> dict[str, Any]:
    kind, elements, choices, model = _kind(info)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    option: dict[str, Any] = {"type": extra.get("x-ansible-type", kind)}
    if elements:
        option["elements"] = elements
    if info.is_required():
        option["required"] = True
    elif (default := default_of(info)) is not None:
        option["default"] = default
    if choices:
        option["choices"] = choices
    option["description"] = info.description
    if model:
        option["options"] = {name: _option(part) for name, part in model.model_fields.items()}
    return option


def default_of(info: FieldInfo) -> object:
    """Return a field's default as the role has it."""
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return extra.get("x-ansible-default", info.default)


def _kind(info: FieldInfo) -> tuple[str, str, list[Any], type[BaseModel] | None]:
    """Return Ansible's type of a field, of its elements, its choices, and the model of its parts."""
    model = model_in(info.annotation)
    annotation = info.annotation
    if get_origin(annotation) is list:
        return "list", "dict" if model else "str", [], model
    if model:
        return "dict", "", [], model
    if annotation is bool:
        return "bool", "", [], None
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    choices = arguments if all(isinstance(argument, str) for argument in arguments) and arguments else []
    return "str", "", choices, None


def page() -> str:
    """Return docs/entry.md."""
    groups = (
        ("What every entry says", lambda name, info: info.is_required()),
        (
            "What it may say",
            lambda name, info: not info.is_required() and not set_by_operator(name) and not name.startswith(DEMO_ONLY),
        ),
        ("What only the operator says, in group_vars", lambda name, info: set_by_operator(name)),
        ("What only a demo's entry says", lambda name, info: name.startswith(DEMO_ONLY)),
    )
    parts = [HEAD]
    for title, belongs in groups:
        parts += [
            f"## {title}",
            "",
            "| Key | Type | Default | Example | What it is, and why |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, info in Entry.model_fields.items():
            if belongs(name, info):
                parts += _rows(name, info)
        parts.append("")
    return "\n".join(parts)


def _rows(name: str, info: FieldInfo) -> list[str]:
    kind, elements, choices, model = _kind(info)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    shown = {"str": "text", "dict": "keys", "bool": "true or false"}.get(
        kind, f"list of {'keys' if model else 'texts'}"
    )
    if choices:
        shown = ", ".join(f"`{choice}`" for choice in choices)
    default = "**required**" if info.is_required() else str(extra.get("x-default-text", "")) or _code(info.default)
    example = "see below" if model else _code(info.examples[0] if info.examples else "")
    cells = [f"`{name}`", shown, default, example, f"{_words(str(info.description), '`')} {extra.get('x-why', '')}"]
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"]
    for part, part_info in (model.model_fields if model else {}).items():
        rows += _rows(f"{name}{'[]' if elements else ''}.{part}", part_info)
    return rows


def _code(value: object) -> str:
    if value is None or value == "":
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("...\n").strip()
    return f"`{text}`"
