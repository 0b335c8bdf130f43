"""Drift by Ansible itself: a real playbook in check mode, what the callback prints of it, and the judgement."""

from pathlib import Path
from typing import Any

import pytest
from meentwerk.checks.judge import controls as judge
from meentwerk.checks.model import Result, Status
from meentwerk.checks.probe import drift

PROJECT = Path(__file__).parents[3]
INVENTORY = """\
all:
  hosts:
    here: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
    elsewhere: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Keep one file
      ansible.builtin.copy: {dest: "FOLDER/kept", content: kept}
      tags: [ONE-001]
    - name: Write a secret
      ansible.builtin.copy: {dest: "FOLDER/secret", content: topsecret}
      tags: [ONE-002]
    - name: Refuse a value
      ansible.builtin.fail: {msg: "The value is wrong. Correct it."}
      when: refuse | default(false) | bool
      tags: [ONE-003]
    - name: Ask after the health
      ansible.builtin.fail: {msg: "must not be asked"}
      tags: [check]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one playbook and three rules; returns the playbook."""
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/callback").symlink_to(PROJECT / "plugins/callback")
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    (tmp_path / "kept").write_text("kept")
    rules = tmp_path / "roles/one/meta"
    rules.mkdir(parents=True)
    entries = [
        f"  - {{id: ONE-00{it}, title: Rule {it}, reason: why, where: tasks/x.yml, checked: [check:controls]}}"
        for it in (1, 2, 3, 4)
    ]
    (rules / "controls.yml").write_text("\n".join(["controls:", *entries]) + "\n")
    playbook = tmp_path / "playbooks/site.yml"
    playbook.write_text(PLAYBOOK.replace("FOLDER", str(tmp_path)))
    return playbook


def measure(playbook: Path, *arguments: str) -> dict[str, Any]:
    return drift.measure("here", playbook, [str(playbook.parents[1] / "hosts.yml")], arguments)


def results(measured: dict[str, Any]) -> dict[str, Result]:
    return {it.id: it for it in judge.judge(measured, {})}


def test_what_would_change_is_found_by_its_rule(project: Path) -> None:
    measured = measure(project)
    found = results(measured)
    assert found["ONE-001"].status is Status.PASS
    assert found["ONE-002"].status is Status.FAIL
    assert "Write a secret" in found["ONE-002"].found
    assert found["ONE-004"].status is Status.UNKNOWN, "no task of it was run"
    assert found["CONTROLS-001"].status is Status.PASS, "what a rule names is not said twice"
    assert not (project.parents[1] / "secret").exists(), "nothing is written"
    assert "topsecret" not in str(measured)


def test_a_task_that_fails_says_why(project: Path) -> None:
    found = results(measure(project, "-e", "refuse=true"))
    assert found["ONE-003"].status is Status.FAIL
    assert "The value is wrong. Correct it." in found["ONE-003"].found


def test_a_change_without_a_rule_is_found_too(project: Path) -> None:
    project.write_text(project.read_text().replace("tags: [ONE-002]", "tags: [other]"))
    found = results(measure(project))
    assert found["CONTROLS-001"].status is Status.FAIL
    assert "Write a secret" in found["CONTROLS-001"].found


def test_nothing_to_change_passes(project: Path) -> None:
    (project.parents[1] / "secret").write_text("topsecret")
    found = results(measure(project))
    assert [it.id for it in found.values() if it.status is Status.FAIL] == []


@pytest.mark.parametrize("break_it", ["- hosts: [", "- hosts: nobody-at-all\n  tasks: []\n"])
def test_a_playbook_that_does_not_run_is_unknown(project: Path, break_it: str) -> None:
    project.write_text(break_it)
    (only,) = results(measure(project)).values()
    assert only.status is Status.UNKNOWN
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in only.cure
