"""What a role says to wrong requests, before it reaches any host."""

import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml


def refusals(
    play: Callable[..., subprocess.CompletedProcess[str]], like: str, wrong: Iterable[Mapping[str, Any]], folder: Path
) -> dict[str, str]:
    """Run the play once for hosts `wrong-0` to `wrong-N`, each like one of the scenario's with one change of variables,
    at an address of the documentation range that nobody answers. Returns what Ansible said of each.
    """
    entry = yaml.safe_load(Path(os.environ["MOLECULE_HOSTS"]).read_text())["all"]["hosts"][like]
    hosts = {
        f"wrong-{number}": entry | {"ansible_host": "192.0.2.99", "ansible_ssh_timeout": 1} | change
        for number, change in enumerate(wrong)
    }
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    done = play(str(inventory), "--forks=20")
    told: dict[str, str] = {}
    # Ansible prints "failed: [host] ..." for the item that broke the rule
    for line in done.stdout.split("failed: [")[1:]:
        name, _, message = line.partition("]")
        told[name] = told.get(name, "") + message.replace('\\"', '"')
    return told
