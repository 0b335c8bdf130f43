"""The scenario's two instances: upgrading them as an operator does, loading them as their users do, looking at them."""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from testinfra.host import Host

from benchmarks.load import Load, Report, Target

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
HOSTS = Path(os.environ["MOLECULE_HOSTS"])
TEST = Path.home() / ".cache/meentwerk/test"
ENTRIES = yaml.safe_load(HOSTS.read_text())["mastodon_instances"]["hosts"]
AUTHORS, APPS = 5, 5


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
        env=dict(os.environ, ANSIBLE_NOCOLOR="1"),
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


def batch(host: Host, name: str, items: list[dict[str, object]]) -> list[dict[str, str]]:
    question = json.dumps({"contract": 1, "items": items})
    answer = json.loads(host.check_output("echo %s | mastodon-run batch " + name, question))
    results: list[dict[str, str]] = answer["results"]
    return results


class People:
    """Accounts that read, post and follow on one instance."""

    def __init__(self, host: Host) -> None:
        entry = ENTRIES[name_of(host)]
        self.target = Target(entry["ansible_host"], entry["instance_domain"], TEST / "ca-upgrade/ca.pem")
        names = [f"author{number}" for number in range(AUTHORS)]
        everybody = [*names, "reader"]
        # A token is told once: with applications of their own, the tests can be run again
        session = secrets.token_hex(4)
        batch(host, "accounts", [self._account(name) for name in everybody])
        wanted: list[dict[str, object]] = [
            {"username": name, "application": f"{session} {app}", "scopes": "read write follow"}
            for name in everybody
            for app in range(APPS)
        ]
        tokens = [result["token"] for result in batch(host, "tokens", wanted)]
        self.authors, self.reader = tokens[:-APPS], tokens[-1]
        for token in self.authors[::APPS]:
            account = self.target.ask("GET", "/api/v1/accounts/verify_credentials", token)[1]["id"]
            status, _ = self.target.ask("POST", f"/api/v1/accounts/{account}/follow", self.reader)
            assert status == 200

    @staticmethod
    def _account(name: str) -> dict[str, object]:
        return {"username": name, "email": f"{name}@example.org", "confirmed": True, "approved": True}

    @contextmanager
    def busy(self) -> Iterator[Report]:
        """Let them be busy meanwhile; the report is complete at the end of the block."""
        load = Load(self.target, self.authors, self.reader)
        load.start()
        try:
            yield load.report
        finally:
            load.stop()


def nothing_lost(report: Report, what: str) -> None:
    """Print what the load saw, and insist that nobody missed anything."""
    print(f"\n{what}: {report}")
    assert report.failed == []
    assert report.lost_posts == []
    assert report.undelivered == []
    assert report.unseen == []
    assert report.requests > 50, "it was a load"
    assert len(report.posted) > 10
