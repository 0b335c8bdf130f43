"""What holds for every scenario, whatever its role: check mode tells the truth, nothing has failed."""

import json
import os
import subprocess
from pathlib import Path

from testinfra.host import Host

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
HOSTS = os.environ["MOLECULE_HOSTS"]


def run_check_mode() -> dict[str, dict[str, int]]:
    """Run the scenario's converge with --check; returns Ansible's statistics per host."""
    environment = dict(os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json", ANSIBLE_JSON_INDENT="1")
    done = subprocess.run(
        ["ansible-playbook", "--check", "--inventory", HOSTS, str(SCENARIO / "converge.yml")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        check=False,
    )
    start = done.stdout.find("{")
    assert start >= 0, f"check mode did not run:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    report = json.loads(done.stdout[start:])
    assert report["stats"], f"check mode reached no host:\n{done.stderr[-2000:]}"
    for play in report["plays"]:
        for task in play["tasks"]:
            for name, result in task["hosts"].items():
                if result.get("changed") or (result.get("failed") and not result.get("ignored")):
                    difference = json.dumps(result.get("diff", ""))[:1000]
                    print(f"{name}: {task['task']['name']}: {result.get('msg', '')} {difference}")
    statistics: dict[str, dict[str, int]] = report["stats"]
    return statistics


def test_check_mode_after_converge_changes_nothing() -> None:
    stats = run_check_mode()
    for name, counts in stats.items():
        assert counts["failures"] == 0, f"{name}: check mode failed"
        assert counts["unreachable"] == 0, f"{name}: not reachable"
        assert counts["changed"] == 0, (
            f"{name}: check mode announces changes on a converged host; the tasks stand above"
        )


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --plain --no-legend") == ""
