"""What the world reaches of a host, and what the application on it reaches of the world."""

import json
import os
import re
import subprocess
import time

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["ansible://services-1"]

FOUR, SIX = "10.87.61.11", "fd87:6d65:656e::61:11"
PEER4, PEER6 = "10.87.61.12", "fd87:6d65:656e::61:12"
OPEN = {22, 80, 443}


@pytest.fixture(scope="module")
def neighbour() -> Host:
    return testinfra.get_host("ansible://services-2", ansible_inventory=os.environ["MOLECULE_HOSTS"])


# ---------------------------------------------------------------- from outside


@pytest.mark.parametrize(("address", "family"), [(FOUR, "-4"), (SIX, "-6")])
def test_nothing_but_ssh_and_the_web_answers_on_any_port(neighbour: Host, address: str, family: str) -> None:
    scan = neighbour.check_output(f"nmap {family} -n -Pn -sS -p- -T5 --min-rate 8000 --max-retries 1 -oG - {address}")
    assert "Ignored State: filtered (65532)" in scan, scan
    assert {int(port) for port in re.findall(r"(\d+)/open/tcp", scan)} == OPEN


def test_the_scan_would_see_an_open_port(host: Host) -> None:
    """The exporter listens on every address, and the loopback of the host itself reaches it."""
    assert "*:9100" in host.check_output("ss -Htln")


# Listens on several UDP ports and answers; then every port is asked from outside
ECHO = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    chosen.register(s, selectors.EVENT_READ)
while True:
    for key, _ in chosen.select():
        data, where = key.fileobj.recvfrom(100)
        key.fileobj.sendto(data, where)
"""
ASK_ALL = """
import select, socket, sys, time
address = sys.argv[1]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
heard = set()
def listen(seconds):
    while select.select([s], [], [], seconds)[0]:
        heard.add(s.recvfrom(100)[1][1])
for _ in range(2):
    for port in range(1, 65536):
        try:
            s.sendto(b"x", (address, port))
        except OSError:
            pass
        if port % 200 == 0:
            listen(0.002)
    listen(1)
print(*sorted(heard))
"""
UDP = (53, 123, 443, 5353, 60000)


@pytest.fixture(scope="module")
def echo(host: Host) -> object:
    ports = " ".join(map(str, UDP))
    host.check_output(f"systemd-run --quiet --unit=echo python3 -c %s {ports}", ECHO)
    yield
    host.check_output("systemctl stop echo")


@pytest.mark.parametrize("address", [FOUR, SIX])
@pytest.mark.usefixtures("echo")
def test_no_udp_port_answers_although_there_are_listeners(host: Host, neighbour: Host, address: str) -> None:
    inside = host.check_output("python3 -c %s %s", ASK_ALL, "::1" if ":" in address else "127.0.0.1")
    assert set(map(int, inside.split())) >= set(UDP), "the question itself works"
    assert neighbour.check_output("python3 -c %s %s", ASK_ALL, address) == ""


def test_too_many_connections_to_ssh_are_dropped(neighbour: Host) -> None:
    """A flood from one source stops at the firewall, and everybody else comes in."""
    knock = (
        "import socket, sys\n"
        "heard = 0\n"
        "for _ in range(90):\n"
        "    s = socket.socket(); s.settimeout(.3)\n"
        "    try: s.connect((sys.argv[1], 22)); heard += 1\n"
        "    except OSError: pass\n"
        "    s.close()\n"
        "print(heard)"
    )
    assert 50 <= int(neighbour.check_output("python3 -c %s %s", knock, FOUR)) <= 75


# ---------------------------------------------------------------- from inside

# Runs as another account and within the cgroup of a service, if asked to; then tries to connect
PROBE = """
import json, os, pwd, socket, sys, time
user, group, *places = sys.argv[1:]
if group:
    open(f"/sys/fs/cgroup{group}/cgroup.procs", "w").write(str(os.getpid()))
if user:
    entry = pwd.getpwnam(user)
    os.setgroups([]); os.setgid(entry.pw_gid); os.setuid(entry.pw_uid)
told = {}
for place in places:
    address, _, port = place.rpartition("/")
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(3)
    start = time.monotonic()
    try:
        s.connect((address, int(port)))
        told[place] = "connected"
    except OSError as error:
        # TCP over IPv6 tries once more, after a second
        told[place] = type(error).__name__ if time.monotonic() - start > 2 else "refused"
