"""A killed process leaves nothing, not even what has a session of its own."""

import subprocess
import sys

import psutil

from tests.ending import kill_all

# A child with a session of its own, with a child again: as Ansible's workers and their ssh
FAMILY = """
import subprocess, sys
child = "import subprocess; subprocess.Popen(['sleep', '60']); print('ready', flush=True); input()"
subprocess.run([sys.executable, "-c", child], start_new_session=True)
"""


def test_nothing_of_it_is_left() -> None:
    process = subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 2
    kill_all(process)
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    kill_all(process)  # what has ended is no error
