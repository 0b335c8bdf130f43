"""Molecule scenarios run side by side: none takes another's address or name."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, SCENARIOS, load, name_of

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
NETWORK4 = ipaddress.ip_network("10.87.0.0/16")
NETWORK6 = ipaddress.ip_network("fd87:6d65:656e::/64")


def hosts(group: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every host of an inventory, groups within groups included."""
    for body in (group or {}).values():
        for name, variables in ((body or {}).get("hosts") or {}).items():
            yield name, variables or {}
        yield from hosts((body or {}).get("children"))


def places() -> list[tuple[str, str, dict[str, Any]]]:
    """(inventory, host, variables) of every embedded host in the repository."""
    inventories = [scenario / "hosts.yml" for scenario in SCENARIOS]
    inventories += sorted(ROOT.glob("inventories/demo/departments/*.yml"))
    return [
        (name_of(path), name, variables)
        for path in inventories
        if path.is_file()
        for name, variables in hosts(load(path))
        if "ansible_host" in variables
    ]


@each_scenario
@pytest.mark.parametrize("part", ["molecule.yml", "hosts.yml", "converge.yml"])
def test_has_its_parts(scenario: Path, part: str) -> None:
    assert (scenario / part).is_file(), f"{name_of(scenario)}/{part} is missing: see CONTRIBUTING.md"


@each_scenario
def test_looks_at_the_result(scenario: Path) -> None:
    tests = "".join(path.read_text() for path in scenario.glob("tests/test_*.py"))
    assert "def test_" in tests, f"{name_of(scenario)}/tests holds no test: converging proves little"


@pytest.mark.parametrize("key", ["ansible_host", "embedded_host_ip6"])
def test_no_address_is_used_twice(key: str) -> None:
    users = defaultdict(set)
    for inventory, name, variables in places():
        if key in variables:
            users[ipaddress.ip_address(variables[key])].add(f"{name} in {inventory}")
    shared = {str(address): sorted(names) for address, names in users.items() if len(names) > 1}
    assert not shared, f"used more than once: {shared}; take a /24 of your own"


def test_no_two_scenarios_share_a_network() -> None:
    users = defaultdict(set)
    for inventory, _, variables in places():
        network = ipaddress.ip_network(f"{variables['ansible_host']}/24", strict=False)
        users[network].add(str(Path(inventory).parent))
    shared = {str(network): sorted(names) for network, names in users.items() if len(names) > 1}
    assert not shared, f"used by more than one: {shared}"


def test_no_host_name_is_used_twice() -> None:
    users = defaultdict(set)
    for inventory, name, _ in places():
        users[name].add(inventory)
    shared = {name: sorted(inventories) for name, inventories in users.items() if len(inventories) > 1}
    assert not shared, f"host names must be unique over all scenarios: {shared}"


def test_addresses_lie_in_the_network_of_embedded_hosts() -> None:
    outside = [
        f"{name} in {inventory}: {address}"
        for inventory, name, variables in places()
        for key, network in (("ansible_host", NETWORK4), ("embedded_host_ip6", NETWORK6))
        if (address := variables.get(key)) and ipaddress.ip_address(address) not in network
    ]
    assert not outside
