"""Where an application may not go, and which exceptions its own configuration asks for.

Mastodon fetches what strangers name: profiles, previews, media. An address inside the organisation's network must not
be reached that way (server-side request forgery), however it is written, and whatever a name resolves to in the end.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

Entry = dict[str, Any]
"""name: what it is for; host: address, network or name; port; protocol: tcp or udp."""

# IANA's special-purpose registries (RFC 6890), as far as packets could get anywhere with them
PRIVATE = (
    "0.0.0.0/8",  # this host
    "10.0.0.0/8",
    "100.64.0.0/10",  # behind a provider's NAT
    "127.0.0.0/8",
    "169.254.0.0/16",  # link-local; 169.254.169.254 hands a cloud's credentials out
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",  # multicast, reserved, broadcast
    "::/96",  # unspecified, loopback, IPv4-compatible
    "64:ff9b:1::/48",  # local NAT64
    "100::/64",  # discarded
    "2001:db8::/32",
    "2002::/16",  # 6to4 carries any IPv4 address
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
IPv4_BITS = 32

# Variables of Mastodon's environment that name a host: (host, port, default port), and those that hold a URL
HOSTS = (
    ("SMTP_SERVER", "SMTP_PORT", 587),
    ("BULK_SMTP_SERVER", "BULK_SMTP_PORT", 587),
    ("REPLICA_DB_HOST", "REPLICA_DB_PORT", 5432),
    ("REDIS_HOST", "REDIS_PORT", 6379),
    ("ES_HOST", "ES_PORT", 9200),
    ("LDAP_HOST", "LDAP_PORT", 389),
    ("CAS_HOST", "CAS_PORT", 443),
)
URLS = (
    "DATABASE_URL",
    "REPLICA_DATABASE_URL",
    "REDIS_URL",
    "CACHE_REDIS_URL",
    "SIDEKIQ_REDIS_URL",
    "S3_ENDPOINT",
    "SWIFT_AUTH_URL",
    "http_proxy",
    "https_proxy",
    "http_hidden_proxy",
    "OIDC_ISSUER",
    "OIDC_AUTH_ENDPOINT",
    "OIDC_TOKEN_ENDPOINT",
    "OIDC_USER_INFO_ENDPOINT",
    "OIDC_JWKS_URI",
    "CAS_URL",
    "LIBRE_TRANSLATE_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)
URL_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379, "postgres": 5432, "postgresql": 5432}
METRICS = "MASTODON_PROMETHEUS_EXPORTER_"


def _nat64(network: ipaddress.IPv4Network) -> str:
    base = int(NAT64.network_address) + int(network.network_address)
    return str(ipaddress.IPv6Network((base, NAT64.max_prefixlen - IPv4_BITS + network.prefixlen)))


def private_networks() -> list[str]:
    """List every network an application has no business in, IPv4 first; none lies within another."""
    networks = [ipaddress.ip_network(text) for text in PRIVATE]
    four = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    six += [ipaddress.IPv6Network(_nat64(network)) for network in four]
    return [str(n) for n in ipaddress.collapse_addresses(four)] + [str(n) for n in ipaddress.collapse_addresses(six)]


def _is_private(text: str) -> bool:
    """Whether an address or network touches a private one."""
    wanted = ipaddress.ip_network(text, strict=False)
    return any(
        wanted.version == network.version and wanted.overlaps(network)
        for network in map(ipaddress.ip_network, private_networks())
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _from_url(name: str, url: str) -> Entry | None:
    """Read host and port out of a URL; None where it names a socket, or is none. Passwords in it go nowhere."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    try:
        port = parts.port or URL_PORTS.get(parts.scheme, 443)
    except ValueError:
        return None
    if not parts.hostname or parts.scheme == "unix":
        return None
    return {"name": name, "host": parts.hostname, "port": port, "protocol": "tcp"}


def configured_hosts(
    environment: Mapping[str, Any], database_host: str = "", database_port: int = 5432, cache_url: str = ""
) -> list[Entry]:
    """List the hosts that the application's configuration names.

    Args:
        environment: variables of Mastodon's environment beside those below.
        database_host: PostgreSQL's host, or the folder of its socket.
        database_port: its port.
        cache_url: Valkey's address; with unix: no host.
    """
    found: list[Entry | None] = []
    if database_host and not database_host.startswith("/"):
        found.append({"name": "database", "host": database_host, "port": int(database_port), "protocol": "tcp"})
    if cache_url:
        found.append(_from_url("cache", cache_url))
    values = {name: str(value) for name, value in environment.items() if value}
    for host, port, default in HOSTS:
        if host in values and not values[host].startswith("/"):
            number = int(values[port]) if values.get(port, "").isdigit() else default
            found.append({"name": host, "host": values[host], "port": number, "protocol": "tcp"})
    found += [_from_url(name, values[name]) for name in URLS if name in values]
    for place in values.get("REDIS_SENTINELS", "").split(","):
        if place.strip():
            found.append(_from_url("REDIS_SENTINELS", place.strip() if ":" in place else f"{place.strip()}:26379"))
    if "STATSD_ADDR" in values:
        statsd = _from_url("STATSD_ADDR", values["STATSD_ADDR"])
        found.append({**statsd, "protocol": "udp"} if statsd else None)
    if values.get(f"{METRICS}ENABLED", "") == "true":
        port = values.get(f"{METRICS}PORT", "")
        number = int(port) if port.isdigit() else 9394
        found.append(
            {"name": "metrics", "host": values.get(f"{METRICS}HOST", "localhost"), "port": number, "protocol": "tcp"}
        )
    unique: list[Entry] = []
    for entry in found:
        if entry is not None and entry not in unique:
            unique.append(entry)
    return unique


def names(entries: Iterable[Entry]) -> list[str]:
    """List the hosts that are names and have to be resolved where the application runs."""
    return sorted({entry["host"] for entry in entries if not _is_address(entry["host"])})


def _plain(text: str) -> str:
    """Write an address as such, a network with its prefix: the same meaning always gives the same text."""
    network = ipaddress.ip_network(text, strict=False)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def rules(
    entries: Iterable[Entry], resolved: Mapping[str, Iterable[str]], resolvers: Iterable[str]
) -> list[dict[str, Any]]:
    """List what stays reachable of the private networks: name, address, port, protocol, in a fixed order.

    Args:
        entries: configured hosts, and what the operator lists.
        resolved: addresses of each host that is a name.
        resolvers: the host's name servers.
    """
    wanted = list(entries)
    wanted += [
        {"name": "name server", "host": host, "port": 53, "protocol": kind}
        for host in resolvers
        for kind in ("tcp", "udp")
    ]
    found: dict[tuple[str, int, str], dict[str, Any]] = {}
    for entry in wanted:
        host, port, protocol = entry["host"], int(entry.get("port", 443)), entry.get("protocol", "tcp")
        for text in [host] if _is_address(host) else resolved.get(host, []):
            if _is_private(text):
                address = _plain(text)
                rule = {"name": entry["name"], "address": address, "port": port, "protocol": protocol}
                found.setdefault((address, port, protocol), rule)
    return [found[key] for key in sorted(found)]


def addresses(reachable: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the addresses of such rules, for systemd, which knows addresses and no ports."""
    return sorted({rule["address"] for rule in reachable})


class FilterModule:
    """Hand the filters to Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names tasks use."""
        return {
            "meentwerk_private_networks": lambda _: private_networks(),
            "meentwerk_egress_hosts": configured_hosts,
            "meentwerk_egress_names": names,
            "meentwerk_egress_rules": rules,
            "meentwerk_egress_addresses": addresses,
        }
