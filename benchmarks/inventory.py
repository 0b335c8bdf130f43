"""The temporary inventory of a measurement: the demo's, under other names and addresses."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "inventories/demo"
GROUP = "benchmark"
GROUP_OF_INSTANCES = "mastodon_instances"
# A /24 that no scenario has
THIRD_OCTET = 40


@dataclass(frozen=True)
class Place:
    """An embedded host of the benchmark."""

    number: int

    @property
    def name(self) -> str:
        """Its name, and that of the instance on it."""
        return f"{GROUP}-{self.number}"

    @property
    def ip4(self) -> str:
        """Its IPv4 address."""
        return f"10.87.{THIRD_OCTET}.{self.number + 10}"

    @property
    def ip6(self) -> str:
        """Its IPv6 address."""
        return f"fd87:6d65:656e::{THIRD_OCTET}:{self.number + 10}"

    @property
    def domain(self) -> str:
        """The domain of the instance on it."""
        return f"{self.name}.example.test"


def entry(example: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Return a department's entry for a place: the example's, with domain, mail and address of its own."""
    return {
        **example,
        "ansible_host": place.ip4,
        "embedded_host_ip6": place.ip6,
        "embedded_host_aliases": [place.domain],
        "instance_domain": place.domain,
        "instance_contact": {**example["instance_contact"], "email": f"webcare@{place.domain}"},
    }


def write(folder: Path, places: Sequence[Place], releases: Path) -> Path:
    """Write an inventory for these places below `folder` and return it; it takes its releases from `releases`."""
    inventory = folder / "inventory"
    shutil.copytree(DEMO / "group_vars", inventory / "group_vars")
    (inventory / "departments").mkdir()
    # The entry that wishes for nothing beyond what is required
    example = yaml.safe_load((DEMO / "departments/tides.yml").read_text())["mastodon_instances"]["hosts"]["tides"]
    for place in places:
        document = {GROUP_OF_INSTANCES: {"hosts": {place.name: entry(example, place)}}}
        (inventory / f"departments/{place.name}.yml").write_text(yaml.safe_dump(document))
    (inventory / f"group_vars/{GROUP_OF_INSTANCES}.yml").write_text(
        yaml.safe_dump({"instance_release_directory": str(releases)})
    )
    # Made by the run itself, as for the demo: secrets in host_vars, the CA here
    (inventory / ".state").mkdir(mode=0o700)
    return inventory
