"""Filters: which rules of a role (its meta/controls.yml) hold in this run, and which tags a task for several rules has.

A rule can be left out for good (ROLE_skip), for one run (--skip-tags), or be the only one of a run (--tags), by its id
or by one of its references. A task that serves several rules must then do the others' work all the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Control = Mapping[str, Any]


def names_of(control: Control) -> set[str]:
    """Return what a rule is called on a command line: its id, and each of its references."""
    return {control["id"], *control.get("references", [])}


def active_controls(
    controls: Sequence[Control], skip: Iterable[str], run_tags: Iterable[str], skip_tags: Iterable[str]
) -> list[str]:
    """Return the ids of the rules that hold.

    `skip` are ids, `run_tags` and `skip_tags` are Ansible's ansible_run_tags and ansible_skip_tags. Tags that name no
    rule (a role's name, "all") choose whole tasks, not rules, and leave all rules in force.
    """
    left_out, wanted = set(skip) | set(skip_tags), set(run_tags)
    every_name = {name for control in controls for name in names_of(control)}
    if not wanted & every_name or wanted - every_name - {"always"}:
        wanted = every_name
    return [control["id"] for control in controls if names_of(control) & wanted and not names_of(control) & left_out]


def control_tags(ids: Sequence[str], controls: Sequence[Control], skip_tags: Iterable[str]) -> list[str]:
    """Return the tags of a task that serves these rules: ids and references, but for what is skipped.

    Ansible skips a task when one of its tags is skipped; a shared one may only be skipped when all its rules are.
    """
    known = {control["id"]: control for control in controls}
    unknown = [identifier for identifier in ids if identifier not in known]
    if unknown:
        raise ValueError(f"meta/controls.yml has no rule {', '.join(unknown)}")
    left_out = set(skip_tags)
    kept = [known[identifier] for identifier in ids if not names_of(known[identifier]) & left_out]
    return sorted({name for control in kept for name in names_of(control)}) or ["never"]


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"active_controls": active_controls, "control_tags": control_tags}
