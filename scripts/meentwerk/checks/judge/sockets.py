"""What listens on the network, by the host's own word and by a scan from the controller."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured

AREA = "sockets"
_CURE = "Stop or bind to loopback what listens (ss -tlnup), or list it in check_promise_sockets where it is wanted."


def local(address: str) -> bool:
    """Whether an address of ss is reached from the host itself only."""
    bare = address.partition("%")[0].strip("[]")
    if bare in {"*", "0.0.0.0", "::"}:  # noqa: S104  # compared, not bound
        return False
    return ip_address(bare).is_loopback


def _family(address: str) -> tuple[str, ...]:
    bare = address.partition("%")[0].strip("[]")
    if bare == "*":  # one socket for both
        return ("IPv4", "IPv6")
    return ("IPv6",) if ":" in bare else ("IPv4",)


def _named(sockets: Iterable[Mapping[str, Any]]) -> str:
    seen = sorted({(it["protocol"], int(it["port"]), it.get("process", "")) for it in sockets})
    return ", ".join(f"{protocol} {port}" + (f" ({process})" if process else "") for protocol, port, process in seen)


def judge(measured: Mapping[str, Any], promise: Mapping[str, Any]) -> list[Result]:
    """Judge {listening: [{protocol, address, port, process}], scan: {address: {open: [port], asked: n} or {unknown}}}.

    promise: {allowed: [{protocol, port, required}], ipv6}; `required` is true unless said.
    """
    if "unknown" in measured:
        return not_measured(AREA, measured)
    result = Judge(AREA)
    allowed = {(it["protocol"], int(it["port"])) for it in promise["allowed"]}
    public = [it for it in measured["listening"] if not local(it["address"])]
    strange = [it for it in public if (it["protocol"], int(it["port"])) not in allowed]
    result.rule(
        "SOCKETS-001",
        "Nothing listens on the network but what is promised",
        holds=not strange,
        wanted=_named(promise["allowed"]),
        found=_named(strange or public) or "nothing",
        cure=_CURE,
    )
    needed = {(it["protocol"], int(it["port"])) for it in promise["allowed"] if it.get("required", True)}
    families = ("IPv4", "IPv6") if promise.get("ipv6", True) else ("IPv4",)
    there = {(it["protocol"], int(it["port"]), name) for it in public for name in _family(it["address"])}
    missing = sorted(
        (protocol, port, name) for protocol, port in needed for name in families if (protocol, port, name) not in there
    )
    result.rule(
        "SOCKETS-002",
        "What is promised listens, on IPv4 and IPv6",
        holds=not missing,
        wanted=", ".join(f"{protocol} {port}" for protocol, port in sorted(needed)),
        found="all of it"
        if not missing
        else "missing: " + ", ".join(f"{protocol} {port} on {name}" for protocol, port, name in missing),
        cure="Look at the service: systemctl status nginx ssh. Run site.yml.",
    )
    for address, scan in measured.get("scan", {}).items():
        reached = [port for port in scan.get("open", []) if ("tcp", port) not in allowed]
        result.rule(
            f"SOCKETS-003-{'IPV6' if ':' in address else 'IPV4'}",
            f"From outside, only that is open ({address})",
            holds=None if "unknown" in scan else not reached,
            wanted="TCP " + ", ".join(str(port) for protocol, port in sorted(allowed) if protocol == "tcp"),
            found=str(
                scan.get("unknown")
                or f"open: {', '.join(map(str, scan['open'])) or 'none'}, of {scan['asked']} ports asked"
            ),
            cure="Let the controller reach the host over that family."
            if "unknown" in scan
            else "Run site.yml with --tags firewall. " + _CURE,
        )
    return result.results
