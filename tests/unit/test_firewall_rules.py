"""Rules for confined accounts: what is wrong with a request, and the lines it becomes."""

from typing import Any

import pytest

from tests.plugins import load

RULES = load("roles/firewall/filter_plugins/firewall_rules.py")
FINE: dict[str, Any] = {"name": "database", "address": "10.1.2.3", "port": 5432}


@pytest.mark.parametrize(
    ("user", "change", "message"),
    [
        ("root", {}, "user 'root' is no name of an account that can be confined"),
        ("a; drop", {}, "is no name of an account"),
        ("mastodon", {"name": 'x" accept'}, "a name has letters, digits"),
        ("mastodon", {"port": 0}, "port '0' is not a number from 1 to 65535"),
        ("mastodon", {"port": "80-90"}, "port '80-90' is not a number"),
        ("mastodon", {"address": "db.example.org"}, "source 'db.example.org' is neither"),
        ("mastodon", {"address": "10.1.2.3/24"}, "write 10.1.2.0/24"),
    ],
)
def test_a_wrong_request_is_told(user: str, change: dict[str, Any], message: str) -> None:
    (problem,) = RULES.firewall_confined_problems([{"user": user, "allow": [FINE | change]}])
    assert message in problem
    assert problem.startswith("firewall_confined")


def test_a_right_one_becomes_lines() -> None:
    allow = [FINE, {"name": "dns", "address": "fd00::53", "port": 53, "protocol": "udp"}]
    assert RULES.firewall_confined_problems([{"user": "mastodon", "allow": allow}]) == []
    assert RULES.firewall_confined_lines(allow) == [
        'ip daddr 10.1.2.3 tcp dport 5432 accept comment "database"',
        'ip6 daddr fd00::53 udp dport 53 accept comment "dns"',
    ]
