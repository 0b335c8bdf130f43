"""A wrong entry stops the run before any host is reached, and the message says what would be right."""

import copy
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
# An address of the documentation range: reaching for it would take until ssh gives up
UNREACHABLE = "192.0.2.99"


def validate(tmp_path: Path, change: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    inventory = yaml.safe_load((SCENARIO / "hosts.yml").read_text())
    entry = copy.deepcopy(inventory["mastodon_instances"]["hosts"]["instance-1"])
    entry.update(ansible_host=UNREACHABLE)
    entry.update(change)
    path = tmp_path / "entry.yml"
    path.write_text(yaml.safe_dump({"mastodon_instances": {"hosts": {"wrong": entry}}}))
    return subprocess.run(
        ["ansible-playbook", "--inventory", str(path), str(PROJECT / "playbooks/validate.yml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_right_entry_passes(tmp_path: Path) -> None:
    done = validate(tmp_path, {})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"instance_domain": "https://Tides.example.org/"}, "bare domain in lower-case ASCII"),
        ({"instance_domain": "localhost"}, "bare domain in lower-case ASCII"),
        ({"instance_domain": "tides.example.org."}, "trailing dot"),
        ({"instance_domain": "my_tides.example.org"}, "bare domain"),
        ({"instance_web_domain": "social.other.example"}, "or a name below it"),
        ({"instance_web_domain": "eviltides.example.org"}, "or a name below it"),
        ({"instance_contact": {"email": "webcare"}}, "mailbox of a team"),
        ({"instance_contact": {}}, "missing required arguments: email"),
        ({"instance_organisation": {"name": "Ministry of Tides", "register_id": "mnre1034"}}, "https URI"),
        ({"instance_size": "huge"}, "small, medium, large"),
        ({"instance_languages": [False]}, "ISO 639"),
        ({"instance_release": "sandbox"}, "never runs outside a demo"),
        ({"instance_owner": {"username": "admin", "email": "a@tides.example.org"}}, "reserves that name"),
        ({"instance_registrations": "open"}, "closed, approval"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_cure(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    done = validate(tmp_path, change)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "UNREACHABLE" not in done.stdout.split("PLAY RECAP")[0], "a host was contacted"


def test_the_role_leaves_nothing_on_the_host(host: Host) -> None:
    assert host.check_output("find /etc /opt /var/lib -newer /run/systemd -name '*mastodon*'") == ""
