"""What gets through, from this machine and from a neighbour; and that a mistake takes itself back."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["ansible://firewall-1"]

Knock = Callable[[str, int, str], str]
KEY = Path("~/.cache/meentwerk/embedded/id_ed25519").expanduser()
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
FOUR, SIX = "10.87.22.11", "fd87:6d65:656e::22:11"
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

PROBE = """
import socket, sys
address, port, protocol = sys.argv[1], int(sys.argv[2]), sys.argv[3]
kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
s.settimeout(2)
try:
    s.connect((address, port))
    if protocol == "udp": s.send(b"here")
    print(s.recv(10).decode().strip())
except OSError as error:
    print(type(error).__name__)
"""


def knock_from_here(address: str, port: int, protocol: str = "tcp") -> str:
    done = subprocess.run(
        ["python3", "-c", PROBE, address, str(port), protocol], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def knock_from_neighbour(address: str, port: int, protocol: str = "tcp") -> str:
    neighbour = testinfra.get_host("ansible://firewall-2", ansible_inventory=os.environ["MOLECULE_HOSTS"])
    return str(neighbour.check_output("python3 -c %s %s %s %s", PROBE, address, str(port), protocol))


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
    return str(host.check_output("nft --stateless list table inet meentwerk"))


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

EVERYONE = [("tcp", 22), ("tcp", 8001), ("udp", 8005)]
NOBODY = [("tcp", 8002), ("udp", 8006)]


@pytest.mark.parametrize("address", [FOUR, SIX])
@pytest.mark.parametrize("knock", [knock_from_here, knock_from_neighbour])
@pytest.mark.parametrize(("protocol", "port"), EVERYONE)
def test_allowed_port_answers(knock: Knock, address: str, protocol: str, port: int) -> None:
    assert knock(address, port, protocol).startswith(("here", "SSH-"))


@pytest.mark.parametrize("address", [FOUR, SIX])
@pytest.mark.parametrize("knock", [knock_from_here, knock_from_neighbour])
@pytest.mark.parametrize(("protocol", "port"), NOBODY)
def test_other_port_is_silent(host: Host, knock: Knock, address: str, protocol: str, port: int) -> None:
    assert host.socket(f"{protocol}://:::{port}").is_listening, "a port nobody listens on would prove nothing"
    assert knock(address, port, protocol) == "TimeoutError"


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_group_is_let_in_and_others_are_not(address: str) -> None:
    assert knock_from_neighbour(address, 8003) == "here"
    assert knock_from_here(address, 8003) == "TimeoutError"


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
        answer = raw.recvfrom(200)[0]
        assert b"\x4d\x57\x00\x01" in answer


def test_going_out_is_open(host: Host) -> None:
    assert host.run("python3 -c %s %s %s %s", PROBE, "10.87.22.12", "22", "tcp").stdout.startswith("SSH-")


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
        assert knock_from_here(FOUR, 8002) == "TimeoutError"
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
    assert ansible("converge.yml").returncode == 0


def test_second_apply_goes_back_to_what_was_confirmed(host: Host) -> None:
    before = table(host)
    with candidate(host, LOCKING) as path:
        host.check_output(f"{TOOL} apply --seconds 6 {path}")
        host.check_output(f"{TOOL} apply --seconds 6 {path}")
        time.sleep(8)
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


def test_role_tells_of_a_lock_out_and_the_next_run_converges(host: Host) -> None:
    before = table(host)
    done = ansible("lockout.yml")
    assert done.returncode == 2, done.stdout[-2000:]
    assert "were not confirmed" in done.stdout
    time.sleep(12)
    assert ssh_answers()
    assert table(host) == before
    assert ansible("converge.yml").returncode == 0
    assert host.run(f"{TOOL} status").rc == 0


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
        ({"firewall_ssh_ports": [2222]}, "this run came in on port 22"),
        ({"firewall_allow": [{"name": "x", "port": 80, "sources": ["10.0.0.300"]}]}, "firewall_allow[0] 'x'"),
        ({"firewall_rollback_seconds": 5}, "expected 20 to 3600"),
    ],
)
def test_refused_before_anything_changes(host: Host, extra: dict[str, object], message: str) -> None:
    before = table(host)
    done = ansible("converge.yml", **extra)
    assert done.returncode == 2
    assert message in done.stdout
    assert "changed=0" in done.stdout
    assert table(host) == before
