"""The network of embedded hosts: one bridge, one namespace for each host, IPv4 out through this machine."""

import ipaddress
import json
import shutil
import subprocess
from pathlib import Path

from meentwerk.console import note
from meentwerk.embedded.state import Host, state_directory
from meentwerk.errors import MeentwerkError

BRIDGE = "meentwerk0"
TABLE = "meentwerk_embedded"
NETWORK4 = ipaddress.IPv4Network("10.87.0.0/16")
NETWORK6 = ipaddress.IPv6Network("fd87:6d65:656e::/64")
GATEWAY4 = NETWORK4[1]
GATEWAY6 = NETWORK6[1]
# Addresses given to hosts that ask for none: scenarios and the demo name theirs
FREE_THIRD_OCTET = 200

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def run(*command: object, stdin: str | None = None) -> str:
    """Run a command; its failure becomes an error with the command's own words."""
    argv = [str(word) for word in command]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MeentwerkError(
            f"{' '.join(argv)} failed: {done.stderr.strip() or done.stdout.strip()}",
            cure="this needs root and the packages iproute2 and nftables",
        )
    return done.stdout


def quiet(*command: object) -> bool:
    """Run a command whose failure is an answer, not an error."""
    return subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode == 0


def namespace(host: Host) -> str:
    """Return the name of the host's network namespace, as `ip netns list` shows it."""
    return f"meentwerk-{host.name}"


def interface(host: Host) -> str:
    """Return this machine's end of the host's cable; unique because addresses are."""
    third, fourth = host.ip4.split(".")[2:]
    return f"mw{third}x{fourth}"


def hardware_address(host: Host) -> str:
    """Return the host's MAC, always the same for an address: neighbours remember it longer than a host may live."""
    return ":".join(f"{part:02x}" for part in (0x02, 0x6D, *(int(part) for part in host.ip4.split("."))))


def free_address(taken: set[str]) -> tuple[str, str]:
    """Return the next free pair of addresses, IPv4 and IPv6, for a host that names none."""
    for last in range(11, 255):
        ip4 = str(NETWORK4[FREE_THIRD_OCTET * 256 + last])
        if ip4 not in taken:
            return ip4, f"{NETWORK6.network_address}{FREE_THIRD_OCTET}:{last}"
    raise MeentwerkError("every automatic address is in use", cure="remove hosts with: scripts/embedded-host down NAME")


def check_addresses(host: Host, others: list[Host]) -> None:
    """Refuse an address outside the bridge's networks, its own gateway, or one that another host has."""
    for label, text, network, gateway in (
        ("IPv4", host.ip4, NETWORK4, GATEWAY4),
        ("IPv6", host.ip6, NETWORK6, GATEWAY6),
    ):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise MeentwerkError(
                f"{host.name}: {text!r} is no {label} address", cure=f"take one of {network}"
            ) from None
        if address not in network or address == gateway:
            raise MeentwerkError(
                f"{host.name}: {text} cannot be used: embedded hosts live in {network}, and {gateway} is this machine",
                cure=f"choose another address of {network}",
            )
        for other in others:
            if other.name != host.name and text in (other.ip4, other.ip6):
                raise MeentwerkError(
                    f"{host.name}: the address {text} belongs to the embedded host {other.name}",
                    cure=f"choose another, or remove that host: scripts/embedded-host down {other.name}",
                )


def _refuse_foreign_route() -> None:
    for route in json.loads(run("ip", "-json", "route", "show")):
        if route["dst"] != "default" and route.get("dev") != BRIDGE:
            network = ipaddress.ip_network(route["dst"], strict=False)
            if network.version == 4 and network.overlaps(NETWORK4):  # noqa: PLR2004  IP version
                raise MeentwerkError(
                    f"this machine's route to {network} on {route.get('dev')} overlaps the embedded hosts' {NETWORK4}",
                    cure="remove that route or run embedded hosts on another machine",
                )


def bridge_up() -> None:
    """Make the bridge and the way out, if they are not there. Call it under the state lock."""
    if not quiet("ip", "link", "show", BRIDGE):
        _refuse_foreign_route()
        run("ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
        run("ip", "address", "add", f"{GATEWAY4}/{NETWORK4.prefixlen}", "dev", BRIDGE)
        run("ip", "-6", "address", "add", f"{GATEWAY6}/{NETWORK6.prefixlen}", "dev", BRIDGE, "nodad")
    run("ip", "link", "set", BRIDGE, "up")
    marker = state_directory() / "forwarding-was-off"
    if FORWARDING.read_text().strip() == "0":
        marker.touch()
        FORWARDING.write_text("1")
    run(
        "nft",
        "-f",
        "-",
        stdin=f"""
table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {NETWORK4} ip daddr != {NETWORK4} masquerade
  }}
}}
""",
    )
    forward = subprocess.run(
        ["nft", "list", "chain", "ip", "filter", "FORWARD"], capture_output=True, text=True, check=False
    )
    if "policy drop" in forward.stdout and BRIDGE not in forward.stdout:
        note(
            "this machine's firewall drops forwarded packets (Docker does that): hosts cannot reach the archive. "
            f"Cure: iptables -I FORWARD -i {BRIDGE} -j ACCEPT; iptables -I FORWARD -o {BRIDGE} -j ACCEPT"
        )


def bridge_down() -> None:
    """Remove the bridge and the way out, and put forwarding back as it was found."""
    quiet("nft", "delete", "table", "ip", TABLE)
    quiet("ip", "link", "delete", BRIDGE)
    marker = state_directory() / "forwarding-was-off"
    if marker.exists():
        FORWARDING.write_text("0")
        marker.unlink()


def connect(host: Host) -> None:
    """Give a host its namespace and its cable to the bridge."""
    disconnect(host)
    run("ip", "netns", "add", namespace(host))
    run(
        "ip",
        "link",
        "add",
        interface(host),
        "type",
        "veth",
        "peer",
        "name",
        "host0",
        "address",
        hardware_address(host),
        "netns",
        namespace(host),
    )
    run("ip", "link", "set", interface(host), "master", BRIDGE, "up")
    run(
        "ip",
        "-n",
        namespace(host),
        "-b",
        "-",
        stdin=f"""link set lo up
address add {host.ip4}/{NETWORK4.prefixlen} dev host0
address add {host.ip6}/{NETWORK6.prefixlen} dev host0 nodad
link set host0 up
route add default via {GATEWAY4}
""",
    )


def disconnect(host: Host) -> None:
    """Remove a host's cable and namespace, whatever is left of them."""
    quiet("ip", "link", "delete", interface(host))
    quiet("ip", "netns", "delete", namespace(host))


def resolver() -> str:
    """Return a resolv.conf that works inside a host.

    A resolver on this machine's loopback (systemd-resolved) is not reachable from a host: its upstream list is.
    """
    text = Path("/etc/resolv.conf").read_text()
    upstream = Path("/run/systemd/resolve/resolv.conf")
    servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver") and len(line.split()) > 1]
    if upstream.exists() and all(ipaddress.ip_address(server.partition("%")[0]).is_loopback for server in servers):
        return upstream.read_text()
    return text


def missing_tools() -> list[str]:
    """Return the Debian packages whose commands this machine lacks."""
    tools = {
        "systemd-nspawn": "systemd-container",
        "ip": "iproute2",
        "nft": "nftables",
        "ssh-keygen": "openssh-client",
        "unshare": "util-linux",
        "nsenter": "util-linux",
    }
    return sorted({package for tool, package in tools.items() if not shutil.which(tool)})
