"""All of the wanted hosts, or none: also when the network is refused."""

from pathlib import Path

import pytest
from meentwerk.embedded import hosts, image, network
from meentwerk.embedded.image import Image
from meentwerk.embedded.state import known_names
from meentwerk.errors import MeentwerkError


def test_a_refused_network_leaves_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise MeentwerkError("this machine's route overlaps", cure="remove it")

    monkeypatch.setenv("MEENTWERK_STATE", str(tmp_path))
    monkeypatch.setattr(hosts, "_check_machine", lambda: None)
    monkeypatch.setattr(image, "ensure", lambda name, _age: Image(name, 1))
    monkeypatch.setattr(network, "bridge_up", refuse)
    for name in ("bridge_down", "check_addresses", "disconnect"):
        monkeypatch.setattr(network, name, lambda *_: None)
    with pytest.raises(MeentwerkError, match="overlaps"):
        hosts.up([hosts.Wanted("nobody-has-this-name", "10.87.250.11", "fd87:6d65:656e::250:11")])
    assert known_names() == []


def test_what_a_group_says_holds_for_its_hosts(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        "all:\n  vars: {embedded_host_image: site}\nweb:\n  hosts:\n    web-1: {ansible_host: 10.87.1.11}\n"
        "    web-2: {embedded_host_image: base}\n    here: {ansible_connection: local}\n"
    )
    wanted = {each.name: (each.ip4, each.image) for each in hosts.from_inventory(inventory)}
    assert wanted == {"web-1": ("10.87.1.11", "site"), "web-2": ("", "base")}
