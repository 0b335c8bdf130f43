"""The parts of the measurement that touch no host."""

import os
from pathlib import Path

import pytest
import yaml
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit

from benchmarks import inventory, provision
from benchmarks.inventory import Place

ROOT = Path(__file__).parents[3]


def test_only_installed_packages_count() -> None:
    assert provision.names("installed nginx\nconfig-files exim4\nnot-installed x\ninstalled zstd\n") == {
        "nginx",
        "zstd",
    }


def test_every_place_is_another_host_and_department() -> None:
    places = [Place(number) for number in range(1, 7)]
    for key in ("name", "ip4", "ip6", "domain"):
        assert len({getattr(place, key) for place in places}) == len(places)


def test_no_scenario_has_these_addresses() -> None:
    network = Place(1).ip4.rpartition(".")[0] + "."
    taken = [
        path
        for folder in ("molecule", "inventories")
        for path in (ROOT / folder).rglob("*.yml")
        if network in path.read_text()
    ]
    assert not taken


def test_the_inventory_is_the_demos_with_other_names(tmp_path: Path) -> None:
    written = inventory.write(tmp_path, [Place(1), Place(2)], tmp_path / "releases")
    demo = yaml.safe_load((ROOT / "inventories/demo/departments/tides.yml").read_text())
    wanted = demo["mastodon_instances"]["hosts"]["tides"]
    for place in (Place(1), Place(2)):
        document = yaml.safe_load((written / f"departments/{place.name}.yml").read_text())
        entry = document["mastodon_instances"]["hosts"][place.name]
        assert wanted.keys() <= entry.keys()
        assert entry["ansible_host"] == place.ip4
        assert entry["instance_domain"] == place.domain
    assert (written / "group_vars/all.yml").read_text() == (ROOT / "inventories/demo/group_vars/all.yml").read_text()


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MeentwerkError) as caught:
        provision.require_quiet_machine()
    assert caught.value.exit == Exit.NOT_ALLOWED
