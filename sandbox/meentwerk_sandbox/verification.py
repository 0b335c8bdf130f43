"""Whether a page in somebody's profile links back to it (VerifyLinkService, Account::Field, Request).

The address comes from a user, so the request must not reach into the operator's network: https only, public addresses
only unless ALLOWED_PRIVATE_ADDRESSES says otherwise, and the address that was checked is the one connected to.
"""

import ipaddress
import os
import re
import socket
import ssl
from html.parser import HTMLParser
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urljoin, urlsplit

MAX_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
TIMEOUT = 10
HTTPS_PORT = 443
AGENT = "Meentwerk sandbox (profile link verification)"
REDIRECTS = (301, 302, 303, 307, 308)


class RefusedAddressError(Exception):
    """The page lies where this server may not look."""


def verifiable(value: str) -> bool:
    """https, no credentials, a host without raw IDN: what Account::Field#verifiable? asks."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and parts.username is None
        and parts.password is None
        and bool(parts.hostname)
        and parts.netloc.isascii()
        and parts.netloc == parts.netloc.lower()
        and parts.path.isascii()
        and not re.search(r"\s", value)
    )


def links_back(value: str, profile: str) -> bool:
    """Whether the page has a link with rel=me to `profile`, itself or by one redirect; never raises."""
    if not verifiable(value):
        return False
    try:
        body = _page(value)
        if body is None:
            return False
        links = rel_me_links(body)
        if any(link is not None and link.lower() == profile.lower() for link in links):
            return True
        return bool(links and links[0]) and _location(links[0] or "") == profile
    except (OSError, HTTPException, ValueError, RefusedAddressError):
        return False


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in {"a", "link"} and "me" in (values.get("rel") or "").lower().split():
            self.found.append(values.get("href"))


def rel_me_links(html: str) -> list[str | None]:
    """The href of every `a` and `link` whose rel has the token `me`, in order."""
    parser = _Links()
    parser.feed(html)
    return parser.found


def _page(url: str) -> str | None:
    for _ in range(MAX_REDIRECTS + 1):
        response, body = _ask("GET", url)
        if response.status in REDIRECTS and (location := response.getheader("Location")):
            url = urljoin(url, location)
            if urlsplit(url).scheme != "https":
                return None
            continue
        if response.status != HTTPStatus.OK:
            return None
        return body.decode(response.headers.get_content_charset() or "utf-8", "replace")
    return None


def _location(url: str) -> str | None:
    if urlsplit(url).scheme != "https":
        return None
    response, _ = _ask("HEAD", url)
    return response.getheader("Location")


class _Pinned(HTTPSConnection):
    """An HTTPS connection to an address that was looked at, with the certificate checked against the name."""

    def __init__(self, host: str, port: int, address: str) -> None:
        self._trust = ssl.create_default_context()
        super().__init__(host, port, timeout=TIMEOUT, context=self._trust)
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), TIMEOUT)
        self.sock = self._trust.wrap_socket(plain, server_hostname=self.host)


def _ask(method: str, url: str) -> tuple[HTTPResponse, bytes]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or HTTPS_PORT
    connection = _Pinned(host, port, _address(host, port))
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, headers={"Accept": "text/html", "User-Agent": AGENT})
        response = connection.getresponse()
        return response, response.read(MAX_BYTES)
    finally:
        connection.close()


def _address(host: str, port: int) -> str:
    for *_, found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        address = str(found[0])
        if permitted(address):
            return address
    raise RefusedAddressError(host)


def permitted(address: str) -> bool:
    """Whether an address is public, or allowed by ALLOWED_PRIVATE_ADDRESSES."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    allowed = os.environ.get("ALLOWED_PRIVATE_ADDRESSES", "").replace(",", " ").split()
    if any(parsed in ipaddress.ip_network(network, strict=False) for network in allowed):
        return True
    return parsed.is_global and not parsed.is_multicast
