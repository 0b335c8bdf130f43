"""Ends what a test has started, as a crash of the machine would: at once, and nothing of it goes on."""

import subprocess
from collections.abc import Callable
from contextlib import suppress

import psutil


def kill_all(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill a process and all its children. A signal to its group is not enough: workers of Ansible have sessions of
    their own, and work on.
    """
    known: list[psutil.Process] = []
    # None of them may start another one while they are listed
    while fresh := [one for one in _family(process.pid) if one not in known]:
        for one in fresh:
            _send(one, psutil.Process.suspend)
        known += fresh
    for one in known:
        _send(one, psutil.Process.kill)
    process.wait()


def _family(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _send(one: psutil.Process, what: Callable[[psutil.Process], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        what(one)
