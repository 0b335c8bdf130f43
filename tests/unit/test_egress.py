"""Where an application may not go, and which exceptions its configuration asks for."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plugins import load

EGRESS = load("plugins/filter/egress.py")
RESOLVE = load("plugins/modules/meentwerk_resolve.py")
DENIED = [ipaddress.ip_network(text) for text in EGRESS.private_networks()]


def denied(address: str) -> bool:
    return any(ipaddress.ip_address(address) in network for network in DENIED)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "::1",
        "::",
        "fd00::1",
        "fe80::1",
        "::10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "2002:a00:1::1",
        "ff02::1",
    ],
)
def test_out_of_reach(address: str) -> None:
    assert denied(address)


@pytest.mark.parametrize(
    "address", ["198.41.0.4", "9.9.9.9", "172.32.0.1", "100.128.0.1", "2620:fe::fe", "64:ff9b::9.9.9.9"]
)
def test_public_addresses_stay_in_reach(address: str) -> None:
    assert not denied(address)


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_out_of_reach(address: ipaddress.IPv4Address) -> None:
    if not address.is_global and address not in ipaddress.ip_network("192.0.0.0/24"):
        assert denied(str(address))


@given(st.ip_addresses(v=4))
def test_nat64_is_no_way_around(address: ipaddress.IPv4Address) -> None:
    behind = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))
    assert denied(str(behind)) == denied(str(address))


def test_no_network_lies_within_another() -> None:
    for one in DENIED:
        assert not [
            other for other in DENIED if other is not one and other.version == one.version and one.overlaps(other)
        ]


def hosts(**environment: object) -> list[tuple[str, int, str]]:
    return [(e["host"], e["port"], e["protocol"]) for e in EGRESS.configured_hosts(environment)]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SMTP_SERVER": "mail.example.org"}, [("mail.example.org", 587, "tcp")]),
        ({"SMTP_SERVER": "10.0.0.25", "SMTP_PORT": 25}, [("10.0.0.25", 25, "tcp")]),
        ({"S3_ENDPOINT": "https://s3.example.org"}, [("s3.example.org", 443, "tcp")]),
        ({"S3_ENDPOINT": "http://[fd00::5]:9000/x"}, [("fd00::5", 9000, "tcp")]),
        ({"http_proxy": "proxy.example.org:3128"}, [("proxy.example.org", 3128, "tcp")]),
        ({"REDIS_URL": "unix:///run/valkey/valkey.sock"}, []),
        ({"DATABASE_URL": "postgresql://u:secret@db.example.org/x"}, [("db.example.org", 5432, "tcp")]),
        ({"DB_HOST": "/run/postgresql", "ES_HOST": "", "ES_PORT": "9200"}, []),
        ({"STATSD_ADDR": "10.0.0.9:8125"}, [("10.0.0.9", 8125, "udp")]),
        ({"REDIS_SENTINELS": "10.0.0.1:26379, 10.0.0.2"}, [("10.0.0.1", 26379, "tcp"), ("10.0.0.2", 26379, "tcp")]),
        ({"MASTODON_PROMETHEUS_EXPORTER_ENABLED": "true"}, [("localhost", 9394, "tcp")]),
        ({"MASTODON_PROMETHEUS_EXPORTER_HOST": "10.0.0.1"}, []),
        ({"LDAP_HOST": "ldap.example.org", "LDAP_PORT": "636"}, [("ldap.example.org", 636, "tcp")]),
        ({"S3_ENDPOINT": "https://s3.example.org:nonsense"}, []),
    ],
)
def test_hosts_of_the_configuration(environment: dict[str, object], expected: list[tuple[str, int, str]]) -> None:
    assert hosts(**environment) == expected


def test_database_and_cache() -> None:
    both = EGRESS.configured_hosts({}, "10.0.0.4", 5433, "rediss://:secret@cache.example.org:6380/0")
    assert [(e["name"], e["host"], e["port"]) for e in both] == [
        ("database", "10.0.0.4", 5433),
        ("cache", "cache.example.org", 6380),
    ]
    assert EGRESS.configured_hosts({}, "/run/postgresql", 5432, "unix:///run/valkey/valkey.sock") == []
    assert "secret" not in str(both)


def test_only_private_addresses_need_a_rule() -> None:
    entries = [
        {"name": "mail", "host": "mail.example.org", "port": 587, "protocol": "tcp"},
        {"name": "peer", "host": "10.87.61.12"},
        {"name": "net", "host": "10.1.0.0/24", "port": 443},
        {"name": "public", "host": "9.9.9.9", "port": 443},
        {"name": "gone", "host": "gone.example.org", "port": 443},
    ]
    assert EGRESS.names(entries) == ["gone.example.org", "mail.example.org"]
    resolved = {"mail.example.org": ["9.9.9.10", "10.0.0.25", "fd00::25"], "gone.example.org": []}
    rules = EGRESS.rules(entries, resolved, ["127.0.0.53", "9.9.9.9"])
    assert [(r["address"], r["port"], r["protocol"]) for r in rules] == [
        ("10.0.0.25", 587, "tcp"),
        ("10.1.0.0/24", 443, "tcp"),
        ("10.87.61.12", 443, "tcp"),
        ("127.0.0.53", 53, "tcp"),
        ("127.0.0.53", 53, "udp"),
        ("fd00::25", 587, "tcp"),
    ]
    assert EGRESS.addresses(rules) == ["10.0.0.25", "10.1.0.0/24", "10.87.61.12", "127.0.0.53", "fd00::25"]


def test_the_order_of_answers_changes_nothing() -> None:
    entries = [{"name": "db", "host": "db.example.org", "port": 5432}]
    one = EGRESS.rules(entries, {"db.example.org": ["10.0.0.2", "10.0.0.1"]}, ["10.0.0.53", "127.0.0.1"])
    other = EGRESS.rules(entries, {"db.example.org": ["10.0.0.1", "10.0.0.2"]}, ["127.0.0.1", "10.0.0.53"])
    assert one == other


def test_name_servers() -> None:
    text = "# made by x\nsearch example.org\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\noptions edns0\n"
    assert RESOLVE.name_servers(text.splitlines()) == ["10.0.0.53", "fe80::1"]
    assert RESOLVE.name_servers([]) == ["127.0.0.1"]
    assert RESOLVE.resolve("localhost")
    assert RESOLVE.resolve("no-such-host.invalid") == []
