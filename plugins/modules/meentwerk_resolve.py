"""Module: ask a host for the addresses of names, and for its name servers."""

import socket
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: meentwerk_resolve
short_description: Resolve names where they will be used
description:
  - What a name means inside a network, only a host in that network knows. Changes nothing.
options:
  names:
    description: Names to resolve; one without an address gives an empty list.
    type: list
    elements: str
    default: []
  resolver: {description: Where the host's name servers stand., type: path, default: /etc/resolv.conf}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: See where the database is
  meentwerk_resolve:
    names: [db.internal.example]
  register: found
"""
RETURN = r"""
addresses: {description: IPv4 and IPv6 addresses by name., type: dict, returned: always}
resolvers: {description: Addresses of the name servers., type: list, returned: always}
"""


def resolve(name: str) -> list[str]:
    """Return all addresses of a name, sorted; none when nobody knows it now."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(place[4][0]).partition("%")[0] for place in found})


def name_servers(lines: Iterable[str]) -> list[str]:
    """Read resolv.conf(5); without a name server there, glibc asks this machine."""
    words = [line.split() for line in lines]
    found = {line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver"}
    return sorted(found) or ["127.0.0.1"]


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "resolver": {"type": "path", "default": "/etc/resolv.conf"},
        },
        supports_check_mode=True,
    )
    resolver = Path(module.params["resolver"])
    lines = resolver.read_text(encoding="utf-8", errors="replace").splitlines() if resolver.is_file() else []
    addresses = {name: resolve(name) for name in module.params["names"]}
    module.exit_json(changed=False, addresses=addresses, resolvers=name_servers(lines))


if __name__ == "__main__":
    main()
