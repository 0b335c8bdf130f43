"""The rules of roles: documented where they are, tagged where they are kept, checked where it is said."""

import re
from pathlib import Path

import pytest
from meentwerk import controls, reference

from .conftest import ROLES, ROOT, load, name_of, options_of

WITH_RULES = [role for role in ROLES if (role / "meta/controls.yml").is_file()]
each_role = pytest.mark.parametrize("role", WITH_RULES, ids=lambda role: role.name)
RULE = re.compile(r"\b[A-Z]{2,4}-\d{3}\b")


def rules_of(role: Path) -> controls.Controls:
    return controls.read(role / "meta/controls.yml")


def tagged(role: Path) -> dict[str, set[str]]:
    """Rule -> files of the role in which a task, block or import has it in its tags."""
    found: dict[str, set[str]] = {}

    def look(node: object, place: str) -> None:
        if isinstance(node, list):
            for each in node:
                look(each, place)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key == "tags":
                    for rule in RULE.findall(str(value)):
                        found.setdefault(rule, set()).add(place)
                elif isinstance(value, list | dict):
                    look(value, place)

    for path in sorted(role.glob("tasks/**/*.yml")):
        look(load(path), str(path.relative_to(role)))
    return found


def test_the_page_of_rules_is_fresh() -> None:
    assert reference.CONTROLS.read_text() == controls.render(ROOT / "roles", reference.ORDER), (
        "docs/controls.md is stale: run scripts/generate-reference and commit it"
    )


def test_no_rule_has_two_meanings() -> None:
    ids = [control.id for role in WITH_RULES for control in rules_of(role).controls]
    assert sorted(set(ids)) == sorted(ids), "a rule's id stands twice in roles/*/meta/controls.yml"


@each_role
def test_each_rule_is_a_tag_of_a_task_and_each_such_tag_a_rule(role: Path) -> None:
    ids, tags = {control.id for control in rules_of(role).controls}, tagged(role).keys()
    assert not ids - tags, f"{role.name}: no task has the tags {sorted(ids - tags)}"
    assert not tags - ids, (
        f"{role.name}: meta/controls.yml does not know {sorted(tags - ids)}, which tasks have as tags"
    )


@each_role
def test_each_rule_is_kept_where_it_is_said(role: Path) -> None:
    tags = tagged(role)
    for control in rules_of(role).controls:
        assert (role / control.where).is_file(), f"{control.id}: {name_of(role)}/{control.where} is not there"
        if control.where.startswith("tasks/"):
            assert control.where in tags[control.id], (
                f"{control.id} is no tag in {control.where}, but in {tags[control.id]}"
            )


@each_role
def test_what_checks_a_rule_exists(role: Path) -> None:
    missing = [
        f"{control.id}: {check}"
        for control in rules_of(role).controls
        for check in control.checked
        if not check.startswith("check:") and not (ROOT / check).is_file()
    ]
    assert not missing, f"{role.name}: {missing} do not exist"


@each_role
def test_the_switch_takes_exactly_the_rules(role: Path) -> None:
    rules = rules_of(role)
    if rules.skip is None:
        return
    option = options_of(role).get(rules.skip, {})
    assert option.get("type") == "list", f"{rules.skip} is no list in argument_specs of {role.name}"
    assert option.get("choices") == [control.id for control in rules.controls], (
        f"argument_specs of {role.name}: the choices of {rules.skip} are the ids of meta/controls.yml, in that order"
    )
