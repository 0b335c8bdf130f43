"""The check on a whole host: green as site.yml leaves it; red, with a cure, for one thing changed in each area.

What the promise says of a rule that another part of the baseline keeps is tested in that part's own scenario: here the
areas must see a change, name it, and change nothing themselves.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
sys.path.insert(0, str(PROJECT))

from tests.resolver import serving  # noqa: E402  (the path is set above)

HOSTS = os.environ["MOLECULE_HOSTS"]
EVERY = ("health", "controls", "sockets", "tls", "headers", "ssh", "units", "dns", "cis", "lynis")
Areas = dict[str, dict[str, dict[str, str]]]


class Outcome:
    """How one run of playbooks/check.yml ended: exit code, output, results by area and rule."""

    def __init__(self, folder: Path, *words: str) -> None:
        done = subprocess.run(
            ["ansible-playbook", "-i", HOSTS, "playbooks/check.yml", "-e", f"check_report_directory={folder}", *words],
            capture_output=True, text=True, cwd=PROJECT, check=False,
        )  # fmt: skip
        self.code, self.output = done.returncode, done.stdout + done.stderr
        self.json, self.page = folder / "check-1.json", folder / "check-1.html"
        assert self.json.is_file(), self.output[-4000:]
        self.report: dict[str, Any] = json.loads(self.json.read_text())
        self.areas: Areas = {area: {it["id"]: it for it in results} for area, results in self.report["areas"].items()}
        self.changed = re.findall(r"changed=([1-9]\d*)", done.stdout)

    def failed(self) -> set[str]:
        return {name for area in self.areas.values() for name, it in area.items() if it["status"] == "fail"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One run over everything, on the host as site.yml left it."""
    return Outcome(tmp_path_factory.mktemp("whole"))


def test_a_host_as_site_leaves_it_is_green(whole: Outcome) -> None:
    assert whole.failed() == set(), whole.output[-6000:]
    assert whole.code == 0
    assert whole.changed == []


def test_every_area_is_looked_at(whole: Outcome) -> None:
    assert tuple(whole.areas) == EVERY
    for area in ("health", "controls", "sockets", "tls", "headers", "ssh", "units"):
        unknown = {name for name, it in whole.areas[area].items() if it["status"] == "unknown"}
        # What belongs to the real kernel is not run on an embedded host, so nothing is known of it
        unknown = {name for name in unknown if not name.startswith("HRD-")}
        assert not unknown, f"{area}: {unknown}"


def test_it_is_said_how_long_the_whole_site_took(whole: Outcome) -> None:
    """Printed and not judged: a busy machine fails nothing."""
    found = whole.areas["controls"]["CONTROLS-001"]["found"]
    print(found)
    assert re.search(r"took \d+ s", found)


def test_what_is_not_known_is_not_passed(whole: Outcome) -> None:
    """The names are reserved for tests: no resolver of the world knows them."""
    (dns,) = whole.areas["dns"].values()
    assert (dns["status"], "check_resolver" in dns["cure"]) == ("unknown", True)


def test_nothing_changes_on_the_host(host: Host, tmp_path: Path) -> None:
    """No file below /etc, /usr or /var/lib is written by a run, but for what services write by themselves."""
    host.check_output("touch /run/before-the-check; sleep 0.1")
    Outcome(tmp_path, "--tags", "sockets,tls,headers,ssh,units,dns")
    written = host.check_output("find /etc /usr /opt /root /home -xdev -newer /run/before-the-check -type f")
    assert written == ""


def test_dns_is_asked_where_it_is_told(tmp_path: Path) -> None:
    """A zone as the cures of a first run want it: everything passes, and an answer less is found."""
    names = ("check.example.test", "social.check.example.test", "ministry.check.example.test")
    zone = {(".", "SOA"): ["a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 86400"]}
    for name in names:
        zone |= {(name, "A"): ["10.87.70.11"], (name, "AAAA"): ["fd87:6d65:656e::70:11"]}
        zone |= {(name, "CAA"): ['0 issue "ca.example.test"']}
    zone |= {("check.example.test", "TXT"): ['"v=spf1 -all"']}
    zone |= {("_dmarc.check.example.test", "TXT"): ['"v=DMARC1; p=reject"']}
    addresses = '{"check_addresses": ["10.87.70.11", "fd87:6d65:656e::70:11"]}'
    with serving(zone) as resolver:
        words = ("--tags", "dns", "-e", addresses, "-e", f"check_resolver={resolver}")
        found = Outcome(tmp_path, *words)
        assert found.failed() == set(), found.output[-3000:]
        assert {it["status"] for it in found.areas["dns"].values()} == {"pass", "info"}
        del zone["social.check.example.test", "AAAA"]
        found = Outcome(tmp_path, *words)
    assert found.failed() == {"DNS-002"}
    assert "social.check.example.test. IN AAAA fd87:6d65:656e::70:11" in found.output


