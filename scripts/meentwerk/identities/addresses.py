"""Which addresses may be connected to: public ones, and what an operator allows for a laboratory."""

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Ways to write an IPv4 address as an IPv6 one: what is behind counts (RFC 6052, RFC 3056, RFC 4380)
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse networks; ValueError names the first that is none."""
    return tuple(ipaddress.ip_network(text.strip(), strict=True) for text in texts)


def permitted(text: str, allowed: Iterable[Network] = ()) -> bool:
    """Say whether an address may be connected to."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if any(address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return permitted(str(inner), allowed)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: ipaddress.IPv6Address) -> Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64) or int(address) >> 32 == 0:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
