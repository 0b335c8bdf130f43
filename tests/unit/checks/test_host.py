"""What the host says of itself: sockets, units, sshd, and what the module check_host reads it from."""

import importlib.util
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from meentwerk.checks.judge import sockets, ssh, units
from meentwerk.checks.model import Result, Status
from meentwerk.checks.probe import ports, ssh_audit

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    place = ROOT / "roles/check/library/check_host.py"
    spec = importlib.util.spec_from_file_location("check_host", place)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def by_id(results: list[Result]) -> Mapping[str, Result]:
    return {it.id: it for it in results}


SS = """\
udp UNCONN 0 0 192.0.2.11%host0:68 0.0.0.0:* users:(("systemd-network",pid=40,fd=20))
udp UNCONN 0 0 0.0.0.0:443 0.0.0.0:* users:(("nginx",pid=70,fd=17),("nginx",pid=71,fd=17))
tcp LISTEN 0 511 0.0.0.0:443 0.0.0.0:* users:(("nginx",pid=70,fd=13))
tcp LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=59,fd=7))
tcp LISTEN 0 128 [::1]:9100 [::]:*
tcp LISTEN 0 128 *:80 *:*
"""


def test_sockets_are_read(module: ModuleType) -> None:
    found = module.parse_sockets(SS)
    assert [(it["protocol"], it["address"], it["port"], it["process"]) for it in found] == [
        ("udp", "192.0.2.11%host0", 68, "systemd-network"),
        ("udp", "0.0.0.0", 443, "nginx"),
        ("tcp", "0.0.0.0", 443, "nginx"),
        ("tcp", "[::]", 22, "sshd"),
        ("tcp", "[::1]", 9100, ""),
        ("tcp", "*", 80, ""),
    ]


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/ssh.service\n", "ssh.service"),
        ("0::/system.slice/system-postgresql.slice/postgresql@17-main.service\n", "postgresql@17-main.service"),
        ("0::/user.slice/user-0.slice/user@0.service/app.slice/x.service\n", "x.service"),
        ("0::/init.scope\n", ""),
    ],
)
def test_the_service_of_a_process_is_found(module: ModuleType, cgroup: str, unit: str) -> None:
    assert module.unit_of(cgroup) == unit


def test_settings_of_sshd_are_read(module: ModuleType) -> None:
    text = "port 22\nhostkey /etc/ssh/a\nhostkey /etc/ssh/b\nciphers a,b\n"
    assert module.parse_settings(text) == {"port": "22", "hostkey": ["/etc/ssh/a", "/etc/ssh/b"], "ciphers": "a,b"}


def test_addresses_are_those_that_stay(module: ModuleType) -> None:
    info = [
        {"scope": "global", "local": "192.0.2.11"},
        {"scope": "global", "local": "2001:db8::11"},
        {"scope": "global", "local": "2001:db8::f00", "temporary": True},
        {"scope": "link", "local": "fe80::1"},
    ]
    assert module.parse_addresses(json.dumps([{"addr_info": info}, {}])) == ["192.0.2.11", "2001:db8::11"]


