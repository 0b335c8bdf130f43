"""Addresses of embedded hosts: which are refused, and with what words."""

from pathlib import Path

import pytest
from meentwerk.embedded import network
from meentwerk.embedded.boot import hosts_block
from meentwerk.embedded.state import Host
from meentwerk.errors import MeentwerkError

OTHER = Host("other", "10.87.1.11", "fd87:6d65:656e::1:11")


def test_an_address_of_another_host_is_refused_by_its_name() -> None:
    host = Host("new", "10.87.1.11", "fd87:6d65:656e::1:12")
    with pytest.raises(MeentwerkError, match="belongs to the embedded host other"):
        network.check_addresses(host, [OTHER])


@pytest.mark.parametrize(
    ("ip4", "ip6", "said"),
    [
        ("10.88.0.1", "fd87:6d65:656e::1:12", "embedded hosts live in 10.87.0.0/16"),
        ("10.87.0.1", "fd87:6d65:656e::1:12", "is this machine"),
        ("10.87.1.12", "fd00::1", "embedded hosts live in fd87"),
        ("web-1", "fd87:6d65:656e::1:12", "no IPv4 address"),
        ("10.87.1.12", "", "no IPv6 address"),
    ],
)
def test_wrong_addresses_are_refused(ip4: str, ip6: str, said: str) -> None:
    with pytest.raises(MeentwerkError, match=said):
        network.check_addresses(Host("new", ip4, ip6), [OTHER])


def test_free_addresses_do_not_repeat() -> None:
    taken: set[str] = set()
    for _ in range(244):
        ip4, _ = network.free_address(taken)
        assert ip4 not in taken
        taken.add(ip4)
    with pytest.raises(MeentwerkError, match="every automatic address"):
        network.free_address(taken)


def test_interface_names_fit_the_kernel_and_differ() -> None:
    # IFNAMSIZ: 15 characters
    names = {network.interface(Host("x", f"10.87.{third}.{last}", "::")) for third in range(256) for last in range(256)}
    assert len(names) == 256 * 256
    assert max(map(len, names)) <= 15


def test_hosts_file_names_every_peer_on_both_protocols() -> None:
    block = hosts_block([Host("db", "10.87.1.2", "fd87::2", ["db.example.test"])])
    assert "10.87.1.2 db db.example.test\n" in block
    assert "fd87::2 db db.example.test\n" in block


def test_a_loopback_resolver_is_replaced_by_its_upstream(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts = {
        "/etc/resolv.conf": "nameserver 127.0.0.53\n",
        "/run/systemd/resolve/resolv.conf": "nameserver 192.0.2.53\n",
    }
    for name, text in texts.items():
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(network, "Path", lambda name: tmp_path / str(name).lstrip("/"))
    assert network.resolver() == "nameserver 192.0.2.53\n"
