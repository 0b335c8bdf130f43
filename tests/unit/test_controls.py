"""Rules of roles: which hold in a run, how a shared task is tagged, and how a wrong file is refused."""

from pathlib import Path

import pytest
import yaml
from meentwerk import controls
from meentwerk.errors import UsageError

from tests.plugins import load

FILTERS = load("plugins/filter/controls.py")
RULES = [
    {"id": "AB-001", "references": ["cis:1.1", "bio2:8.9"]},
    {"id": "AB-002", "references": ["cis:1.2", "bio2:8.9"]},
    {"id": "AB-003"},
]


@pytest.fixture(autouse=True)
def a_role(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    roles = tmp_path_factory.mktemp("roles")
    (roles / "some/meta").mkdir(parents=True)
    (roles / "some/meta/controls.yml").write_text(yaml.safe_dump({"controls": RULES}))
    monkeypatch.setattr(FILTERS, "ROLES", roles)
    FILTERS.rules_of.cache_clear()


@pytest.mark.parametrize(
    ("skip", "run", "skipped", "held"),
    [
        ([], ["all"], [], ["AB-001", "AB-002", "AB-003"]),
        (["AB-002"], ["all"], [], ["AB-001", "AB-003"]),
        ([], ["all"], ["AB-001"], ["AB-002", "AB-003"]),
        ([], ["all"], ["bio2:8.9"], ["AB-003"]),
        ([], ["AB-002"], [], ["AB-002"]),
        ([], ["cis:1.1", "AB-003"], [], ["AB-001", "AB-003"]),
        ([], ["hardening"], [], ["AB-001", "AB-002", "AB-003"]),
        ([], ["hardening", "AB-002"], [], ["AB-001", "AB-002", "AB-003"]),
        (["AB-002"], ["AB-002"], [], []),
    ],
)
def test_which_rules_hold(skip: list[str], run: list[str], skipped: list[str], held: list[str]) -> None:
    assert FILTERS.active_controls("some", skip, run, skipped) == held


def test_a_shared_task_has_the_names_of_all_its_rules() -> None:
    assert FILTERS.control_tags(["AB-001", "AB-003"], "some", []) == ["AB-001", "AB-003", "bio2:8.9", "cis:1.1"]


def test_a_shared_task_is_not_skipped_with_one_of_its_rules() -> None:
    tags = FILTERS.control_tags(["AB-001", "AB-002", "AB-003"], "some", ["AB-001", "bio2:8.9"])
    assert tags == ["AB-003"]
    assert not {"AB-001", "bio2:8.9"} & set(tags)


def test_a_task_whose_rules_are_all_skipped_never_runs() -> None:
    assert FILTERS.control_tags(["AB-001"], "some", ["AB-001"]) == ["never"]


def test_a_tag_that_is_no_rule_is_refused() -> None:
    with pytest.raises(Exception, match="no rule AB-009"):
        FILTERS.control_tags(["AB-009"], "some", [])


def test_a_role_without_rules_is_refused() -> None:
    with pytest.raises(Exception, match=r"other/meta/controls\.yml has no rules"):
        FILTERS.active_controls("other", [], ["all"], [])


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a_role/meta/controls.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


RULE = """\
skip: a_role_skip
controls:
  - id: AB-001
    title: Nobody reads it
    reason: It is a secret
    references: [cis:1.1]
    where: tasks/main.yml
    checked: [check:cis, tests/unit/test_controls.py]
"""


def test_the_page_shows_a_rule(tmp_path: Path) -> None:
    write(tmp_path, RULE)
    page = controls.render(tmp_path, [])
    row = (
        "| AB-001 | Nobody reads it | It is a secret | cis:1.1 | [tasks/main.yml](../roles/a_role/tasks/main.yml) |"
        " `check:cis`, [test_controls.py](../tests/unit/test_controls.py) |"
    )
    assert row in page.splitlines()
    assert "1 rules" not in page
    assert "1 rule. Switched off by `a_role_skip`." in page
    assert "`cis`: CIS Debian Linux 13 Benchmark" in page
    assert "`anssi`" not in page


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("id: AB-001", "id: first", r"controls\.0\.id"),
        ("cis:1.1", "1.1", r"controls\.0\.references\.0"),
        ("where: tasks/main.yml", "where: elsewhere", r"controls\.0\.where"),
        ("checked: [check:cis, tests/unit/test_controls.py]", "checked: []", r"controls\.0\.checked"),
        ("reason: It", "cause: It", r"controls\.0\.reason"),
        ("controls:", "controls: [", "is no YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = write(tmp_path, RULE.replace(before, after))
    with pytest.raises(UsageError, match=said) as refusal:
        controls.read(path)
    assert str(path) in refusal.value.message
