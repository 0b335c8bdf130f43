"""How long the identity check takes for many organisations, and how much memory a large register.

Run it with benchmarks/identities. A server on this machine plays all instances and web sites, in a process of its own,
over TLS, and answers each request after 50 to 500 ms. One by one is measured with a few accounts, calculated for all.
"""

import argparse
import asyncio
import ipaddress
import json
import multiprocessing
import random
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from meentwerk.identities import registry, run
from meentwerk.identities.config import Config
from meentwerk.identities.fetch import Fetcher, Limits
from meentwerk.identities.model import Account, Verdict

LATENCY = (0.05, 0.5)
ORGANISATION = (
    '<p:organisatie p:systeemId="{n}" p:resourceIdentifierTOOI="https://register.example.org/{n}">'
    "<p:naam>Organisation {n}</p:naam><p:contact><p:internetadressen><p:internetadres><p:url>https://s{n}.example.test/</p:url></p:internetadres>"
    "</p:internetadressen></p:contact>{more}</p:organisatie>"
)


def answer(host: str, path: str, query: str) -> tuple[str, str]:
    """Return type and body of what an instance oN.example.test or a site sN.example.test says."""
    number = host.partition(".")[0][1:]
    web, name = f"o{number}.example.test", f"news{number}"
    uri, url = f"https://{web}/users/{name}", f"https://{web}/@{name}"
    if host.startswith("s"):
        return "text/html", f'<html><head><link rel="me" href="{url}"></head>{"<p>text" * 2000}</html>'
    if path == "/.well-known/webfinger":
        links = [{"rel": "self", "type": "application/activity+json", "href": uri}]
        return "application/jrd+json", json.dumps({"subject": parse_qs(query)["resource"][0], "links": links})
    if path == "/.well-known/host-meta":
        link = f'<Link rel="lrdd" template="https://{web}/.well-known/webfinger?resource={{uri}}"/>'
        return "application/xrd+xml", f'<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">{link}</XRD>'
    if path.startswith("/api/"):
        value = f'<a href="https://s{number}.example.test/">x</a>'
        field = {"name": "Web", "value": value, "verified_at": "2026-01-01T00:00:00Z"}
        return "application/json", json.dumps({"url": url, "display_name": f"Account {number}", "fields": [field]})
    return "application/activity+json", json.dumps({"id": uri, "preferredUsername": name, "url": url})


def serve(folder: Path, ready: Any) -> None:  # noqa: ANN401  # a queue of multiprocessing
    """Answer until the process is ended; tell the port."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            host = next(line[6:] for line in lines if line.lower().startswith("host: "))
            parts = urlsplit(lines[0].split()[1])
            await asyncio.sleep(random.uniform(*LATENCY))  # noqa: S311  # not for secrets
            kind, body = answer(host, parts.path, parts.query)
            reply = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nAccess-Control-Allow-Origin: *\r\n"
            writer.write(f"{reply}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "private.pem")
        server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=context, backlog=1024)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def certificate(folder: Path) -> None:
    """Make a certificate for every name of this world."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=benchmark", "-addext", "subjectAltName=DNS:*.example.test"]
    files = ["-keyout", str(folder / "private.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)


def write_register(path: Path, count: int, megabytes: int) -> None:
    """Write a ROO export with `count` organisations, and others until it has the size."""
    filler = f"<p:remark>{'x' * 1500}</p:remark>"
    with path.open("w") as file:
        file.write('<p:overheidsorganisaties xmlns:p="https://example.org/oo/2.6.9"><p:organisaties>')
        number = 0
        while number < count or file.tell() < megabytes * 1_000_000:
            file.write(ORGANISATION.format(n=number, more=filler if number >= count else ""))
            number += 1
        file.write("</p:organisaties></p:overheidsorganisaties>")


def load(path: Path, count: int) -> registry.Registry:
    """Read the register for the accounts of this benchmark."""
    wanted = {f"https://register.example.org/{number}" for number in range(count)}
    settings = Config.model_validate(
        {"contact": "https://example.org", "registers": [{"name": "roo", "kind": "roo", "source": path.name}]}
    )
    return registry.load(settings, path.parent, path.parent, wanted)


def register_memory(path: Path) -> None:
    """In a process of its own: read for one organisation, and print time and peak."""
    begin = time.perf_counter()
    found = load(path, 1)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = path.stat().st_size / 1e6
    print(f"register of {size:.1f} MB, {found.read} organisations: {seconds:.1f} s, peak {peak:.0f} MiB")


def check(folder: Path, port: int, known: registry.Registry, count: int, at_once: int) -> tuple[float, int]:
    """Check `count` accounts; return seconds and requests. SystemExit where one is not verified."""
    limits = Limits(at_once=at_once)
    fetcher = Fetcher(
        "https://example.org/robots",
        (ipaddress.ip_network("127.0.0.0/8"),),
        limits,
        trust=str(folder / "cert.pem"),
        resolver=lambda _host, _port: ["127.0.0.1"],
        port=port,
    )
    accounts = [
        Account(f"news{n}", f"o{n}.example.test", f"https://register.example.org/{n}", web_domain=f"o{n}.example.test")
        for n in range(count)
    ]
    begin = time.perf_counter()
    results = run.judge_all(accounts, known, fetcher)
    seconds = time.perf_counter() - begin
    wrong = [result for result in results if result.verdict is not Verdict.PASS]
    if wrong:
        sys.exit(f"{wrong[0].account.handle} is not verified: {[c for c in wrong[0].checks if c.verdict != 'pass']}")
    return seconds, fetcher.asked


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/identities",
        description="How long scripts/verify-identities takes for many organisations with 50 to 500 ms latency, "
        "and how much memory a large register.",
    )
    parser.add_argument("--organisations", type=int, default=1600)
    parser.add_argument("--megabytes", type=int, default=40, help="size of the large register")
    parser.add_argument("--sample", type=int, default=20, help="accounts that are checked one by one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for megabytes in (1, options.megabytes):
            path = folder / f"register-{megabytes}.xml"
            write_register(path, 100, megabytes)
            process = multiprocessing.get_context("spawn").Process(target=register_memory, args=(path,))
            process.start()
            process.join()
        write_register(folder / "register.xml", options.organisations, 0)
        known = load(folder / "register.xml", options.organisations)
        certificate(folder)
        context = multiprocessing.get_context("spawn")
        ready: Any = context.Queue()
        server = context.Process(target=serve, args=(folder, ready), daemon=True)
        server.start()
        port = ready.get(timeout=30)
        alone, asked = check(folder, port, known, options.sample, 1)
        one_by_one = alone / options.sample * options.organisations
        total = f"all would take {one_by_one / 60:.0f} min"
        print(f"one request at a time: {options.sample} accounts, {asked} requests in {alone:.1f} s; {total}")
        seconds, asked = check(folder, port, known, options.organisations, Limits().at_once)
        gain = f"{one_by_one / seconds:.0f} times faster"
        print(f"side by side: {options.organisations} accounts, {asked} requests in {seconds:.1f} s, {gain}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of the check: {peak:.0f} MiB")
        server.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
