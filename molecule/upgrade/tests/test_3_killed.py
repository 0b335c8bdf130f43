"""kill -9 at every stage: the next run completes."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet import PROJECT, command, in_service, nothing_lost, play, release_id, steps
from testinfra.host import Host

from benchmarks.people import People
from tests.ending import kill_all

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
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("TASK [") and task in line:
            time.sleep(0.05)  # it is on its way to the host, or runs there
            kill_all(process)
            return True
    process.wait()
    return False


# Python on the host reads this when it starts: whoever says the stage in the journal dies there, not a moment later.
# Only root's Python finds it: the modules of Ansible, and nothing of the release.
CUSTOM = "/root/.local/lib/python3.13/site-packages/usercustomize.py"
DEADLY = """
import os, signal, syslog
say = syslog.syslog
def last_words(*said):
    say(*said)
    if {stage!r} in said[-1]:
        os.kill(os.getpid(), signal.SIGKILL)
syslog.syslog = last_words
"""


@contextmanager
def deadly(host: Host, stage: str) -> Iterator[None]:
    """Let the switch die when it begins a stage."""
    host.check_output(
        "mkdir --parents %s && printf %%s %s > %s", str(Path(CUSTOM).parent), DEADLY.format(stage=stage), CUSTOM
    )
    try:
        yield
    finally:
        host.check_output("rm %s", CUSTOM)


def dies_at(host: Host, stage: str) -> None:
    """Upgrade; the switch must begin the stage and die there."""
    run = play("upgrade", LIMIT, release="next")
    assert run.code != 0, f"{stage}: was not killed\n{run.text}"
    last = host.check_output("journalctl --identifier=meentwerk --lines=1 --output=cat")
    assert stage in last, f"{stage}: was not reached\n{run.text}"


def test_at_every_stage(canary: Host, people: People) -> None:
    with people.busy() as report:
        # A playbook that is killed a task too late leaves the switch running on the host: there it dies as well
        with deadly(canary, STAGES[0]):
            for task in TASKS[:3]:
                assert kill_playbook_at(task), task
            dies_at(canary, STAGES[0])
        for stage in STAGES[1:]:
            with deadly(canary, stage):
                dies_at(canary, stage)
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
