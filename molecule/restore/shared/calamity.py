"""What happens to the instance in this scenario, and what an operator types about it."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import testinfra
import yaml
from testinfra.host import Host

from benchmarks.load import Target
from benchmarks.people import People, settle

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
HOSTS = Path(os.environ["MOLECULE_HOSTS"])
TEST = Path.home() / ".cache/meentwerk/test"
STATE = Path(os.environ.get("MEENTWERK_STATE") or Path.home() / ".cache/meentwerk/embedded")
NAME = "restore-1"
ENTRY = yaml.safe_load(HOSTS.read_text())["mastodon_instances"]["hosts"][NAME]
DOMAIN = ENTRY["instance_domain"]
REPOSITORY = "/srv/vault/tides"


@dataclass(frozen=True)
class Run:
    """One run of a playbook."""

    code: int
    text: str

    @property
    def words(self) -> str:
        """The output without line breaks, to look for sentences in."""
        return " ".join(self.text.split())


def reach(name: str) -> Host:
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={HOSTS}")


def command(playbook: str, **variables: object) -> list[str]:
    """Return the command that an operator would type."""
    extra = ["--extra-vars", json.dumps(variables)] if variables else []
    return ["ansible-playbook", "--inventory", str(HOSTS), f"playbooks/{playbook}.yml", f"--limit={NAME}", *extra]


def play(playbook: str, **variables: object) -> Run:
    """Run a playbook to its end."""
    done = subprocess.run(
        command(playbook, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env=dict(os.environ, ANSIBLE_FORCE_COLOR="0", ANSIBLE_NOCOLOR="1"),
    )
    return Run(done.returncode, done.stdout + done.stderr)


def sql(host: Host, statement: str) -> str:
    answer: str = host.check_output("runuser -u postgres -- psql -XAtqd mastodon -c %s", statement)
    return answer


def people_of(host: Host) -> People:
    """Let accounts live on the instance."""

    def run(name: str, question: str) -> str:
        answer: str = host.check_output("echo %s | mastodon-run batch " + name, question)
        return answer

    return settle(Target(ENTRY["ansible_host"], DOMAIN, TEST / "ca-restore/ca.pem"), run)


@dataclass
class Posts:
    """What was accepted, and when: identifier of the post -> seconds since 1970."""

    accepted: dict[str, float] = field(default_factory=dict)


@contextmanager
def writing(people: People, every: float = 0.2) -> Iterator[Posts]:
    """Post without a pause until the block ends, or nobody answers."""
    posts = Posts()
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.wait(every):
            token = people.authors[number % len(people.authors)]
            number += 1
            try:
                status, answer = people.target.ask("POST", "/api/v1/statuses", token, {"status": f"post {number}"})
            except (OSError, http.client.HTTPException):
                continue
            if status == http.client.OK:
                posts.accepted[answer["id"]] = time.time()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield posts
    finally:
        over.set()
        thread.join(40)


def lose_the_host() -> float:
    """Kill the host without a word and delete its disk; returns when it died."""
    died = time.time()
    while processes := processes_of_the_host():
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    embedded("down", NAME)
    assert not (STATE / "run" / NAME).exists(), "nothing of its disk is left"
    return died


def processes_of_the_host() -> list[int]:
    """List every process of the host, its init among them, by its control group."""
    found = []
    for folder, _, files in os.walk("/sys/fs/cgroup"):
        if f"meentwerk-{NAME}/" in f"{folder}/" and "cgroup.procs" in files:
            with suppress(OSError):
                found += [int(line) for line in Path(folder, "cgroup.procs").read_text().split()]
    return found


def embedded(*arguments: str) -> None:
    """Run scripts/embedded-host."""
    subprocess.run([str(PROJECT / "scripts/embedded-host"), *arguments], check=True, capture_output=True, cwd=PROJECT)


def a_fresh_host() -> None:
    """Boot an empty host in the place of the lost one."""
    address, address6 = ENTRY["ansible_host"], ENTRY["embedded_host_ip6"]
    embedded("up", NAME, "--group=restore", f"--ip4={address}", f"--ip6={address6}", f"--alias={DOMAIN}")
    # ssh's shared connection led to the first host
    shared = ["-o", f"ControlPath={Path.home()}/.cache/meentwerk/embedded/%C", "-O", "exit", f"root@{address}"]
    subprocess.run(["ssh", *shared], capture_output=True, check=False)


def save_repository(place: Host) -> None:
    place.check_output(f"rm -rf {REPOSITORY}.saved && cp --archive {REPOSITORY} {REPOSITORY}.saved")


@contextmanager
def damaged(place: Host, damage: str) -> Iterator[None]:
    """Let a command damage the repository, and bring it back afterwards."""
    save_repository(place)
    place.check_output("cd %s && bash -c %s", REPOSITORY, damage)
    try:
        yield
    finally:
        place.check_output(f"rm -rf {REPOSITORY} && mv {REPOSITORY}.saved {REPOSITORY}")
