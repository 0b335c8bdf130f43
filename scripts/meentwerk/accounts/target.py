"""The instance that accounts are made on: an entry of the inventory, or a server that somebody else runs."""

import socket
from dataclasses import dataclass
from pathlib import Path

from meentwerk.accounts import limits
from meentwerk.accounts.limits import Limits
from meentwerk.api import Client, Server
from meentwerk.batch import HostBatch
from meentwerk.errors import UsageError
from meentwerk.inventory import Inventory, Vault
from meentwerk.on_host import Host


@dataclass
class Target:
    """Where to ask and, when it is an instance of ours, where to run bin/batch."""

    client: Client
    host: Host | None = None

    @property
    def domain(self) -> str:
        """The name of the web site, which also names the folder of the journal."""
        return self.client.server.host

    @property
    def batch(self) -> HostBatch:
        """bin/batch on the instance's host."""
        if self.host is None:
            raise UsageError("bin/batch runs on a host of the inventory", "give --instance NAME -i INVENTORY")
        return HostBatch(self.host)

    def limits(self) -> Limits:
        """Return the limits that the instance publishes."""
        return limits.published(self.client.get("/api/v2/instance"))


def of_inventory(inventory: Path, name: str, ca_file: Path | None, password_files: list[str] | None) -> Target:
    """Return an instance of the inventory, its address and authority as the inventory says."""
    source = Inventory(inventory, Vault((), password_files or ()))
    source.require_instance(name)
    domain = source.value(name, "instance_web_domain") or source.value(name, "instance_domain")
    if not domain:
        raise UsageError(
            f"the entry of {name} has no instance_domain", "scripts/validate-inventory says what is missing"
        )
    found = source.evaluated(name, ("certificate_mode", "certificate_internal_ca_directory", "ansible_host"))
    if ca_file is None and found.get("certificate_mode") == "internal":
        folder = found.get("certificate_internal_ca_directory")
        own = Path(str(folder)).expanduser() / "ca.pem" if folder else None
        ca_file = own if own is not None and own.is_file() else None
    address = None if _is_known(str(domain)) else found.get("ansible_host")
    server = Server.parse(str(domain), ca_file, str(address) if address else None)
    return Target(Client(server), Host(source, name))


def of_server(url: str, ca_file: Path | None, address: str | None, token: str) -> Target:
    """Return a server by its address alone, with a moderator's token."""
    return Target(Client(Server.parse(url, ca_file, address), token))


def _is_known(name: str) -> bool:
    """Say whether this machine can resolve a name; the host's own address serves where it cannot."""
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False
