"""From what an operator allows to lines of nftables, and what is wrong with it, told before a host is touched."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Groups = dict[str, list[str]]

# Becomes a comment in the rule: nft allows 128 bytes and no quotes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}")
# No dot and no colon: a group can never be mistaken for an address
_GROUP = re.compile(r"[a-z][a-z0-9_]{0,30}")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_HIGHEST_PORT = 65535
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def _network(text: str) -> Network:
    """Read an address or network.

    Raises:
        ValueError: with what is wrong and, where it can be known, what would be right.
    """
    text = str(text).strip()
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            wider = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"'{text}' is neither an IPv4 or IPv6 address or network nor a group") from None
        raise ValueError(
            f"'{text}' has bits of a host behind its prefix: write {wider}, or the address alone"
        ) from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(ipaddress.IPv6Network("::ffff:0:0/96")):
        raise ValueError(f"'{text}' is IPv4 written as IPv6 and never seen on the wire: write the IPv4 address")
    return network


def _source_problems(sources: list[str], groups: Groups, place: str) -> list[str]:
    problems = []
    for source in sources:
        if str(source) in groups:
            continue
        try:
            _network(source)
        except ValueError as error:
            problems.append(f"{place}: source {error}")
    return problems


def _port_problem(port: str) -> str | None:
    found = _PORTS.fullmatch(str(port))
    if not found:
        return f"port '{port}' is neither a number nor a range such as 8000-8010"
    first, last = int(found.group(1)), int(found.group(2) or found.group(1))
    if not 1 <= first <= last <= _HIGHEST_PORT:
        return f"port '{port}' is not within 1 to {_HIGHEST_PORT}, lower end first"
    return None


def _networks(sources: list[str], groups: Groups) -> list[Network]:
    return [_network(text) for source in sources for text in groups.get(str(source), [source])]


def firewall_problems(
    allow: list[dict[str, Any]], groups: Groups, ssh_sources: list[str], ssh_ports: list[int]
) -> list[str]:
    """List everything wrong with the rules an inventory asks for, each with its value and place."""
    problems: list[str] = []
    for group, members in groups.items():
        if not _GROUP.fullmatch(str(group)):
            problems.append(f"firewall_groups '{group}': a name has a-z, 0-9 and _ and starts with a letter")
        if not members:
            problems.append(f"firewall_groups '{group}': is empty, and an empty source would mean everyone")
        problems += _source_problems(members, {}, f"firewall_groups '{group}'")
    for number, rule in enumerate(allow):
        name = str(rule.get("name", ""))
        place = f"firewall_allow[{number}] '{name}'"
        if not _NAME.fullmatch(name):
            problems.append(f"{place}: a name has letters, digits, space, dot, - and _, at most 63")
        port_problem = _port_problem(rule.get("port", ""))
        if port_problem:
            problems.append(f"{place}: {port_problem}")
        if rule.get("protocol", "tcp") not in ("tcp", "udp"):
            problems.append(f"{place}: protocol '{rule['protocol']}' is neither tcp nor udp")
        problems += _source_problems(rule.get("sources") or [], groups, place)
    counted = Counter(str(rule.get("name", "")) for rule in allow)
    problems += [
        f"firewall_allow: the name '{name}' is used {times} times" for name, times in counted.items() if times > 1
    ]
    problems += _source_problems(ssh_sources, groups, "firewall_ssh_sources")
    if not ssh_ports:
        problems.append("firewall_ssh_ports: is empty, nobody could log in; usually it is [22]")
    for port in ssh_ports:
        port_problem = _port_problem(str(port))
        if port_problem:
            problems.append(f"firewall_ssh_ports: {port_problem}")
    return problems


def firewall_confined_problems(confined: list[dict[str, Any]]) -> list[str]:
    """List everything wrong with what confined accounts may reach, each with its value and place."""
    problems: list[str] = []
    for each in confined:
        user = str(each.get("user", ""))
        if not _USER.fullmatch(user) or user == "root":
            problems.append(f"firewall_confined: user '{user}' is no name of an account that can be confined")
        for number, rule in enumerate(each.get("allow") or []):
            name = str(rule.get("name", ""))
            place = f"firewall_confined '{user}' allow[{number}] '{name}'"
            if not _NAME.fullmatch(name):
                problems.append(f"{place}: a name has letters, digits, space, dot, - and _, at most 63")
            if not str(rule.get("port", "")).isdigit() or not 1 <= int(rule["port"]) <= _HIGHEST_PORT:
                problems.append(f"{place}: port '{rule.get('port', '')}' is not a number from 1 to {_HIGHEST_PORT}")
            problems += _source_problems([rule.get("address", "")], {}, place)
    return problems


def firewall_confined_lines(allow: list[dict[str, Any]]) -> list[str]:
    """Return one line of nftables for each thing that a confined account may reach."""
    return [
        f"{'ip6' if ':' in str(rule['address']) else 'ip'} daddr {rule['address']} "
        f'{rule.get("protocol", "tcp")} dport {rule["port"]} accept comment "{rule["name"]}"'
        for rule in allow
    ]


def firewall_matches(sources: list[str], groups: Groups) -> list[str]:
    """Return the source part of rules, one per address family: [""] for everyone, ["ip saddr { ... } "] and the like.

    Overlapping networks are merged and sorted, so that the same meaning always gives the same text.
    """
    if not sources:
        return [""]
    networks = _networks(sources, groups)
    four = list(ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network)))
    six = list(ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network)))
    matches = []
    for selector, family, merged in (("ip", "ipv4", four), ("ip6", "ipv6", six)):
        if not merged:
            continue
        if merged[0].prefixlen == 0:
            # nft takes no set that holds everything
            matches.append(f"meta nfproto {family} ")
        else:
            texts = [str(n.network_address) if n.num_addresses == 1 else str(n) for n in merged]
            matches.append(f"{selector} saddr {{ {', '.join(texts)} }} ")
    return matches


def firewall_lines(allow: list[dict[str, Any]], groups: Groups) -> list[str]:
    """Return one line of nftables per rule and address family."""
    return [
        f'{match}{rule.get("protocol", "tcp")} dport {rule["port"]} accept comment "{rule["name"]}"'
        for rule in allow
        for match in firewall_matches(rule.get("sources") or [], groups)
    ]


def firewall_lockout(ssh_connection: str, ssh_sources: list[str], groups: Groups, ssh_ports: list[int]) -> str:
    """Say why the rules would shut out the connection this run uses; empty when they let it in.

    Args:
        ssh_connection: sshd's SSH_CONNECTION as the host sees it ("client port server port"), empty without ssh.
        ssh_sources: firewall_ssh_sources; empty lets everyone in.
        groups: firewall_groups.
        ssh_ports: firewall_ssh_ports.
    """
    words = ssh_connection.split()
    if len(words) != 4:  # noqa: PLR2004 -- client, its port, server, its port
        return ""
    address = ipaddress.ip_address(words[0].partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    if int(words[3]) not in [int(port) for port in ssh_ports]:
        return f"this run came in on port {words[3]}, which is not in firewall_ssh_ports {list(ssh_ports)}"
    if ssh_sources and not any(address in network for network in _networks(ssh_sources, groups)):
        return f"this run comes from {address}, which is not in firewall_ssh_sources {list(ssh_sources)}"
    return ""


class FilterModule:
    """Hand the filters to Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names tasks use."""
        return {
            "firewall_problems": firewall_problems,
            "firewall_source_problems": _source_problems,
            "firewall_confined_problems": firewall_confined_problems,
            "firewall_confined_lines": firewall_confined_lines,
            "firewall_matches": firewall_matches,
            "firewall_lines": firewall_lines,
            "firewall_lockout": firewall_lockout,
        }