class Page(HTMLParser):
    """What a browser would load, and the words of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "img", "iframe", "object", "video"}:
            self.loads.append(tag)
        self.loads += [
            value for name, value in attrs if name in {"src", "href"} and value and not value.startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_the_page_needs_nothing_else_and_says_the_same(whole: Outcome) -> None:
    page = Page(whole.page.read_text())
    assert page.loads == []
    assert {rule for area in whole.areas.values() for rule in area} <= set(page.words)
    assert whole.page.stat().st_mode & 0o77 == 0
    assert whole.json.stat().st_mode & 0o77 == 0


def test_health_alone_is_quick(tmp_path: Path) -> None:
    begin = time.monotonic()
    outcome = Outcome(tmp_path, "--tags", "health")
    assert outcome.code == 0
    assert tuple(outcome.areas) == ("health",)
    assert time.monotonic() - begin < 30


TLS = (
    "s/^  ssl_protocols .*/  ssl_protocols TLSv1.1 TLSv1.2 TLSv1.3;/; s/^  ssl_ciphers /  ssl_ciphers ALL:@SECLEVEL=0:/"
)
HSTS = r"s/^\( *\)proxy_hide_header Strict-Transport-Security;/\1# gone/"
DROP_IN = "/etc/systemd/system/nginx.service.d/zz-mutation.conf"
OPEN_UNIT = """[Service]
ProtectSystem=no
ProtectHome=no
PrivateTmp=no
NoNewPrivileges=no
PrivateDevices=no
SystemCallFilter=
RestrictAddressFamilies=
"""
# What is changed: area, command, what puts it back beside nginx.conf, the rules that must fail
MUTATIONS: dict[str, tuple[str, str, str, set[str]]] = {
    "a service listens": (
        "sockets",
        "systemd-run --quiet --unit=strange python3 -m http.server 9100 --bind ::",
        "systemctl stop strange",
        {"SOCKETS-001", "UNITS-strange"},
    ),
    "old TLS": ("tls", f"sed -i '{TLS}' /etc/nginx/nginx.conf", "", {"TLS-001", "TLS-002"}),
    "HSTS twice": ("headers", f"sed -i '{HSTS}' /etc/nginx/nginx.conf", "", {"WEB-002"}),
    "passwords by ssh": (
        "ssh",
        "sed -i.before 's/^PasswordAuthentication no/PasswordAuthentication yes/' /etc/ssh/sshd_config",
        "mv /etc/ssh/sshd_config.before /etc/ssh/sshd_config",
        {"SSH-passwordauthentication"},
    ),
    "an open unit": (
        "units",
        f"mkdir -p $(dirname {DROP_IN}); printf '{OPEN_UNIT}' >{DROP_IN}; systemctl daemon-reload",
        f"rm {DROP_IN}; systemctl daemon-reload",
        {"UNITS-nginx"},
    ),
}


@pytest.fixture
def mutated(host: Host) -> Iterator[None]:
    """Change one thing in each area at once, and put all of it back."""
    host.check_output("cp -p /etc/nginx/nginx.conf /run/nginx.conf.before")
    for _, spoil, _, _ in MUTATIONS.values():
        host.check_output(spoil)
    host.check_output("systemctl reload nginx && sleep 1")
    yield
    for _, _, restore, _ in MUTATIONS.values():
        host.check_output(restore or "true")
    host.check_output("cp -p /run/nginx.conf.before /etc/nginx/nginx.conf && systemctl reload nginx")


@pytest.mark.usefixtures("mutated")
def test_each_change_is_found_with_its_cure(tmp_path: Path) -> None:
    # Drift of the whole site was asked above: here of one role, which takes seconds
    outcome = Outcome(tmp_path, "-e", '{"check_controls_arguments": ["--tags", "nginx"]}')
    assert outcome.code != 0
    for name, (area, _, _, rules) in MUTATIONS.items():
        for rule in rules:
            places = [area, "units"] if rule.startswith("UNITS") else [area]
            found = next(outcome.areas[place][rule] for place in places if rule in outcome.areas[place])
            assert found["status"] == "fail", f"{name}: {found}"
            assert found["cure"], f"{name}: {found}"
            assert rule in outcome.output, f"{name}: the screen does not show {rule}"
    drift = outcome.areas["controls"]["TLS-001"]
    assert drift["status"] == "fail"
    assert "nginx: Write the configuration" in drift["found"]
    assert "cure:" in outcome.output
    assert outcome.changed == []


def test_an_instance_that_is_down_is_found(host: Host, tmp_path: Path) -> None:
    host.check_output("systemctl stop nginx")
    try:
        outcome = Outcome(tmp_path, "--tags", "health,tls,headers")
    finally:
        host.check_output("systemctl start nginx")
    assert outcome.failed() == {"HEALTH-001"}
    assert "Connection refused" in outcome.areas["tls"]["TLS-000"]["found"]
    assert outcome.areas["headers"]["HEADERS-000"]["status"] == "unknown"