print(json.dumps(told))
"""
FORBIDDEN = [
    "169.254.169.254/80",
    "10.255.255.1/443",
    "192.168.0.1/443",
    "127.0.0.1/22",
    "127.0.0.1/9100",
    "127.0.0.2/80",
    "::1/22",
    f"{FOUR}/22",
    f"{FOUR}/443",
    f"{SIX}/443",
    f"::ffff:{FOUR}/443",
    # The peer, but not what is listed of it
    f"{PEER4}/22",
    f"{PEER6}/443",
]
ALLOWED = f"{PEER4}/443"


def probe(host: Host, user: str, unit: str, *places: str) -> dict[str, str]:
    group = host.check_output(f"systemctl show -P ControlGroup '{unit}'") if unit else ""
    words = " ".join(f"'{word}'" for word in (user, group, *places))
    told: dict[str, str] = json.loads(host.check_output(f"python3 -c %s {words}", PROBE))
    return told


def units(host: Host) -> list[str]:
    listed = host.check_output("systemctl list-units --plain --no-legend 'mastodon-*@*.service' --state=running")
    return sorted(line.split()[0] for line in listed.splitlines() if not line.startswith("mastodon-hold"))


def test_what_is_forbidden_has_somebody_listening(host: Host) -> None:
    """Refusal by a port on which nobody listens would prove nothing."""
    local = [place for place in FORBIDDEN if place.startswith(("127.", "::", FOUR, SIX, PEER4, PEER6))]
    assert set(probe(host, "", "", *local).values()) == {"connected"}


def test_the_application_reaches_nothing_private_but_what_is_listed(host: Host) -> None:
    running = units(host)
    assert [unit.partition("@")[0] for unit in running] == ["mastodon-sidekiq", "mastodon-streaming", "mastodon-web"]
    for unit in running:
        told = probe(host, "mastodon", unit, *FORBIDDEN, ALLOWED)
        assert told.pop(ALLOWED) == "connected", unit
        # At once: a worker that waits for a timeout is a way to stop an instance
        assert set(told.values()) == {"refused"}, (unit, told)


def test_each_wall_holds_alone(host: Host) -> None:
    """By cgroup without the account, by account without the cgroup."""
    web = next(unit for unit in units(host) if unit.startswith("mastodon-web"))
    by_systemd = ["169.254.169.254/80", "127.0.0.1/22", "::1/22", f"{FOUR}/22", f"{PEER6}/443"]
    told = probe(host, "", web, *by_systemd, ALLOWED)
    assert told.pop(ALLOWED) == "connected"
    assert "connected" not in told.values(), told
    told = probe(host, "mastodon", "", *FORBIDDEN, ALLOWED)
    assert told.pop(ALLOWED) == "connected"
    assert set(told.values()) == {"refused"}, told


def test_others_go_where_they_like(host: Host) -> None:
    assert probe(host, "nobody", "", f"{PEER4}/22", f"{PEER6}/443") == {
        f"{PEER4}/22": "connected",
        f"{PEER6}/443": "connected",
    }


def test_the_name_servers_stay_in_reach(host: Host) -> None:
    servers = re.findall(r"^nameserver (\S+)", host.file("/etc/resolv.conf").content_string, re.MULTILINE)
    ask = "import socket, sys\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', (sys.argv[1], 53)); print('sent')"
    for server in servers:
        assert host.check_output(f"runuser -u mastodon -- python3 -c %s {server}", ask) == "sent"


def test_the_command_line_is_confined_as_the_service_is(host: Host) -> None:
    """A release with one program that tries to connect, run as tootctl is."""
    host.check_output("mkdir -p /opt/mastodon/releases/probe/bin")
    script = "#!/bin/sh\nexec python3 -c \"$(cat /opt/mastodon/releases/probe/probe.py)\" '' '' \"$@\"\n"
    host.check_output("printf %%s %s > /opt/mastodon/releases/probe/probe.py", PROBE)
    host.check_output(
        "printf %%s %s > /opt/mastodon/releases/probe/bin/probe; chmod 755 /opt/mastodon/releases/probe/bin/probe",
        script,
    )
    try:
        told = json.loads(host.check_output(f"mastodon-run --release probe probe {' '.join(FORBIDDEN)} {ALLOWED}"))
    finally:
        host.check_output("rm -r /opt/mastodon/releases/probe")
    assert told.pop(ALLOWED) == "connected"
    assert set(told.values()) == {"refused"}, told


# ---------------------------------------------------------------- the application itself

SHELL = [f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/scripts/embedded-host", "shell", "services-1"]


def batch(name: str, item: dict[str, object]) -> dict[str, str]:
    done = subprocess.run(
        [*SHELL, "mastodon-run", "batch", name],
        input=json.dumps({"contract": 1, "dry_run": False, "items": [item]}),
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, str] = json.loads(done.stdout)["results"][0]
    return result


EDIT = """
import json, ssl, sys, time, urllib.parse, urllib.request
token, *links = sys.argv[1:]
context = ssl.create_default_context(cafile="/etc/ssl/meentwerk/ca.pem")
def ask(path, data=None, method="GET"):
    url = "https://services.example.test" + path
    request = urllib.request.Request(url, data, {"Authorization": "Bearer " + token}, method=method)
    return json.load(urllib.request.urlopen(request, context=context, timeout=20))
form = {}
for number, link in enumerate(links):
    form[f"fields_attributes[{number}][name]"] = str(number)
    form[f"fields_attributes[{number}][value]"] = link
ask("/api/v1/accounts/update_credentials", urllib.parse.urlencode(form).encode(), "PATCH")
for _ in range(40):
    fields = ask("/api/v1/accounts/verify_credentials")["fields"]
    if fields[0]["verified_at"]:
        break
    time.sleep(.5)
print(json.dumps([bool(field["verified_at"]) for field in fields]))
"""


def test_the_application_asks_the_peer_and_nobody_else(host: Host) -> None:
    """A link in a profile is verified by the application: it fetches the page that the profile names."""
    person = {"username": "locks", "email": "locks@services.example.test", "confirmed": True, "approved": True}
    batch("accounts", {**person, "role": None, "password": "only-for-this-scenario", "locale": "en"})
    token = batch("tokens", {"username": "locks", "application": f"Scenario {time.time()}", "scopes": "read write"})[
        "token"
    ]
    links = ["https://peer.services.example.test/", f"https://[{PEER6}]/", "https://services.example.test/"]
    assert json.loads(host.check_output(f"python3 -c %s {token} {' '.join(links)}", EDIT)) == [True, False, False]
