"""Module: look at a host in one round: what listens, how services are confined, sshd's settings, addresses."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: check_host
short_description: Look at what a host does
description:
  - Asks ss, systemd and sshd, and changes nothing. What one of them does not say stands as C(unknown) in its place.
options:
  areas:
    description: What to look at, of sockets, units and ssh.
    type: list
    elements: str
    default: [sockets, units, ssh]
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Look at the host
  check_host:
    areas: [sockets]
"""
RETURN = r"""
sockets: {description: "C(listening): protocol, address, port, process, unit.", type: dict, returned: when asked}
units: {description: "C(units): unit, exposure, network of each running service.", type: dict, returned: when asked}
ssh: {description: "C(settings): what sshd -T prints, by name.", type: dict, returned: when asked}
addresses: {description: The host's addresses that are reached from elsewhere., type: list, returned: always}
"""

_SECONDS = 60
_OWNER = re.compile(r'\(\("(?P<process>[^"]+)",pid=(?P<pid>\d+)')


class LookError(Exception):
    """A program did not answer; the text is for people."""


def run(*command: str) -> str:
    """Run a program and return what it prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LookError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LookError(f"{' '.join(command)}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def parse_sockets(text: str) -> list[dict[str, Any]]:
    """Read `ss -Htulnp`: protocol, state, queues, local address and port, peer, processes."""
    found = []
    for line in text.splitlines():
        parts = line.split(None, 6)
        address, _, port = parts[4].rpartition(":")
        owner = _OWNER.search(parts[6]) if len(parts) > 6 else None  # noqa: PLR2004
        found.append(
            {
                "protocol": parts[0],
                "address": address,
                "port": int(port),
                "process": owner["process"] if owner else "",
                "pid": int(owner["pid"]) if owner else 0,
            }
        )
    return found


def unit_of(cgroup: str) -> str:
    """Take the service out of /proc/PID/cgroup; empty where the process belongs to none."""
    found = re.findall(r"/([^/\n]+\.service)", cgroup)
    return found[-1] if found else ""


def _local(address: str) -> bool:
    bare = address.partition("%")[0].strip("[]")
    return bare.startswith("127.") or bare in ("::1", "::ffff:127.0.0.1")


def look_at_sockets() -> list[dict[str, Any]]:
    """List what listens, each with the service it belongs to."""
    sockets = parse_sockets(run("ss", "-Htulnp"))
    for it in sockets:
        try:
            it["unit"] = unit_of(Path(f"/proc/{it['pid']}/cgroup").read_text()) if it["pid"] else ""
        except OSError:
            it["unit"] = ""
    return sockets


def look_at_units() -> list[dict[str, Any]]:
    """List running services with systemd's figure for each; `network` where one listens beyond loopback."""
    running = [
        line.split()[0]
        for line in run(
            "systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend"
        ).splitlines()
    ]
    figures = {
        it["unit"]: it["exposure"]
        for it in json.loads(run("systemd-analyze", "security", "--json=short", "--no-pager"))
    }
    network = {it["unit"] for it in look_at_sockets() if it["unit"] and not _local(it["address"])}
    return [
        {"unit": unit, "exposure": float(figures[unit]) if unit in figures else None, "network": unit in network}
        for unit in running
    ]


def parse_settings(text: str) -> dict[str, Any]:
    """Read `sshd -T`: a name and its value on each line; a name that comes again is a list."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name in found:
            before = found[name]
            found[name] = [*(before if isinstance(before, list) else [before]), value]
        elif name:
            found[name] = value
    return found


def parse_addresses(text: str) -> list[str]:
    """Read `ip -json address`: global addresses, without those that are temporary or on their way out."""
    found = []
    for link in json.loads(text):
        for it in link.get("addr_info", []):
            if it.get("scope") == "global" and not (it.get("temporary") or it.get("deprecated")):
                found.append(str(it["local"]))
    return found


def _or_unknown(look: Callable[[], Any]) -> Any:  # noqa: ANN401  # whatever it looks at
    try:
        return look()
    except (LookError, ValueError, KeyError, IndexError) as error:
        return {"unknown": str(error)}


def look(areas: Iterable[str]) -> dict[str, Any]:
    """Look at everything that is asked."""
    looks: dict[str, tuple[str, Callable[[], Any]]] = {
        "sockets": ("listening", look_at_sockets),
        "units": ("units", look_at_units),
        "ssh": ("settings", lambda: parse_settings(run("/usr/sbin/sshd", "-T"))),
    }
    found: dict[str, Any] = {"addresses": _or_unknown(lambda: parse_addresses(run("ip", "-json", "address")))}
    for area in areas:
        name, how = looks[area]
        seen = _or_unknown(how)
        found[area] = seen if isinstance(seen, dict) and "unknown" in seen and area != "ssh" else {name: seen}
    return found


def main() -> None:
    """Look, and tell."""
    known = ["sockets", "units", "ssh"]
    module = AnsibleModule({"areas": {"type": "list", "elements": "str", "default": known}}, supports_check_mode=True)
    strange = [area for area in module.params["areas"] if area not in known]
    if strange:
        module.fail_json(msg=f"areas: there is no {strange[0]}. Choose of {', '.join(known)}.")
    module.exit_json(changed=False, **look(module.params["areas"]))


if __name__ == "__main__":
    main()
