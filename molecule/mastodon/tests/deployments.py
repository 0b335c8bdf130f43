"""Deploying from a test, as an operator would: by running the playbook with other variables."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from testinfra.host import Host

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
RELEASES = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "releases"


@dataclass(frozen=True)
class Run:
    """One run of the playbook."""

    code: int
    text: str

    @property
    def changed(self) -> int:
        return self._count("changed")

    @property
    def words(self) -> str:
        """The output without line breaks and quoting, to look for sentences in."""
        return " ".join(self.text.split())

    def _count(self, name: str) -> int:
        recap = self.text.rpartition("PLAY RECAP")[2]
        return int(recap.partition(f"{name}=")[2].split()[0])


def deploy(*arguments: str, **variables: object) -> Run:
    """Run converge.yml with extra variables."""
    command = ["ansible-playbook", "--inventory", os.environ["MOLECULE_HOSTS"], str(SCENARIO / "converge.yml")]
    done = subprocess.run(
        [*command, *arguments, "--extra-vars", json.dumps(variables)],
        capture_output=True,
        text=True,
        check=False,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=dict(os.environ, ANSIBLE_NOCOLOR="1"),
    )
    return Run(done.returncode, done.stdout + done.stderr)


def archive(name: str) -> Path:
    """Return the archive of one of the releases that prepare.yml built: first, next or sick."""
    return next((RELEASES / name).glob("*.tar.zst"))


def release_id(name: str) -> str:
    return archive(name).name.removesuffix(".tar.zst")


@dataclass(frozen=True)
class State:
    """What is in service."""

    link: str
    running: dict[str, str]
    """Unit -> identifier of its current run, which changes with every start."""
    at_boot: tuple[str, ...]
    releases: frozenset[str]


def look(host: Host) -> State:
    lines = host.check_output("systemctl show -p Id,ActiveState,InvocationID 'mastodon-*@*-debian13-*.service'")
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in lines.split("\n\n") if block]
    wants = host.check_output("ls /etc/systemd/system/mastodon.target.wants").split()
    return State(
        link=host.check_output("readlink /opt/mastodon/current").removeprefix("releases/"),
        running={block["Id"]: block["InvocationID"] for block in blocks if block["ActiveState"] == "active"},
        at_boot=tuple(sorted(name for name in wants if "debian13" in name)),
        releases=frozenset(host.check_output("ls -A /opt/mastodon/releases").split()),
    )


def units(identifier: str) -> tuple[str, ...]:
    return tuple(sorted(f"mastodon-{name}@{identifier}.service" for name in ("web", "streaming", "sidekiq")))
