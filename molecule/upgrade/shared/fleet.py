"""The scenario's two instances: upgrading them as an operator does, loading them as their users do, looking at them."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml
from testinfra.host import Host

from benchmarks.load import Report, Target
from benchmarks.people import People, settle

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
HOSTS = Path(os.environ["MOLECULE_HOSTS"])
TEST = Path.home() / ".cache/meentwerk/test"
ENTRIES = yaml.safe_load(HOSTS.read_text())["mastodon_instances"]["hosts"]


@dataclass(frozen=True)
class Run:
    """One run of a playbook."""

    code: int
    text: str

    @property
    def words(self) -> str:
        """The output without line breaks, to look for sentences in."""
        return " ".join(self.text.split())


def command(playbook: str, *arguments: str, **variables: object) -> list[str]:
    """Return the command that an operator would type."""
    extra = ["--extra-vars", json.dumps(variables)]
    return ["ansible-playbook", "--inventory", str(HOSTS), f"playbooks/{playbook}.yml", *arguments, *extra]


def play(playbook: str, *arguments: str, **variables: object) -> Run:
    """Run a playbook to its end; the variable `release` names one of those that prepare.yml built."""
    done = subprocess.run(
        command(playbook, *arguments, **variables),
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env=dict(os.environ, ANSIBLE_NOCOLOR="1", ANSIBLE_FORCE_COLOR="0"),
    )
    return Run(done.returncode, done.stdout + done.stderr)


def archive(release: str) -> Path:
    """Return the archive of one of the releases."""
    return next((TEST / "upgrade" / release).glob("*.tar.zst"))


def release_id(release: str) -> str:
    return archive(release).name.removesuffix(".tar.zst")


def name_of(host: Host) -> str:
    return str(host.ansible.get_variables()["inventory_hostname"])


def in_service(host: Host) -> str:
    """Return the release that `current` names; all its units, and no others, must run and start with the machine."""
    link: str = host.check_output("readlink /opt/mastodon/current").removeprefix("releases/")
    mine = sorted(f"mastodon-{part}@{link}.service" for part in ("web", "streaming", "sidekiq"))
    shown = host.check_output(
        "systemctl list-units --plain --no-legend --state=active 'mastodon-*@*-debian13-*.service'"
    )
    assert sorted(line.split()[0] for line in shown.splitlines()) == mine
    wants = host.check_output("ls /etc/systemd/system/mastodon.target.wants").split()
    assert sorted(name for name in wants if "debian13" in name) == mine
    return link


def steps(host: Host) -> list[str]:
    """Return the versions that the database records."""
    query = "SELECT version FROM schema_migrations ORDER BY 1"
    versions: list[str] = host.check_output("runuser -u postgres -- psql -At mastodon -c %s", query).split()
    return versions


def people_of(host: Host) -> People:
    """Let accounts live on an instance."""

    def run(name: str, question: str) -> str:
        answer: str = host.check_output("echo %s | mastodon-run batch " + name, question)
        return answer

    entry = ENTRIES[name_of(host)]
    return settle(Target(entry["ansible_host"], entry["instance_domain"], TEST / "ca-upgrade/ca.pem"), run)


def nothing_lost(report: Report, what: str) -> None:
    """Print what the load saw, and insist that nobody missed anything."""
    print(f"\n{what}: {report}")
    assert report.failed == []
    assert report.lost_posts == []
    assert report.undelivered == []
    assert report.unseen == []
    assert report.requests > 50, "it was a load"
    assert len(report.posted) > 10
