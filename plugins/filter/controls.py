"""Filters: which rules of a role (its meta/controls.yml) hold in this run, and the tags of a task for several rules.

A rule can be left out for good (ROLE_skip), for one run (--skip-tags), or be the only one of a run (--tags), by its id
or by one of its references. A task that serves several rules must then do the others' work all the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError  # type: ignore[import-untyped]

Control = Mapping[str, Any]
# Tags are evaluated before a task belongs to a role: the rules are found from here
ROLES = Path(__file__).parents[2] / "roles"


@cache
def rules_of(role: str) -> Sequence[Control]:
    """Return the rules of a role, as its meta/controls.yml has them."""
    path = ROLES / role / "meta/controls.yml"
    try:
        rules: Sequence[Control] = yaml.safe_load(path.read_text())["controls"]
    except (OSError, KeyError, yaml.YAMLError) as error:
        raise AnsibleFilterError(f"{path} has no rules: {error}") from error
    return rules


def names_of(control: Control) -> set[str]:
    """Return what a rule is called on a command line: its id, and each of its references."""
    return {control["id"], *control.get("references", [])}


def active_controls(role: str, skip: Iterable[str], run_tags: Iterable[str], skip_tags: Iterable[str]) -> list[str]:
    """Return the ids of the rules of a role that hold.

    `skip` are ids, `run_tags` and `skip_tags` are Ansible's ansible_run_tags and ansible_skip_tags. Tags that name no
    rule (a role's name, "all") choose whole tasks, not rules, and leave all rules in force.
    """
    controls = rules_of(role)
    left_out, wanted = set(skip) | set(skip_tags), set(run_tags)
    every_name = {name for control in controls for name in names_of(control)}
    if not wanted & every_name or wanted - every_name - {"always"}:
        wanted = every_name
    return [control["id"] for control in controls if names_of(control) & wanted and not names_of(control) & left_out]


def control_tags(ids: Sequence[str], role: str, skip_tags: Iterable[str]) -> list[str]:
    """Return the tags of a task that serves these rules of a role: ids and references, but for what is skipped.

    Ansible skips a task when one of its tags is skipped; a shared one may only be skipped when all its rules are.
    """
    known = {control["id"]: control for control in rules_of(role)}
    unknown = [identifier for identifier in ids if identifier not in known]
    if unknown:
        raise AnsibleFilterError(f"roles/{role}/meta/controls.yml has no rule {', '.join(unknown)}")
    left_out = set(skip_tags)
    kept = [known[identifier] for identifier in ids if not names_of(known[identifier]) & left_out]
    return sorted({name for control in kept for name in names_of(control)}) or ["never"]


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"active_controls": active_controls, "control_tags": control_tags}
