"""Playbooks are verbs: no bad entry reaches a host through any of them."""

from pathlib import Path

import pytest

from .conftest import PLAYBOOKS, load

# playbook -> why it does not begin with the validation
WITHOUT_VALIDATION = {
    "validate.yml": "is the validation",
    "build.yml": "builds a release; no entry is involved",
    "check.yml": "changes nothing, and begins with the role instance, which refuses a bad entry",
    "health.yml": "changes nothing, and begins with the role instance, which refuses a bad entry",
}


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_begins_with_the_validation(playbook: Path) -> None:
    first = load(playbook)[0]
    imported = first.get("ansible.builtin.import_playbook", "")
    if playbook.name in WITHOUT_VALIDATION:
        assert imported != "validate.yml", f"take {playbook.name} off the list of exceptions"
    else:
        assert imported == "validate.yml", (
            f"playbooks/{playbook.name} must begin with «import_playbook: validate.yml», "
            f"or be listed in {Path(__file__).name} with the reason"
        )


def test_no_exception_is_left_over() -> None:
    assert WITHOUT_VALIDATION.keys() <= {path.name for path in PLAYBOOKS}


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_says_what_it_is_for(playbook: Path) -> None:
    lines = playbook.read_text().splitlines()
    assert lines[0] == "---"
    assert lines[1].startswith("# "), "the second line says, as a comment, what the verb does"
