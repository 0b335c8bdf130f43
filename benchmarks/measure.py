"""Runs what is measured, and says what it cost: time on the clock, processor here and on the hosts, rounds to them."""

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from meentwerk.console import note
from meentwerk.embedded import boot
from meentwerk.embedded.state import Host, state_directory
from meentwerk.errors import MeentwerkError

SHOWN_LINES = 40
# sshd tells of each command it is sent; at its usual level it would not
SPEAKING_SSHD = """
echo 'LogLevel VERBOSE' >/etc/ssh/sshd_config.d/10-benchmark.conf
systemctl reload ssh
"""
ROUNDS = """
journalctl --quiet --output=cat --identifier=sshd --identifier=sshd-session | grep -c '^Starting session: ' || true
"""


@dataclass(frozen=True)
class Cost:
    """What a command cost."""

    begin: float
    """Seconds since 1970."""
    end: float
    controller_cpu: float
    """Processor seconds of the command and its children on this machine."""
    host_cpu: float
    """Processor seconds of all hosts together."""
    rounds: int
    """Commands that the hosts' sshd were sent, all hosts together: each starts a shell and mostly a python."""

    @property
    def seconds(self) -> float:
        """Time on the clock."""
        return self.end - self.begin


def ssh_command(host: Host) -> list[str]:
    """Return the ssh command line to a host, without the command that runs there; it verifies the host's identity."""
    state = state_directory()
    return [
        "ssh", "-F", "none", "-i", str(state / "id_ed25519"), "-o", f"UserKnownHostsFile={state / 'known_hosts'}",
        "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", f"root@{host.ip4}",
    ]  # fmt: skip


def ask(host: Host, script: str) -> str:
    """Run a shell script on a host and return what it prints."""
    done = subprocess.run([*ssh_command(host), "sh -eu"], input=script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MeentwerkError(f"{host.name} could not be asked: {done.stderr.strip()}")
    return done.stdout


def prepare(host: Host) -> None:
    """Let a host count the commands it is sent."""
    ask(host, SPEAKING_SSHD)


def _processor(host: Host) -> float:
    """Return the processor seconds of a host since its boot, as its own cgroup counts them."""
    text = Path(f"/proc/{boot.leader(host)}/root/sys/fs/cgroup/cpu.stat").read_text()
    values = dict(line.split() for line in text.splitlines())
    return int(values["usage_usec"]) / 1_000_000


def _rounds(host: Host) -> int:
    return int(ask(host, ROUNDS))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command: Sequence[str], log: Path, hosts: Sequence[Host], *, stdin: Path | None = None,
        environment: Mapping[str, str] | None = None) -> Cost:  # fmt: skip
    """Run a command whose output goes to `log`, and return its cost; a failure shows the end of the log."""
    asked = sum(_rounds(host) for host in hosts)
    processor = sum(_processor(host) for host in hosts)
    children, begin = _children(), time.time()
    with log.open("wb") as output, (stdin or Path(os.devnull)).open("rb") as source:
        process = subprocess.Popen(
            list(command),
            stdin=source,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=Path(__file__).parents[1],
        )
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            raise
    end = time.time()
    if code:
        tail = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        note("\n".join(f"    {line}" for line in tail))
        raise MeentwerkError(f"{command[0]} ended with {code}", cure=f"the whole log: {log}")
    return Cost(
        begin,
        end,
        _children() - children,
        sum(_processor(host) for host in hosts) - processor,
        # each count is a command itself, and the one before began after its own
        sum(_rounds(host) for host in hosts) - asked - len(hosts),
    )
