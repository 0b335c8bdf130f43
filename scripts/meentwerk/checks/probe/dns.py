"""What DNS says of an instance's names, asked from one resolver, with its word on DNSSEC."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.exception
import dns.flags
import dns.name
import dns.resolver

# RFC 6761, RFC 8375, RFC 9476: no public resolver knows anything below these
RESERVED = {"test", "example", "invalid", "localhost", "alt", "internal", "home.arpa"}
_SECONDS = 4.0


class NoAnswerError(Exception):
    """The resolver gave no answer that says anything about the name."""


class Asker:
    """One resolver. `server` is ADDRESS, ADDRESS:PORT or [IPv6]:PORT; empty is this machine's own."""

    def __init__(self, server: str = "") -> None:
        self.server = server
        try:
            self._resolver = dns.resolver.Resolver(configure=not server)
        except dns.exception.DNSException as error:
            raise NoAnswerError(f"this machine has no resolver: {error}") from error
        if server:
            address, port = split(server)
            self._resolver.nameservers, self._resolver.port = [address], port
        self._resolver.lifetime = _SECONDS
        self._resolver.use_edns(0, dns.flags.DO, 1232)
        # Without this bit a resolver need not say that it has validated (RFC 6840, 5.7)
        self._resolver.flags = dns.flags.RD | dns.flags.AD

    def ask(self, name: str, kind: str) -> tuple[list[str], bool]:
        """Return the records as text (none where there are none) and whether the resolver vouches for them."""
        try:
            answer = self._resolver.resolve(dns.name.from_text(name), kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            answers = error.responses().values()  # type: ignore[no-untyped-call]  # dnspython has no types here
            return [], any(bool(it.flags & dns.flags.AD) for it in answers)
        except dns.exception.DNSException as error:
            raise NoAnswerError(f"no answer about {name} {kind}: {type(error).__name__}") from error
        records = [record.to_text() for record in answer.rrset] if answer.rrset else []
        return records, bool(answer.response.flags & dns.flags.AD)

    def validates(self) -> bool:
        """Whether it checks signatures at all: the root's are always there."""
        try:
            return self.ask(".", "SOA")[1]
        except NoAnswerError:
            return False


def split(server: str) -> tuple[str, int]:
    """Take address and port apart; ValueError says what is no address."""
    address, _, port = (
        server.rpartition(":") if server.count(":") == 1 or server.startswith("[") else (server, "", "53")
    )
    bare = address.strip("[]")
    try:
        return str(ipaddress.ip_address(bare)), int(port)
    except ValueError:
        raise ValueError(f"check_resolver is {server!r}. Give an address, ADDRESS:PORT or [IPv6]:PORT.") from None


def text(record: str) -> str:
    """Join the quoted strings of a TXT record, as SPF and DMARC ask for."""
    return "".join(part for part in record.split('"')[1::2])


def _climb(asker: Asker, name: str) -> list[str]:
    """Find the CAA records that hold for a name: its own, or those of the nearest name above (RFC 8659, 3)."""
    labels = name.split(".")
    for start in range(len(labels) - 1):
        records, _ = asker.ask(".".join(labels[start:]), "CAA")
        if records:
            return records
    return []


def _name(asker: Asker, name: str) -> dict[str, Any]:
    addresses4, vouched = asker.ask(name, "A")
    addresses6, _ = asker.ask(name, "AAAA")
    return {
        "a": addresses4,
        "aaaa": addresses6,
        "dnssec": vouched,
        "caa": _climb(asker, name),
        "tlsa": asker.ask(f"_443._tcp.{name}", "TLSA")[0],
    }


def _texts(asker: Asker, name: str, begin: str) -> list[str]:
    records, _ = asker.ask(name, "TXT")
    return [it for it in map(text, records) if it.lower().startswith(begin)]


def _mail(asker: Asker, domain: str, selectors: Iterable[str]) -> dict[str, Any]:
    records, _ = asker.ask(domain, "MX")
    hosts = [host for host in (record.split()[-1].rstrip(".") for record in records) if host]
    return {
        "spf": _texts(asker, domain, "v=spf1"),
        "dmarc": _texts(asker, f"_dmarc.{domain}", "v=dmarc1"),
        "dkim": {selector: _key(asker, f"{selector}._domainkey.{domain}") for selector in selectors},
        "mx": hosts,
        "tlsa": {host: asker.ask(f"_25._tcp.{host}", "TLSA")[0] for host in hosts},
    }


def _key(asker: Asker, name: str) -> bool:
    records, _ = asker.ask(name, "TXT")
    # An empty p= is a key that was revoked (RFC 6376, 3.6.1)
    return any(re.search(r"\bp\s*=\s*[^;\s]", text(record)) for record in records)


def reserved(name: str) -> bool:
    """Whether a name can never be in the public DNS."""
    return any(name == zone or name.endswith(f".{zone}") for zone in RESERVED)


def addresses(name: str, server: str) -> list[str]:
    """Give a name's addresses by that resolver; none where it knows none or does not answer."""
    try:
        asker = Asker(server)
        return [address for kind in ("A", "AAAA") for address in asker.ask(name, kind)[0]]
    except (NoAnswerError, ValueError):
        return []


def measure(names: Sequence[str], mail_domain: str, selectors: Sequence[str], server: str = "") -> dict[str, Any]:
    """Ask for everything; {resolver, validates, names: {name: ...}, mail: {...}}, or {unknown: why, cure}."""
    cure = "Set check_resolver to a validating resolver that this controller reaches."
    if not server and all(map(reserved, names)):
        return {
            "unknown": f"{names[0]} is below a name that is reserved for tests, so no public DNS has it",
            "cure": cure,
        }
    try:
        asker = Asker(server)
        with ThreadPoolExecutor(8) as pool:
            validates = pool.submit(asker.validates)
            answers = {name: pool.submit(_name, asker, name) for name in names}
            mail = pool.submit(_mail, asker, mail_domain, selectors)
            return {
                "resolver": server or "this controller's",
                "validates": validates.result(),
                "names": {name: answer.result() for name, answer in answers.items()},
                "mail": mail.result(),
            }
    except (NoAnswerError, ValueError, OSError) as error:
        return {"unknown": str(error), "cure": cure}
