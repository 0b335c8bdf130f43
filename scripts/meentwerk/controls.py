"""The rules that roles say they keep, from roles/*/meta/controls.yml, and docs/controls.md made from them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meentwerk.errors import UsageError

# A sentence or a phrase of one line
Line = Annotated[str, Field(min_length=3, pattern=r"^[^\n|]*$")]
SOURCES = {
    "cis": "CIS Debian Linux 13 Benchmark",
    "bio2": "Baseline Informatiebeveiliging Overheid 2, by the numbers of ISO/IEC 27002:2022",
    "anssi": "ANSSI, Configuration recommendations of a GNU/Linux system (BP-028)",
    "ncsc": "NCSC-NL, IT Security Guidelines for Transport Layer Security (TLS)",
}
HEAD = """\
# Controls

Every rule that the roles keep, why, which baseline asks for it, where it is implemented and how it is checked.
Written by `scripts/generate-reference` from `roles/*/meta/controls.yml`: change it there.

- `--tags HRD-012` runs what serves one rule, `--skip-tags HRD-012` leaves it out of one run. A reference chooses as
  well: `--tags cis:5.4.2`.
- A rule is switched off for good by its id in the variable named above its table, in `group_vars` or `host_vars`. What
  it has set before stays.
- `check:AREA` is a check of `playbooks/check.yml`, run alone by `--tags AREA`; the others are tests of this repository.
"""


class Control(BaseModel):
    """One rule. `references` are SOURCE:NUMBER, `where` a file below the role, `checked` a test or check:AREA."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[A-Z]{2,4}-\d{3}$")]
    title: Line
    reason: Line
    references: list[Annotated[str, Field(pattern=rf"^({'|'.join(SOURCES)}):[\w.]+$")]] = []
    where: Annotated[str, Field(pattern=r"^(tasks|templates|files|handlers)/[\w./-]+$")]
    checked: Annotated[
        list[Annotated[str, Field(pattern=r"^(check:[a-z]+|(molecule|tests)/[\w./-]+)$")]], Field(min_length=1)
    ]


class Controls(BaseModel):
    """The file of one role: `skip` names the variable whose list switches rules off, absent where they cannot be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    skip: str | None = None
    controls: Annotated[list[Control], Field(min_length=1)]


def read(path: Path) -> Controls:
    """Read a role's meta/controls.yml; UsageError names the file, the place and what is wrong."""
    try:
        return Controls.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{path}: {place}: {first['msg']}", cure="CONTRIBUTING.md, «A rule of a role», shows the form"
        ) from error


def read_all(roles: Path) -> Mapping[str, Controls]:
    """Read the rules of every role that has some, by the role's name."""
    return {path.parent.parent.name: read(path) for path in sorted(roles.glob("*/meta/controls.yml"))}


def render(roles: Path, order: Sequence[str]) -> str:
    """Return docs/controls.md for the roles in a folder; `order` names those that come first."""
    found = read_all(roles)
    names = [name for name in order if name in found] + sorted(found.keys() - set(order))
    used = {
        reference.partition(":")[0]
        for each in found.values()
        for control in each.controls
        for reference in control.references
    }
    sources = [f"- `{name}`: {meaning}" for name, meaning in SOURCES.items() if name in used]
    sections = [line for name in names for line in _section(name, found[name])]
    return "\n".join([HEAD, *sources, "", *sections])


def _section(role: str, rules: Controls) -> Iterator[str]:
    yield from (f"## {role}", "")
    switch = f"Switched off by `{rules.skip}`." if rules.skip else "Not switched off one by one."
    count = f"{len(rules.controls)} rule{'' if len(rules.controls) == 1 else 's'}"
    yield from (f"{count}. {switch} [More](../roles/{role}/README.md)", "")
    yield from ("| Rule | What holds | Why | Reference | Where | Checked by |", "| --- | --- | --- | --- | --- | --- |")
    for control in rules.controls:
        where = f"[{control.where}](../roles/{role}/{control.where})"
        cells = [control.id, control.title, control.reason, ", ".join(control.references), where]
        yield "| " + " | ".join([*cells, ", ".join(_check(check) for check in control.checked)]) + " |"
    yield ""


def _check(check: str) -> str:
    return f"`{check}`" if check.startswith("check:") else f"[{Path(check).name}](../{check})"


def as_data(rules: Controls) -> list[dict[str, Any]]:
    """Return the rules as the filters of plugins/filter/controls.py take them."""
    return [control.model_dump() for control in rules.controls]
