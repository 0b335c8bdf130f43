"""No host is contacted while an entry is wrong: whatever the verb, ssh is not even started."""

import os
import subprocess
from pathlib import Path

import pytest

from ..house.conftest import PLAYBOOKS, ROOT
from ..house.test_playbooks import WITHOUT_VALIDATION
from .samples import TIDES

VERBS = [path for path in PLAYBOOKS if path.name not in {"validate.yml", "build.yml"}]


def run(folder: Path, playbook: Path, entry: str) -> tuple[str, bool]:
    """Run a verb on an inventory with one entry; return its output, and whether it started ssh."""
    mark = folder / "ssh-was-started"
    ssh = folder / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {mark}\nexit 255\n")
    ssh.chmod(0o755)
    inventory = folder / "inventory"
    (inventory / "departments").mkdir(parents=True)
    (inventory / "departments/tides.yml").write_text(entry)
    (inventory / "group_vars").mkdir()
    (inventory / "group_vars/all.yml").write_text("meentwerk_environment: example\n")
    (folder / "vault-password").write_text("only for this test\n")
    environment = dict(
        os.environ,
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        ANSIBLE_SSH_EXECUTABLE=str(ssh),
        ANSIBLE_VAULT_PASSWORD_FILE=str(folder / "vault-password"),
        ANSIBLE_LOCAL_TEMP=str(folder / "tmp"),
    )
    done = subprocess.run(
        ["ansible-playbook", "--inventory", str(inventory), str(playbook)],
        capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    return done.stdout + done.stderr, mark.exists()


@pytest.mark.parametrize("playbook", VERBS, ids=lambda path: path.name)
def test_a_wrong_entry_ends_every_verb(tmp_path: Path, playbook: Path) -> None:
    output, contacted = run(tmp_path, playbook, TIDES.replace("instance_domain: tides", "instance_domain: my_tides"))
    assert "Host names have hyphens instead: my-tides.example.org" in output, output
    assert not contacted


def test_the_watch_would_have_seen_it(tmp_path: Path) -> None:
    assert "check.yml" in WITHOUT_VALIDATION, "then this test has to run another verb"
    _, contacted = run(tmp_path, ROOT / "playbooks/site.yml", TIDES)
    assert contacted
