"""One host's check: what the role has measured, what is looked at from here, and the judgement over both."""

import http.client
import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meentwerk.checks.judge import JUDGES
from meentwerk.checks.model import AREAS, Result, Status, count, not_measured
from meentwerk.checks.probe import Target, dns, drift, ports, ssh_audit, tls, web

Measured = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """What is shown and kept. `time` is ISO 8601 in UTC."""

    host: str
    domain: str
    time: str
    areas: Mapping[str, Sequence[Result]]

    @property
    def results(self) -> list[Result]:
        """All results, in the order of the areas."""
        return [result for area in self.areas.values() for result in area]

    def drifted(self, strict: bool) -> bool:
        """Whether something is not as promised; strict: or not known."""
        bad = {Status.FAIL, Status.UNKNOWN} if strict else {Status.FAIL}
        return any(result.status in bad for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON report."""
        return {
            "host": self.host,
            "domain": self.domain,
            "time": self.time,
            "counts": count(self.results),
            "areas": {area: [result.as_dict() for result in results] for area, results in self.areas.items()},
        }


def resolve(host: str) -> list[str]:
    """Give the addresses of a host's name; an address stays what it is, a name without any gives none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(it[4][0]) for it in found))


def choose(given: Sequence[str], reached: Sequence[str], own: Iterable[str]) -> list[str]:
    """Choose where to ask: what the operator gave, or how Ansible gets there and the host's own of the other kind."""
    if given:
        return list(given)
    chosen = list(reached)
    for version in (4, 6):
        if any(ipaddress.ip_address(it).version == version for it in chosen):
            continue
        mine = [it for it in own if ipaddress.ip_address(it).version == version]
        # A private address beside a public one is for another network
        chosen += [it for it in mine if ipaddress.ip_address(it).is_global] or mine
    return chosen


def _sockets(measured: Measured, target: Target, scan: bool) -> Measured:
    listening = measured.get("listening", [])
    if "unknown" in measured or not scan:
        return measured
    wanted = {int(it["port"]) for it in listening if it["protocol"] == "tcp"}
    return {**measured, "scan": {address: ports.scan(address, wanted) for address in target.addresses}}


def _dns(request: Mapping[str, Any], target: Target) -> Measured:
    promise = request["promise"]["dns"]
    found = dns.measure(target.names, promise["mail_domain"], promise["dkim_selectors"], request["resolver"])
    if "unknown" in found:
        return found
    keys = _keys(target) if target.addresses else {}
    return {**found, "keys": keys, "security_txt": _reached(found["names"], target)}


def _reached(names: Mapping[str, Any], target: Target) -> dict[str, str]:
    """Ask for security.txt where DNS leads; {name: status}, empty where nothing answers."""
    found = {}
    for name, records in names.items():
        for address in [*records["a"], *records["aaaa"]][:1]:
            try:
                found[name] = str(web.get(address, name, "/.well-known/security.txt", target)["status"])
            except (OSError, http.client.HTTPException):
                found[name] = ""
    return found


def _keys(target: Target) -> dict[str, str]:
    """Take the public key of each name from its certificate, for the DANE record to print."""
    found = {}
    for name in target.names:
        try:
            found[name] = str(tls.certificate(name, target.addresses[0], target)["key_sha256"])
        except (OSError, ValueError):
            continue
    return found


def _probes(request: Mapping[str, Any], target: Target) -> dict[str, Callable[[Measured], Measured]]:
    """What is looked at from here, by area; each takes what the role has measured."""
    ssh, controls = request["ssh"], request["controls"]
    return {
        "sockets": lambda measured: _sockets(measured, target, request["scan"]),
        "tls": lambda _: tls.measure(target),
        "headers": lambda _: web.measure(target),
        "ssh": lambda measured: {**measured, "audit": ssh_audit.audit(ssh["address"], int(ssh["port"]))},
        "dns": lambda _: _dns(request, target),
        "controls": lambda _: drift.measure(
            request["host"], Path(controls["playbook"]), controls["sources"], controls["arguments"]
        ),
    }


def judge(area: str, measured: Measured, promise: Mapping[str, Any]) -> list[Result]:
    """Judge one area; an area that nobody measured or can judge is unknown."""
    if area not in JUDGES or not measured:
        return not_measured(area, {"unknown": "nothing measured it", "cure": ""})
    return JUDGES[area](measured, promise)


def run(request: Mapping[str, Any]) -> Report:
    """Look, judge and report. `request` is what roles/check/vars/main.yml puts together as __check_request."""
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    reached = resolve(request["ssh"]["address"])
    own = request["own_addresses"] if isinstance(request["own_addresses"], list) else []
    target = Target.of(request["target"])
    target = replace(target, addresses=choose(target.addresses, reached, own))
    areas = [area for area in AREAS if area in request["areas"]]
    measured: dict[str, Measured] = {area: request["measured"].get(area, {}) for area in areas}
    probes = {area: probe for area, probe in _probes(request, target).items() if area in areas}
    with ThreadPoolExecutor(max(1, len(probes))) as pool:
        waiting = {area: pool.submit(probe, measured[area]) for area, probe in probes.items()}
        measured |= {area: future.result() for area, future in waiting.items()}
    promise = dict(request["promise"])
    if "dns" in promise and not promise["dns"]["addresses"]:
        # Behind a translation of addresses the host does not know the one that DNS has to give
        public = [it for it in target.addresses if ipaddress.ip_address(it).is_global]
        promise["dns"] = {**promise["dns"], "addresses": public}
    judged = {
        area: judge(area, {**measured[area], "now": now} if measured[area] else {}, promise.get(area, {}))
        for area in areas
    }
    return Report(request["host"], target.names[0], now, judged)
