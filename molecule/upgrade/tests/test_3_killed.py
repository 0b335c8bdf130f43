"""kill -9 at every stage: the next run completes."""

import os
import signal
import subprocess
import threading
import time

from fleet import PROJECT, command, in_service, nothing_lost, play, release_id, steps
from testinfra.host import Host

from benchmarks.people import People

LIMIT = "--limit=upgrade-1"
# What the playbook prints when it begins a stage on the controller's side
TASKS = (
    "Copy the archive",
    "Verify hash and signature, then unpack",
    "Take the schema steps that come before",
    "Take the schema steps that come after",
)
# What the switch says in the journal, in its order
STAGES = (
    "web and streaming start",
    "web and streaming are asked",
    "becomes the current release",
    "takes no new jobs",
    "sidekiq starts",
    "everything is asked",
    " stop",
    "is alone now",
    "will start with the machine",
)


def kill_playbook_at(task: str) -> bool:
    """Start an upgrade and kill it, with all its children, when it begins a task; tells whether it got there."""
    process = subprocess.Popen(
        command("upgrade", LIMIT, release="next"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=PROJECT,
        env=dict(os.environ, ANSIBLE_NOCOLOR="1", PYTHONUNBUFFERED="1"),
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("TASK [") and task in line:
            time.sleep(0.2)  # it is on its way to the host, or runs there; the next task must not begin
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    process.wait()
    return False


# Follows what the switch says and kills whoever says it
ASSASSIN = """
import os, signal, subprocess, sys
command = ["timeout", "120", "journalctl", "--identifier=meentwerk", "--since=@" + sys.argv[1], "--follow"]
with subprocess.Popen([*command, "--lines=all", "--quiet"], stdout=subprocess.PIPE, text=True) as journal:
    for line in journal.stdout:
        if sys.argv[2] in line:
            os.kill(int(line.partition("meentwerk[")[2].partition("]")[0]), signal.SIGKILL)
            print("killed")
            break
    journal.kill()
"""


class Assassin(threading.Thread):
    """Kills the module on the host when the journal names a stage."""

    def __init__(self, host: Host, stage: str) -> None:
        super().__init__(daemon=True)
        self.host, self.stage = host, stage
        self.since = host.check_output("date +%s")
        self.struck = False

    def run(self) -> None:
        self.struck = self.host.run("python3 -c %s %s %s", ASSASSIN, self.since, self.stage).stdout.strip() == "killed"


def test_at_every_stage(canary: Host, people: People) -> None:
    with people.busy() as report:
        for task in TASKS[:3]:
            assert kill_playbook_at(task), task
        reached = []
        for stage in STAGES:
            assassin = Assassin(canary, stage)
            assassin.start()
            run = play("upgrade", LIMIT, release="next")
            if run.code == 0:
                break
            assassin.join(5)
            assert assassin.struck, run.text
            reached.append(stage)
        print("\nkilled at:", ", ".join(reached))
        assert len(reached) >= 6
        kill_playbook_at(TASKS[3])
        final = play("upgrade", LIMIT, release="next")
        assert final.code == 0, final.text
    assert in_service(canary) == release_id("next")
    assert {"20260920000100", "20260920000200"} <= set(steps(canary))
    left = canary.check_output("ls -A /opt/mastodon/releases").split()
    assert all(name.startswith("sandbox-") for name in left), "nothing half-done lies around"
    nothing_lost(report, "killed at every stage")
    again = play("upgrade", LIMIT, release="next")
    assert again.code == 0
    assert "changed=0" in again.text
