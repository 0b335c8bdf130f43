"""A small internet on this machine: https servers by name, on one port of 127.0.0.1, with a certificate authority."""

import http.server
import ipaddress
import json
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from meentwerk.identities.fetch import Fetcher, Limits

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
JSON = {"Content-Type": "application/json"}


@dataclass
class Reply:
    """What a server answers."""

    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Answerer = Callable[[http.server.BaseHTTPRequestHandler], None]


class World:
    """Names, pages, and what was asked."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.pages: dict[tuple[str, str], Reply | Answerer] = {}
        self.addresses: dict[str, list[list[str]]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.agents: set[str] = set()
        self.accepted: set[str | None] = set()
        """What HEAD requests would take."""
        self.ca, chain = _certificates(folder, names)
        world = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing."""

            def do_GET(self) -> None:
                host = self.headers["Host"]
                world.asked.append((self.command, host, self.path))
                world.agents.add(self.headers["User-Agent"])
                if self.command == "HEAD":
                    world.accepted.add(self.headers["Accept"])
                path = re.sub(r"&fresh=\w+$", "", self.path)
                found = world.pages.get((host, path)) or world.pages.get((host, path.partition("?")[0]))
                if callable(found):
                    found(self)
                    return
                reply = found or Reply(b"not here", 404)
                body = reply.body.encode() if isinstance(reply.body, str) else reply.body
                self.send_response(reply.status)
                for name, value in {"Content-Type": "text/html", "Content-Length": str(len(body))}.items():
                    if name not in reply.headers:
                        self.send_header(name, value)
                for name, value in reply.headers.items():
                    # As Mastodon (rack-cors): said to pages of other sites only
                    if name != "Access-Control-Allow-Origin" or self.headers["Origin"]:
                        self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_PATCH = do_HEAD = do_GET  # noqa: N815  # the library's word

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Nothing: clients that hang up are what is tested."""

        self._server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def resolve(self, host: str, _port: int) -> list[str]:
        """Return a name's addresses; a name with several lists gives the next one at each question."""
        answers = self.addresses.get(host, [["127.0.0.1"]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def fetcher(self, **limits: Any) -> Fetcher:
        """A fetcher for which 127.0.0.1 is the public internet."""
        wanted = Limits(**{"seconds": 5.0, "connect_seconds": 2.0, **limits})
        return Fetcher(
            "https://example.org/robots", LOOPBACK, wanted, trust=str(self.ca), resolver=self.resolve, port=self.port
        )

    def page(self, url: str, body: bytes | str = b"", status: int = 200, **headers: str) -> None:
        """Put a page at an address."""
        host, _, path = url.removeprefix("https://").partition("/")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[host, f"/{path}"] = Reply(body, status, named)

    def account(
        self, handle: str, web: str = "", fields: list[tuple[str, str | None]] | None = None, **actor: Any
    ) -> None:
        """Let an account be, as Mastodon shows it; `fields` are links and their verified_at."""
        name, _, domain = handle.partition("@")
        web = web or domain
        uri, url = f"https://{web}/users/{name}", f"https://{web}/@{name}"
        jrd = {
            "subject": f"acct:{handle}",
            "links": [
                {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": url},
                {"rel": "self", "type": "application/activity+json", "href": uri},
            ],
        }
        for one in {domain, web}:
            resource = f"https://{web}/.well-known/webfinger?resource=acct:{name}@{one}"
            self.page(resource, json.dumps(jrd), Content_Type="application/jrd+json", Access_Control_Allow_Origin="*")
        if domain != web:
            query = f"?resource=acct:{name}@{domain}"
            target = f"https://{web}/.well-known/webfinger{query}"
            self.page(
                f"https://{domain}/.well-known/webfinger{query}",
                "",
                301,
                Location=target,
                Access_Control_Allow_Origin="*",
            )
            self.page(
                f"https://{domain}/.well-known/host-meta", "", 301, Location=f"https://{web}/.well-known/host-meta"
            )
        self.page(f"https://{web}/.well-known/host-meta", HOST_META % web, Content_Type="application/xrd+xml")
        document = {"id": uri, "preferredUsername": name, "url": url, "webfinger": handle, **actor}
        self.page(uri, json.dumps(document), Content_Type="application/activity+json")
        shown = [
            {"name": "Web", "value": f'<a href="{link}" rel="me">{link}</a>', "verified_at": at}
            for link, at in fields or []
        ]
        profile = {"id": "1", "username": name, "display_name": name.title(), "url": url, "fields": shown}
        self.page(
            f"https://{web}/api/v1/accounts/lookup?acct={name}", json.dumps(profile), Content_Type="application/json"
        )


HOST_META = (
    '<?xml version="1.0"?><XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">'
    '<Link rel="lrdd" template="https://%s/.well-known/webfinger?resource={uri}"/></XRD>'
)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificates(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Return the file of a new authority, and of a certificate for all names with its key."""
    now = datetime.now(UTC)

    def build(subject: str, key: ec.EllipticCurvePrivateKey, issuer: str) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_made = build("test authority", ca_key, "test authority")
    ca_made = ca_made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca_made = ca_made.add_extension(usage, critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = ca_made.add_extension(identifier, critical=False).sign(ca_key, hashes.SHA256())
    made = build(names[0], key, "test authority").add_extension(
        x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    leaf = made.add_extension(authority, critical=False).sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "chain.pem").write_bytes(leaf.public_bytes(pem) + private)
    return folder / "ca.pem", folder / "chain.pem"
