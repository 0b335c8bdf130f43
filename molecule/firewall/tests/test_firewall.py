"""What gets through, from this machine and from a neighbour; and that a mistake takes itself back."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["ansible://firewall-1"]

KEY = Path("~/.cache/meentwerk/embedded/id_ed25519").expanduser()
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
FOUR, SIX = "10.87.22.11", "fd87:6d65:656e::22:11"
CANDIDATE = "/var/lib/meentwerk/firewall/candidate.nft"
TOOL = "/usr/local/sbin/meentwerk-firewall"
# Lets the open connections live, as a careless rule set does: nobody notices before the next login
LOCKING = """table inet meentwerk {
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    meta l4proto ipv6-icmp accept
    ct state established accept
  }
}
"""

# Knocks on many doors at once: what is dropped answers only by the clock
PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def knock(door):
    address, protocol, port = door
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as s:
        s.settimeout(3)
        try:
            s.connect((address, port))
            if protocol == "udp":
                s.send(b"here")
            return s.recv(4).decode()
        except OSError as error:
            return type(error).__name__

print(json.dumps(list(ThreadPoolExecutor(20).map(knock, json.loads(sys.argv[1])))))
"""
Door = tuple[str, str, int]
ALLOWED = {("tcp", 22): "SSH-", ("tcp", 8001): "here", ("udp", 8005): "here"}
DENIED = [("tcp", 8002), ("udp", 8006)]
DOORS: list[Door] = [(a, *d) for a in (FOUR, SIX) for d in (*ALLOWED, *DENIED, ("tcp", 8003))]


def knock_from_here(doors: list[Door]) -> dict[Door, str]:
    done = subprocess.run(["python3", "-c", PROBE, json.dumps(doors)], capture_output=True, text=True, check=True)
    return dict(zip(doors, json.loads(done.stdout), strict=True))


def knock_from_neighbour(doors: list[Door]) -> dict[Door, str]:
    neighbour = testinfra.get_host("ansible://firewall-2", ansible_inventory=os.environ["MOLECULE_HOSTS"])
    return dict(
        zip(doors, json.loads(neighbour.check_output("python3 -c %s %s", PROBE, json.dumps(doors))), strict=True)
    )


@pytest.fixture(scope="module")
def heard() -> dict[str, dict[Door, str]]:
    """What every door answered, by place of the one who knocked."""
    # A host that took the place of an earlier one has a new hardware address, which this machine's
    # neighbour table notices after some seconds only
    end = time.monotonic() + 20
    while not (ssh_answers(FOUR) and ssh_answers(SIX)) and time.monotonic() < end:
        time.sleep(0.5)
    return {"here": knock_from_here(DOORS), "neighbour": knock_from_neighbour(DOORS)}


