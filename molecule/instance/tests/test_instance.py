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


def validate(tmp_path: Path, change: dict[str, Any], shared: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    inventory = yaml.safe_load((SCENARIO / "hosts.yml").read_text())
    entry = copy.deepcopy(inventory["mastodon_instances"]["hosts"]["instance-1"])
    entry = {name: value for name, value in entry.items() if not name.startswith("embedded_host_")}
    entry |= {"ansible_host": UNREACHABLE} | change
    path = tmp_path / "departments/tides.yml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"mastodon_instances": {"hosts": {"tides": entry}}}, sort_keys=False))
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text(yaml.safe_dump({"meentwerk_environment": "example"} | shared))
    return subprocess.run(
        ["ansible-playbook", "--inventory", str(tmp_path), str(PROJECT / "playbooks/validate.yml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_right_entry_passes(tmp_path: Path) -> None:
    done = validate(tmp_path, {}, {})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_message_names_file_and_line(tmp_path: Path) -> None:
    done = validate(tmp_path, {"instance_domain": "Tides.example.org"}, {})
    assert done.returncode != 0
    assert "departments/tides.yml:5:24  tides: instance_domain" in done.stdout
    assert "Write tides.example.org" in done.stdout


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        ({"instance_title": "{{ 'x' * 101 }}"}, "instance_title: It has 101 characters"),
        ({"instance_web_domain": "{{ 'eviltides.example' ~ '.org' }}"}, "no part of tides.example.org"),
        ({"instance_languages": "{{ ['nl', false] }}"}, "instance_languages, item 2: YAML reads the bare word no"),
    ],
)
def test_what_an_operators_template_makes_is_checked_too(tmp_path: Path, shared: dict[str, Any], said: str) -> None:
    done = validate(tmp_path, {}, shared)
    assert done.returncode != 0
    assert said in done.stdout, done.stdout
    assert "UNREACHABLE" not in done.stdout.split("PLAY RECAP")[0], "a host was contacted"


def test_the_role_leaves_nothing_on_the_host(host: Host) -> None:
    assert host.check_output("find /etc /opt /var/lib -newer /run/systemd -name '*mastodon*'") == ""
