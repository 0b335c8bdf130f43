"""The whole site, run again. Named to be the first: later tests make accounts, and the tools for those open copies."""

import os
import subprocess
import time


def test_it_changes_nothing_and_tells_how_long_it_took() -> None:
    """The time is printed and not judged; two public roles take 161 s and 103 s for their hardening alone."""
    begin = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", "-i", os.environ["MOLECULE_HOSTS"], "playbooks/site.yml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=dict(os.environ, ANSIBLE_NOCOLOR="1", ANSIBLE_FORCE_COLOR="0"),
    )
    print(f"the whole site, nothing to change: {time.monotonic() - begin:.0f} s")
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count("changed=0 ") == done.stdout.count("changed="), done.stdout[-3000:]