def ssh_answers(address: str = FOUR) -> bool:
    try:
        with socket.create_connection((address, 22), 1.5) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def ssh(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command over a connection of its own."""
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ControlPath=none"]
    arguments = [word for option in options for word in ("-o", option)]
    return subprocess.run(
        ["ssh", *arguments, "-i", str(KEY), f"root@{FOUR}", command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def table(host: Host) -> str:
    return str(host.check_output("nft --stateless --terse list table inet meentwerk"))


def ansible(playbook: str, **extra: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ansible-playbook", "-i", os.environ["MOLECULE_HOSTS"], "-e", json.dumps(extra), str(SCENARIO / playbook)],
        capture_output=True,
        text=True,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        check=False,
    )


@contextmanager
def candidate(host: Host, text: str) -> Iterator[str]:
    host.check_output("printf %%s %s > /root/candidate.nft", text)
    yield "/root/candidate.nft"
    host.run("rm /root/candidate.nft")


# ---------------------------------------------------------------- what gets through

Heard = dict[str, dict[Door, str]]


@pytest.mark.parametrize("address", [FOUR, SIX])
@pytest.mark.parametrize("place", ["here", "neighbour"])
@pytest.mark.parametrize(("protocol", "port"), ALLOWED)
def test_allowed_port_answers(heard: Heard, place: str, address: str, protocol: str, port: int) -> None:
    assert heard[place][address, protocol, port] == ALLOWED[protocol, port]


@pytest.mark.parametrize("address", [FOUR, SIX])
@pytest.mark.parametrize("place", ["here", "neighbour"])
@pytest.mark.parametrize(("protocol", "port"), DENIED)
def test_other_port_is_silent(heard: Heard, place: str, address: str, protocol: str, port: int) -> None:
    assert heard[place][address, protocol, port] == "TimeoutError"


def test_denied_ports_have_listeners(host: Host) -> None:
    """Silence of a port on which nobody listens would prove nothing."""
    doors = [("127.0.0.1", *door) for door in DENIED]
    answers = json.loads(host.check_output("python3 -c %s %s", PROBE, json.dumps(doors)))
    assert answers == ["here", "here"]


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_group_is_let_in_and_others_are_not(heard: Heard, address: str) -> None:
    assert heard["neighbour"][address, "tcp", 8003] == "here"
    assert heard["here"][address, "tcp", 8003] == "TimeoutError"


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_ping(address: str) -> None:
    """Without ping installed: an echo request made by hand, as only root may."""
    family, protocol, kind = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128) if ":" in address else (socket.AF_INET, socket.IPPROTO_ICMP, 8)
    )
    with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
        raw.settimeout(3)
        body = bytes([kind, 0, 0, 0, 0x4D, 0x57, 0, 1])
        checksum = 0xFFFF - (kind * 256 + 0x4D57 + 1) % 0xFFFF
        raw.sendto(body[:2] + checksum.to_bytes(2, "big") + body[4:], (address, 0))
        # The socket hears every message of the protocol, neighbour discovery between the two included
        while not ((answer := raw.recvfrom(200))[1][0] == address and b"\x4d\x57\x00\x01" in answer[0]):
            pass


def test_going_out_is_open(host: Host) -> None:
    assert json.loads(host.check_output("python3 -c %s %s", PROBE, '[["10.87.22.12", "tcp", 22]]')) == ["SSH-"]


def test_a_confined_account_reaches_what_is_listed_and_nothing_private(host: Host) -> None:
    places = [
        ["10.87.22.12", "tcp", 22],
        [SIX.replace(":11", ":12"), "tcp", 22],
        ["127.0.0.1", "tcp", 22],
        [FOUR, "tcp", 22],
    ]
    ask = ("python3 -c %s %s", PROBE, json.dumps(places))
    assert json.loads(host.check_output(*ask)) == ["SSH-"] * 4
    start = time.monotonic()
    told = json.loads(host.check_output(f"runuser -u confined -- {ask[0]}", *ask[1:]))
    assert told[0] == "SSH-"
    assert "SSH-" not in told[1:]
    assert "TimeoutError" not in told, "refused at once"
    assert time.monotonic() - start < 10
    account = host.user("confined")
    assert account.shell == "/usr/sbin/nologin"
    assert f"meta skuid {account.uid} jump" in table(host), "a number: a name that is gone would open the host at boot"


def test_one_source_opens_so_many_connections_to_ssh_and_no_more() -> None:
    knocks: list[Door] = [(FOUR, "tcp", 22)] * 60
    neighbour = testinfra.get_host("ansible://firewall-2", ansible_inventory=os.environ["MOLECULE_HOSTS"])
    heard = json.loads(neighbour.check_output("python3 -c %s %s", PROBE, json.dumps(knocks)))
    assert 20 <= heard.count("SSH-") <= 40
    assert "TimeoutError" in heard
    assert ssh_answers(FOUR), "who is not counted comes in all the same"
    assert json.loads(neighbour.check_output("python3 -c %s %s", PROBE, json.dumps([(FOUR, "tcp", 8001)]))) == ["here"]


# ---------------------------------------------------------------- what stays, what comes back


def test_tables_of_others_survive(host: Host) -> None:
    assert "192.0.2.66" in host.check_output("nft list table inet others")


def test_status(host: Host) -> None:
    done = host.run(f"{TOOL} status --json")
    assert done.rc == 0
    assert json.loads(done.stdout)["state"] == "in force"


def test_restart_of_the_service_gives_the_same_rules_and_leaves_others(host: Host) -> None:
    service = host.service("nftables")
    assert service.is_enabled
    assert service.is_running
    before = table(host)
    host.check_output("systemctl restart nftables.service")
    assert table(host) == before
    assert "192.0.2.66" in host.check_output("nft list table inet others")


def test_boot_from_nothing_gives_the_same_rules(host: Host) -> None:
    before = table(host)
    host.check_output("nft delete table inet meentwerk && systemctl stop nftables && systemctl start nftables")
    assert table(host) == before
    assert host.run(f"{TOOL} status").rc == 0


def test_stopping_the_service_does_not_open_the_host(host: Host) -> None:
    host.check_output("systemctl stop nftables.service")
    try:
        assert set(knock_from_here([(FOUR, "tcp", 8002), (SIX, "tcp", 8002)]).values()) == {"TimeoutError"}
    finally:
        host.check_output("systemctl start nftables.service")


def test_rules_removed_by_hand_come_back_with_the_next_run(host: Host) -> None:
    before = table(host)
    host.check_output("nft flush chain inet meentwerk services")
    assert host.run(f"{TOOL} status").rc == 3
    done = ansible("converge.yml")
    assert done.returncode == 0, done.stdout[-2000:]
    assert table(host) == before
    assert host.run(f"{TOOL} status").rc == 0


# ---------------------------------------------------------------- no lock-out


def test_locking_rules_are_taken_back(host: Host) -> None:
    before = table(host)
    with candidate(host, LOCKING) as path:
        host.check_output(f"{TOOL} apply --seconds 8 {path}")
        start = time.monotonic()
        assert not ssh_answers(FOUR)
        assert not ssh_answers(SIX)
        while not ssh_answers() and time.monotonic() - start < 30:
            time.sleep(0.5)
        assert 4 < time.monotonic() - start < 15
    assert ssh_answers(SIX)
    assert table(host) == before
    assert host.run(f"{TOOL} status").rc == 0
    assert host.run(f"{TOOL} confirm").rc == 6
    assert "192.0.2.66" in host.check_output("nft list table inet others")
    assert host.check_output("systemctl list-timers --all --no-legend 'meentwerk-firewall-rollback-*'") == ""


def test_only_a_new_connection_confirms(host: Host) -> None:
    before = table(host)
    with candidate(host, before) as path:
        same = ssh(f"{TOOL} apply --seconds 20 {path} && {TOOL} confirm")
        assert same.returncode == 6
        assert "older than the rules" in same.stderr
        assert ssh(f"{TOOL} status").stdout.startswith("unconfirmed")
        assert ssh(f"{TOOL} confirm").returncode == 0
    assert host.run(f"{TOOL} status").rc == 0
    # Back to the file the role wrote, the way an operator would
    assert ssh(f"{TOOL} apply {CANDIDATE}").returncode == 0
    assert ssh(f"{TOOL} confirm").returncode == 0
    assert host.run(f"{TOOL} status --candidate {CANDIDATE}").rc == 0


def test_second_apply_goes_back_to_what_was_confirmed(host: Host) -> None:
    before = table(host)
    with candidate(host, LOCKING) as path:
        host.check_output(f"{TOOL} apply --seconds 5 {path} && {TOOL} apply --seconds 5 {path}")
        time.sleep(6)
    assert table(host) == before


def test_rollback_by_hand(host: Host) -> None:
    before = table(host)
    with candidate(host, LOCKING) as path:
        # One connection: the rules let no other in, and rollback asks for none
        host.check_output(f"{TOOL} apply --seconds 60 {path} && {TOOL} rollback")
    assert ssh_answers()
    assert table(host) == before
    assert host.check_output("systemctl list-timers --all --no-legend 'meentwerk-firewall-rollback-*'") == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flush ruleset\n" + LOCKING, "flush ruleset"),
        ("table inet meentwerk { chain input { no such thing } }", "not accepted by nft"),
        ("", "is empty"),
    ],
)
def test_bad_candidate_changes_nothing(host: Host, text: str, message: str) -> None:
    before = table(host)
    with candidate(host, text) as path:
        done = host.run(f"{TOOL} apply {path}")
    assert done.rc == 2
    assert message in done.stderr
    assert table(host) == before
    assert host.run(f"{TOOL} status").rc == 0


def test_role_tells_of_a_lock_out_and_the_host_goes_back(host: Host) -> None:
    before = table(host)
    done = ansible("lockout.yml")
    assert done.returncode == 2, done.stdout[-2000:]
    assert "were not confirmed" in done.stdout
    end = time.monotonic() + 20
    while not ssh_answers() and time.monotonic() < end:
        time.sleep(0.5)
    assert table(host) == before
    assert host.run(f"{TOOL} status --candidate {CANDIDATE}").rc == 0


def test_killed_between_apply_and_confirm(host: Host) -> None:
    """The controller dies: the host goes back by itself, and a run before that moment converges as well."""
    before = table(host)
    with candidate(host, LOCKING.replace("ct state", "tcp dport 22 accept\n    ct state")) as path:
        host.check_output(f"{TOOL} apply --seconds 60 {path}")
        assert host.run(f"{TOOL} status").stdout.startswith("unconfirmed")
        done = ansible("converge.yml")
    assert done.returncode == 0, done.stdout[-2000:]
    assert table(host) == before
    assert host.run(f"{TOOL} status").rc == 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"firewall_ssh_sources": ["192.0.2.0/24"]}, "this run comes from 10.87.0.1"),
        ({"firewall_allow": [{"name": "x", "port": 80, "sources": ["10.0.0.300"]}]}, "firewall_allow[0] 'x'"),
    ],
)
def test_refused_before_anything_changes(host: Host, extra: dict[str, object], message: str) -> None:
    before = table(host)
    done = ansible("converge.yml", **extra)
    assert done.returncode == 2
    assert message in done.stdout
    assert "changed=0" in done.stdout
    assert table(host) == before
