"""The scenario from the controller's side: accounts on the instances, the check with its own DNS, the capture."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml
from testinfra.host import Host
from urllib3.util import connection

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
CA = Path.home() / ".cache/meentwerk/test/ca-identities/ca.pem"
PLACE = SCENARIO / ".cache/identities"
ADDRESSES = {
    "social.tides.example.test": "10.87.100.11",
    "social.lakes.example.test": "10.87.100.12",
    "register.example.test": "10.87.100.12",
}
ORGANISATIONS = "https://register.example.org/organisations"
PASSWORD = "a rehearsal's word"  # of accounts that live for minutes


@dataclass(frozen=True)
class Case:
    """An account, the page its profile links to, and what is expected of each."""

    page: str
    organisation: str
    back: str
    strict: str
    server: bool | None
    """Whether the server calls it verified; None where it does not matter."""
    words: str = ""
    extra: tuple[tuple[str, str], ...] = ()


STORM, DUNES = "https://www.storm.example.test", "https://www.dunes.example.test"
TIDES = "https://www.tides.example.test"
CASES: dict[str, Case] = {
    "right": Case(f"{TIDES}/right", "tides", "pass", "pass", True),
    "nolink": Case("https://www.lakes.example.test/nolink", "lakes", "fail", "fail", False, "does not link back"),
    "gone": Case("https://www.lakes.example.test/gone", "lakes", "fail", "fail", False, "answers 404"),
    "within": Case("https://dunes.example.test/within", "dunes", "pass", "pass", True),
    "stranger": Case(f"{DUNES}/stranger", "dunes", "pass", "fail", True),
    "downgrade": Case(f"{DUNES}/downgrade", "dunes", "unknown", "fail", False, "not https"),
    "endless": Case(f"{DUNES}/endless", "dunes", "fail", "fail", False, "more than 3 redirects"),
    "headredirect": Case(f"{DUNES}/headredirect", "dunes", "pass", "pass", True, "redirects to the profile"),
    "wrongcase": Case(f"{STORM}/wrongcase", "storm", "pass", "pass", True),
    "slash": Case(f"{STORM}/slash", "storm", "fail", "fail", False, "ends in a slash"),
    "script": Case(f"{STORM}/script", "storm", "fail", "fail", False, "works without scripts"),
    "late": Case(f"{STORM}/late", "storm", "fail", "fail", False, "first MB"),
    "huge": Case(f"{STORM}/huge", "storm", "fail", "fail", False, "first MB"),
    "slow": Case(f"{STORM}/slow", "storm", "unknown", "unknown", None, "did not finish"),
    "inside": Case(f"{STORM}/inside", "storm", "fail", "fail", False, "10.87.100.66, which is not public"),
    "rebinding": Case(f"{STORM}/rebinding", "storm", "fail", "fail", None, "10.87.100.66, which is not public"),
    "ended": Case("https://old.example.test/ended", "ended", "pass", "pass", True, extra=(("register", "fail"),)),
    "twice": Case(
        "https://twice.example.test/twice", "twice", "pass", "pass", True, extra=(("profile_link", "unknown"),)
    ),
}
# name, domain, until, further names of domains
REGISTER = f"""identifier,name,until,domains,accounts
{ORGANISATIONS}/tides,Ministry of Tides,,tides.example.test,@right@tides.example.test
{ORGANISATIONS}/lakes,Municipality of Lakes,,lakes.example.test,
{ORGANISATIONS}/dunes,Province of Dunes,,dunes.example.test,
{ORGANISATIONS}/storm,Storm Agency,,storm.example.test,
{ORGANISATIONS}/ended,Old Town,2020-01-01,old.example.test,
{ORGANISATIONS}/twice,Twice,,twice.example.test,
{ORGANISATIONS}/other,Twice too,,twice.example.test,
{ORGANISATIONS}/impostor,Impostor,,t1des.example.test,
"""


def handle(name: str) -> str:
    return f"{name}@tides.example.test"


def batch(host: Host, name: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask bin/batch on an instance."""
    question = json.dumps({"contract": 1, "items": items})
    answer = json.loads(host.check_output("echo %s | mastodon-run batch " + name, question))
    assert not [result for result in answer["results"] if result["error"]], answer
    results: list[dict[str, Any]] = answer["results"]
    return results


def people(host: Host, names: list[str], domain: str) -> dict[str, str]:
    """Make accounts and return a token for each."""
    more = {"password": PASSWORD, "confirmed": True, "approved": True}
    batch(host, "accounts", [{"username": name, "email": f"{name}@{domain}", **more} for name in names])
    scopes = "read write follow"
    items = [{"username": name, "application": f"run {os.getpid()}", "scopes": scopes} for name in names]
    return {name: result["token"] for name, result in zip(names, batch(host, "tokens", items), strict=True)}


def session() -> requests.Session:
    """A client of the instances, by their names, with their certificates checked."""
    real = connection.create_connection

    def here(address: tuple[str, int], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # the library's own
        return real((ADDRESSES.get(address[0], address[0]), address[1]), *arguments, **options)

    connection.create_connection = here
    made = requests.Session()
    made.trust_env = False
    made.verify = str(CA)
    return made


def configure() -> Path:
    """Write the configuration and the register; return the file."""
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "register.csv").write_text(REGISTER)
    settings = {
        "contact": "https://register.example.org/robots",
        "site": "https://register.example.test",
        "registers": [
            {
                "name": "official",
                "kind": "csv",
                "source": "register.csv",
                "columns": {"until": "until", "accounts": "accounts"},
            }
        ],
        "accounts": [
            {"handle": handle(name)}
            | ({} if name == "right" else {"organisation": f"{ORGANISATIONS}/{case.organisation}"})
            for name, case in CASES.items()
        ]
        + [{"handle": "news@social.lakes.example.test"}],
        "allow_networks": ["10.87.100.0/26"],
        "trust": str(CA),
    }
    file = PLACE / "identities.yml"
    file.write_text(yaml.safe_dump(settings))
    return file


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `meentwerk identities` as an operator would, with the scenario's name server instead of the machine's."""
    files = {
        "resolv.conf": "nameserver 10.87.100.13\noptions timeout:2 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",
    }
    steps = []
    for name, text in files.items():
        (PLACE / name).write_text(text)
        steps.append(f"mount --bind {PLACE / name} /etc/{name}")
    script = f'{" && ".join(steps)} && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-m", "meentwerk.cli", "identities"]
    if os.geteuid():
        command = ["sudo", "-n", *command]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, cwd=PLACE, timeout=200)


def play(name: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook over the scenario's hosts."""
    command = ["ansible-playbook", "--inventory", str(SCENARIO / "hosts.yml"), f"playbooks/{name}.yml"]
    environment = dict(os.environ, ANSIBLE_NOCOLOR="1")
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT, env=environment)


def captured(host: Host) -> list[str]:
    """Return "to port from" of every conversation that began on a host."""
    lines: list[str] = host.check_output("cat /run/capture.log").splitlines()
    assert lines[0] == "listening", "the capture runs"
    return lines[1:]
