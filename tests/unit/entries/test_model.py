"""What is made from the model of the entry agrees with it: schema, argument_specs, reference, and what the role reads.

argument_specs are compared with pydantic's own JSON Schema here, not with the generator's reading of the model.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from meentwerk.entries import derived, explain
from meentwerk.entries.model import FIELDS, DepartmentFile, Entry, set_by_operator
from meentwerk.inventory import ROOT
from pydantic import BaseModel

SPECS = yaml.safe_load((ROOT / "roles/instance/meta/argument_specs.yml").read_text())["argument_specs"]["main"][
    "options"
]
DEFAULTS = yaml.safe_load((ROOT / "roles/instance/defaults/main.yml").read_text())
MADE = DepartmentFile.model_json_schema()
SCHEMA = json.loads((ROOT / "docs/department.schema.json").read_text())
ENTRIES = sorted(ROOT.glob("inventories/*/departments/*.yml"))
KINDS = {"string": "str", "array": "list", "object": "dict", "boolean": "bool"}


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A schema without references, and without the null of an optional value."""
    if "$ref" in part:
        return resolved(MADE["$defs"][part["$ref"].rpartition("/")[2]])
    chosen = [resolved(one) for one in part.get("anyOf", []) if one.get("type") != "null"]
    return {**part, **chosen[0]} if chosen else part


def differences(name: str, option: dict[str, Any], schema: dict[str, Any], *, required: bool) -> Iterator[str]:
    """Say what an option of Ansible and a value of the model do not have in common."""
    part = resolved(schema)
    kind = KINDS[part["type"]]
    if option["type"] != kind and not (option["type"] == "path" and kind == "str"):
        yield f"{name}: Ansible takes {option['type']}, the model {kind}"
    if option.get("required", False) != required:
        yield f"{name}: required is {option.get('required', False)} for Ansible, {required} in the model"
    if option.get("choices") != part.get("enum"):
        yield f"{name}: choices {option.get('choices')} for Ansible, {part.get('enum')} in the model"
    plain = schema.get("default")
    template = isinstance(option.get("default"), str | dict) and "{{" in str(option["default"])
    if not template and option.get("default") != plain:
        yield f"{name}: default {option.get('default')!r} for Ansible, {plain!r} in the model"
    inner = part
    if kind == "list":
        inner = resolved(part["items"])
        if option.get("elements") != KINDS[inner["type"]]:
            yield f"{name}: elements {option.get('elements')} for Ansible, {inner['type']} in the model"
    elif "elements" in option:
        yield f"{name}: elements, but it is no list"
    parts, options = inner.get("properties", {}), option.get("options", {})
    if parts.keys() != options.keys():
        yield f"{name}: parts {sorted(options)} for Ansible, {sorted(parts)} in the model"
    for key in parts.keys() & options.keys():
        yield from differences(f"{name}.{key}", options[key], parts[key], required=key in inner.get("required", []))


@pytest.mark.parametrize("path", derived.files())
def test_what_is_made_from_the_model_is_fresh(path: str) -> None:
    assert (ROOT / path).read_text() == derived.files()[path], f"{path} is stale: run scripts/generate-reference"


def test_the_role_takes_every_key_of_the_model_and_no_other() -> None:
    assert SPECS.keys() == {name for name in FIELDS if name.startswith("instance_")}
    assert {name for name in FIELDS if name not in SPECS} == {
        "ansible_host",
        "embedded_host_ip6",
        "embedded_host_aliases",
        "embedded_host_image",
    }


@pytest.mark.parametrize("name", SPECS)
def test_the_role_and_the_model_agree(name: str) -> None:
    entry = MADE["$defs"]["Entry"]
    schema = entry["properties"][name]
    assert list(differences(name, SPECS[name], schema, required=name in entry["required"])) == []


@pytest.mark.parametrize("name", SPECS)
def test_a_default_of_the_role_is_the_one_it_documents(name: str) -> None:
    assert DEFAULTS.get(name) == SPECS[name].get("default")


def test_a_default_fits_the_model() -> None:
    right = {name: info.examples[0] for name, info in FIELDS.items() if info.is_required() and info.examples}
    plain = {name: value for name, value in DEFAULTS.items() if name in FIELDS and "{{" not in str(value)}
    assert explain.errors(right | plain) == []
    assert plain


def test_the_role_looks_at_every_key() -> None:
    """Keys that the operator alone sets are checked by the roles that read them."""
    read = yaml.safe_load((ROOT / "roles/instance/vars/main.yml").read_text())["__instance_entry"]
    wanted = {name for name in FIELDS if not name.startswith("embedded_host_") and not set_by_operator(name)}
    assert read.keys() == wanted | {"meentwerk_environment"}
    for name, template in read.items():
        assert re.fullmatch(rf"\{{\{{ {name}( \| default\('[a-z]*'\))? \}}\}}", template), name


def test_every_key_says_what_why_and_an_example() -> None:
    inner = [explain.model_in(info.annotation) for info in FIELDS.values()]
    models: list[type[BaseModel]] = [Entry, *(model for model in inner if model)]
    for model in models:
        for name, info in model.model_fields.items():
            extra = info.json_schema_extra
            assert info.description and info.description.endswith("."), name
            assert isinstance(extra, dict) and str(extra["x-why"]).endswith((".", "?")), name
            assert info.examples, name


@pytest.mark.parametrize("name", FIELDS)
def test_an_example_is_right(name: str) -> None:
    """Messages show the examples: none of them may lead to the next message."""
    right = {key: info.examples[0] for key, info in FIELDS.items() if info.is_required() and info.examples}
    assert explain.errors(right | {name: (FIELDS[name].examples or [None])[0]}) == []


def test_the_schema_is_valid() -> None:
    assert SCHEMA["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_has_what_a_department_may_say() -> None:
    known = SCHEMA["$defs"]["Entry"]["properties"].keys()
    assert known == {name for name in FIELDS if not set_by_operator(name)}
    assert "x-" not in re.sub(r'"[^"]*":? ?"[^"]*"', "", json.dumps(SCHEMA)), "keys that only this project reads"


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_the_schema_accepts_every_entry_of_the_repository(path: Path) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instance_domain", "Tides.example.org"),
        ("instance_domain", "tides"),
        ("instance_size", "huge"),
        ("instance_languages", []),
        ("instance_languages", [False]),
        ("instance_langauges", ["nl"]),
        ("instance_contact", {"email": "webcare"}),
        ("instance_contact", {"email": "webcare@tides.example.org", "phone": "1"}),
        ("instance_rules", [{"hint": "a"}]),
        ("instance_release", 4.6),
        ("instance_release_directory", "/srv/releases"),
    ],
)
def test_the_schema_refuses_what_an_editor_should_mark(name: str, value: object) -> None:
    entry = {key: info.examples[0] for key, info in FIELDS.items() if info.is_required() and info.examples}
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert validator.is_valid({"mastodon_instances": {"hosts": {"tides": entry}}})
    assert not validator.is_valid({"mastodon_instances": {"hosts": {"tides": entry | {name: value}}}})