def test_a_program_that_fails_leaves_unknown(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found = module.look(["sockets", "units", "ssh"])
    assert "ss: " in found["sockets"]["unknown"]
    assert "unknown" in found["units"]
    assert "unknown" in found["ssh"]["settings"]


# --- sockets

ALLOWED = [{"protocol": "tcp", "port": port} for port in (22, 80, 443)] + [
    {"protocol": "udp", "port": 443, "required": False}
]


def listening(*places: tuple[str, str, int]) -> list[dict[str, Any]]:
    return [{"protocol": kind, "address": address, "port": port, "process": "x"} for kind, address, port in places]


WANTED = [("tcp", address, port) for address in ("0.0.0.0", "[::]") for port in (22, 80, 443)]


def judge_sockets(
    *more: tuple[str, str, int], scan: Mapping[str, Any] | None = None, without: int = 0
) -> Mapping[str, Result]:
    places = [it for it in WANTED if it[2] != without] + list(more)
    measured = {"listening": listening(*places), "scan": scan or {}}
    return by_id(sockets.judge(measured, {"allowed": ALLOWED, "ipv6": True}))


def test_what_is_promised_listens_and_nothing_else() -> None:
    found = judge_sockets(("tcp", "127.0.0.1", 5432), ("udp", "[::1]", 323), ("udp", "0.0.0.0", 443))
    assert {it.status for it in found.values()} == {Status.PASS}


@pytest.mark.parametrize(
    "place", [("tcp", "0.0.0.0", 5432), ("tcp", "*", 9100), ("udp", "[::]", 161), ("tcp", "10.0.0.5%eth1", 25)]
)
def test_a_strange_socket_is_found(place: tuple[str, str, int]) -> None:
    found = judge_sockets(place)["SOCKETS-001"]
    assert found.status is Status.FAIL
    assert f"{place[0]} {place[2]} (x)" in found.found


def test_a_missing_socket_is_found_by_family() -> None:
    assert "tcp 443 on IPv4" in judge_sockets(without=443)["SOCKETS-002"].found
    found = judge_sockets(("tcp", "0.0.0.0", 443), without=443)["SOCKETS-002"]
    assert (found.status, found.found) == (Status.FAIL, "missing: tcp 443 on IPv6")


def test_the_scan_from_outside_counts_too() -> None:
    seen = {"192.0.2.11": {"open": [22, 80, 443, 5432], "asked": 9}, "2001:db8::11": {"unknown": "no route"}}
    found = judge_sockets(scan=seen)
    assert found["SOCKETS-003-IPV4"].status is Status.FAIL
    assert "5432" in found["SOCKETS-003-IPV4"].found
    assert found["SOCKETS-003-IPV6"].status is Status.UNKNOWN


def test_the_scan_finds_an_open_port_and_no_closed_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = ports.scan("127.0.0.1", [port])
        assert port in found["open"]  # type: ignore[operator]
    assert port not in ports.scan("127.0.0.1", [port]).get("open", [])  # type: ignore[operator]


# --- units


def judge_units(*running: tuple[str, float | None, bool]) -> Mapping[str, Result]:
    limits = [
        {"unit": "nginx.service", "exposure": 2.4},
        {"unit": "mastodon-web@*.service", "exposure": 1.2, "required": False},
    ]
    measured = {"units": [{"unit": unit, "exposure": figure, "network": network} for unit, figure, network in running]}
    promise = {"limits": limits, "network": 3.0, "exempt": {"ssh.service": "sessions inherit it"}}
    return by_id(units.judge(measured, promise))


def test_exposure_is_compared_with_the_units_own_limit() -> None:
    found = judge_units(
        ("nginx.service", 2.4, True), ("mastodon-web@a.service", 1.3, False), ("cron.service", 9.6, False)
    )
    assert found["UNITS-nginx"].status is Status.PASS
    assert found["UNITS-mastodon-web@a"].status is Status.FAIL
    assert "UNITS-cron" not in found, "it neither listens nor is named"


def test_another_unit_that_listens_has_the_common_limit() -> None:
    found = judge_units(("nginx.service", 1.0, True), ("strange.service", 3.1, True), ("odd.service", None, True))
    assert found["UNITS-strange"].status is Status.FAIL
    assert found["UNITS-odd"].status is Status.UNKNOWN


def test_what_can_have_no_sandbox_is_told_with_its_reason() -> None:
    found = judge_units(("nginx.service", 1.0, True), ("ssh.service", 9.6, True))["UNITS-ssh"]
    assert (found.status, found.found) == (Status.INFO, "9.6: sessions inherit it")


def test_a_promised_unit_that_does_not_run_is_drift() -> None:
    assert "nginx.service" in judge_units(("cron.service", 9.6, False))["UNITS-000"].found


# --- ssh

SETTINGS = {
    "passwordauthentication": "no",
    "maxauthtries": {"max": 4},
    "permitrootlogin": {"any": ["no", "prohibit-password"]},
}
AUDIT = {"failures": [], "warnings": [], "post_quantum": ["mlkem768x25519-sha256"]}


def judge_ssh(settings: dict[str, Any], audit: dict[str, Any]) -> Mapping[str, Result]:
    promise = {"settings": SETTINGS, "failures": 0, "warnings": 0}
    return by_id(ssh.judge({"settings": settings, "audit": audit}, promise))


def test_settings_and_audit_as_promised_pass() -> None:
    found = judge_ssh({"passwordauthentication": "no", "maxauthtries": "3", "permitrootlogin": "no"}, AUDIT)
    assert {it.status for it in found.values()} == {Status.PASS}


def test_each_setting_that_differs_is_named() -> None:
    found = judge_ssh({"passwordauthentication": "yes", "maxauthtries": "6"}, AUDIT)
    assert {it.id for it in found.values() if it.status is Status.FAIL} == {
        "SSH-passwordauthentication", "SSH-maxauthtries", "SSH-permitrootlogin",
    }  # fmt: skip


def test_findings_of_ssh_audit_are_named() -> None:
    report = {
        "kex": [
            {"algorithm": "mlkem768x25519-sha256", "notes": {"info": ["x"]}},
            {"algorithm": "ecdh-sha2-nistp256", "notes": {"fail": ["suspected"], "warn": ["weak"]}},
        ],
        "mac": [{"algorithm": "hmac-sha1", "notes": {"warn": ["small"]}}],
    }
    found = judge_ssh({}, ssh_audit.read(report))
    assert found["SSH-AUDIT-1"].found == "1: ecdh-sha2-nistp256 (suspected)"
    assert found["SSH-AUDIT-2"].found == "2: ecdh-sha2-nistp256 (weak), hmac-sha1 (small)"
    assert found["SSH-AUDIT-3"].status is Status.PASS


def test_a_host_that_bans_the_auditor_is_unknown() -> None:
    audit = ssh_audit.audit("127.0.0.1", 9)
    found = judge_ssh({"unknown": "sshd: not found"}, audit)
    assert {it.status for it in found.values()} == {Status.UNKNOWN}
    assert "PerSourcePenalties" in found["SSH-AUDIT-1"].cure
