"""The words an operator writes, turned into rules or refused; no host is asked."""

import pytest

from tests.plugins import load

rules = load("roles/firewall/filter_plugins/firewall_rules.py")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("10.0.0.300", "firewall_allow[0] 'metrics': source '10.0.0.300' is neither"),
        ("10.0.0.5/8", "write 10.0.0.0/8"),
        ("2001:db8::/129", "'2001:db8::/129' is neither"),
        ("fd00::1/64", "write fd00::/64"),
        ("::ffff:192.0.2.1", "write the IPv4 address"),
        ("monitorng", "'monitorng' is neither an IPv4 or IPv6 address or network nor a group"),
        ("example.org", "'example.org' is neither"),
        ("", "'' is neither"),
        ("10.0.0.1; flush ruleset", "is neither"),
    ],
)
def test_a_bad_source_is_named_with_its_place(source: str, message: str) -> None:
    rule = {"name": "metrics", "port": 9100, "sources": [source]}
    (problem,) = rules.firewall_problems([rule], {"monitoring": ["192.0.2.1"]}, [], [22])
    assert message in problem


@pytest.mark.parametrize("port", ["0", "65536", "9-8", "http", "80,443", "-1", "", "80 accept"])
def test_a_bad_port_is_refused(port: str) -> None:
    (problem,) = rules.firewall_problems([{"name": "x", "port": port}], {}, [], [22])
    assert f"port '{port}'" in problem


def test_every_problem_at_once() -> None:
    problems = rules.firewall_problems(
        [{"name": 'a" drop', "port": 1, "protocol": "sctp"}, {"name": "b", "port": 1}, {"name": "b", "port": 2}],
        {"Bad-Name": ["192.0.2.1"], "empty": [], "wrong": ["nowhere"]},
        ["somewhere"],
        [],
    )
    assert [p.split(":")[0] for p in problems] == [
        "firewall_groups 'Bad-Name'",
        "firewall_groups 'empty'",
        "firewall_groups 'wrong'",
        "firewall_allow[0] 'a\" drop'",
        "firewall_allow[0] 'a\" drop'",
        "firewall_allow",
        "firewall_ssh_sources",
        "firewall_ssh_ports",
    ]


def test_sources_become_one_match_per_family() -> None:
    groups = {"office": ["192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32"]}
    assert rules.firewall_matches(["office", "192.0.2.7", "198.51.100.1"], groups) == [
        "ip saddr { 192.0.2.0/24, 198.51.100.1 } ",
        "ip6 saddr { 2001:db8::/32 } ",
    ]
    assert rules.firewall_matches([], groups) == [""]
    assert rules.firewall_matches(["0.0.0.0/0", "10.0.0.1"], groups) == ["meta nfproto ipv4 "]


@pytest.mark.parametrize(
    ("seen", "sources", "ports", "expected"),
    [
        ("192.0.2.7 50000 192.0.2.1 22", [], [22], ""),
        ("192.0.2.7 50000 192.0.2.1 22", ["office"], [22], ""),
        ("::ffff:192.0.2.7 50000 ::ffff:192.0.2.1 22", ["office"], [22], ""),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", ["fe80::/10"], [22], ""),
        ("198.51.100.1 50000 192.0.2.1 22", ["office"], [22], "comes from 198.51.100.1"),
        ("2001:db8::1 50000 2001:db8::2 22", ["office"], [22], "comes from 2001:db8::1"),
        ("192.0.2.7 50000 192.0.2.1 2222", [], [22], "came in on port 2222"),
        ("", ["office"], [22], ""),
    ],
)
def test_a_run_that_would_shut_itself_out(seen: str, sources: list[str], ports: list[int], expected: str) -> None:
    said = rules.firewall_lockout(seen, sources, {"office": ["192.0.2.0/24"]}, ports)
    assert expected in said if expected else said == ""


tool = load("roles/firewall/files/meentwerk_firewall.py")


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("table inet meentwerk {\n chain input { }\n}\n", None),
        ('# flush ruleset {\ntable inet meentwerk { chain a { accept comment "} flush # {" } }', None),
        ("flush ruleset\ntable inet meentwerk { }", "flush ruleset table inet meentwerk"),
        ("table inet meentwerk { }\nflush ruleset\n", "flush ruleset"),
        ("table ip nat { }", "table ip nat"),
        ("table inet meentwerk { }\ntable inet others { }", "table inet others"),
        ('table inet meentwerk { }\ninclude "/etc/passwd"', 'include ""'),
        ("delete table inet others; table inet meentwerk { }", "delete table inet others; table inet meentwerk"),
    ],
)
def test_nothing_but_the_own_table(text: str, foreign: str | None) -> None:
    assert tool.foreign_statement(text) == foreign


def test_connections_compare_across_tools() -> None:
    assert tool.connection("[::ffff:192.0.2.7]", "50000", "22") == tool.connection("192.0.2.7", "50000", "22")
    assert tool.connection("[fe80::1%host0]", "5", "22") == tool.connection("fe80::1", "5", "22")


@pytest.mark.parametrize("seconds", ["4", "3601", "-5", "soon", ""])
def test_waiting_time_is_bounded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    monkeypatch.setattr("sys.argv", ["meentwerk-firewall", "apply", f"--seconds={seconds}", "rules.nft"])
    with pytest.raises(SystemExit) as stopped:
        tool.arguments()
    assert stopped.value.code == 2
    assert f"'{seconds}' is not a number of seconds from 5 to 3600" in capsys.readouterr().err
