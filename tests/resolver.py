"""A resolver on this machine that answers what a test tells it: zone files as a mapping."""

import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = Mapping[tuple[str, str], list[str]]
"""(name without the last dot, type) -> records as text; the root is "."."""


def answer(wire: bytes, zone: Zone, *, signed: bool, fails: bool) -> bytes:
    """Answer one question: `signed` says that the resolver has validated, `fails` that it could not."""
    query = dns.message.from_wire(wire)
    found = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    name, kind = question.name.to_text().rstrip(".") or ".", dns.rdatatype.to_text(question.rdtype)
    # A name above one that exists exists too, without records (RFC 8020)
    exists = any(known == name or known.endswith(f".{name}") for known, _ in zone)
    records = zone.get((name, kind), [])
    if signed:
        found.flags |= dns.flags.AD
    if fails:
        found.set_rcode(dns.rcode.SERVFAIL)
    elif records:
        found.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", question.rdtype, records))
    elif not exists:
        found.set_rcode(dns.rcode.NXDOMAIN)
    return found.to_wire()


@contextmanager
def serving(zone: Zone, *, signed: bool = True, fails: bool = False) -> Iterator[str]:
    """Serve a zone during the block; gives ADDRESS:PORT."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request[1].sendto(answer(self.request[0], zone, signed=signed, fails=fails), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
