"""Whether a page in somebody's profile links back to it (VerifyLinkService, Account::Field, Request).

The address comes from a user, so the request must not reach into the operator's network: public addresses only unless
ALLOWED_PRIVATE_ADDRESSES says otherwise, and the address that was checked is the one connected to. The page's own
address is https; a redirect may lead to http, as with Mastodon.
"""

import contextlib
import ipaddress
import os
import posixpath
import re
import socket
import ssl
import time
import unicodedata
from html.parser import HTMLParser
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

MAX_BYTES = 1024 * 1024
CHUNK = 16 * 1024
MAX_REDIRECTS = 3
TIMEOUT = 10
DEADLINE = 30  # seconds for all of a body
PORTS = {"https": 443, "http": 80}
AGENT = "Meentwerk sandbox (profile link verification)"
REDIRECTS = (301, 302, 303, 307, 308)
# What a segment of a path holds unencoded, but for letters, digits and -._~ (RFC 3986, 3.3)
IN_SEGMENT = "!$&'()*+,;=:@"
# Elements that hold text and no tags, drawings and formulas, and what of theirs holds HTML again (Nokogiri::HTML5)
TEXT_ONLY = {"title", "textarea", "xmp", "iframe", "noembed", "noframes"}
FOREIGN, HOLDING = {"svg", "math"}, {"foreignobject", "desc", "mi", "mo", "mn", "ms", "mtext"}


class RefusedAddressError(Exception):
    """The page lies where this server may not look."""


def verifiable(value: str) -> bool:
    """https, no credentials, a host without raw IDN, a path in normal form: what Account::Field#verifiable? asks."""
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
        and not (parts.hostname or "").endswith(".")
        and parts.path == _normal(parts.path)
        and not re.search(r"\s", value)
    )


def _normal(path: str) -> str:
    """A path as Addressable's normalized_path writes it."""
    segments = []
    for raw in path.split("/"):
        content = unquote_to_bytes(raw)
        with contextlib.suppress(UnicodeDecodeError):
            content = unicodedata.normalize("NFC", content.decode()).encode()
        segments.append(quote(content, safe=IN_SEGMENT))
    normal = "/".join(segments)
    return posixpath.normpath(normal) if {".", ".."} & set(segments) else normal


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
        self._around: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(reversed(attrs))  # of two attributes of one name the first counts
        # The `a` of a drawing is another element than HTML's
        inside = bool(self._around) and self._around[-1] in FOREIGN
        if tag in {"a", "link"} and not inside and "me" in (values.get("rel") or "").lower().split():
            self.found.append(values.get("href"))
        if tag in FOREIGN or (inside and tag in HOLDING):
            self._around.append(tag)
        elif tag in TEXT_ONLY and not inside:
            self.set_cdata_mode(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._around:
            while self._around.pop() != tag:
                pass


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
            continue
        if response.status != HTTPStatus.OK:
            return None
        try:
            return body.decode(response.headers.get_content_charset() or "utf-8", "replace")
        except LookupError:  # no charset of this world
            return body.decode("utf-8", "replace")
    return None


def _location(url: str) -> str | None:
    response, _ = _ask("HEAD", url)
    return response.getheader("Location")


class _Pinned(HTTPConnection):
    """A connection to an address that was looked at; with https, the certificate is checked against the name."""

    def __init__(self, scheme: str, host: str, port: int, address: str) -> None:
        self._trust = ssl.create_default_context() if scheme == "https" else None
        super().__init__(host, port, timeout=TIMEOUT)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), TIMEOUT)
        if self._trust is not None:
            self.sock = self._trust.wrap_socket(self.sock, server_hostname=self.host)


def _ask(method: str, url: str) -> tuple[HTTPResponse, bytes]:
    parts = urlsplit(url)
    if parts.scheme not in PORTS:
        raise RefusedAddressError(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    connection = _Pinned(parts.scheme, host, port, _address(host, port))
    try:
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe="%/?:@!$&'()*+,;=~[]")
        headers = {"User-Agent": AGENT, "Host": parts.netloc.rpartition("@")[2]}
        connection.request(method, target, headers=headers | ({"Accept": "text/html"} if method == "GET" else {}))
        response = connection.getresponse()
        return response, _body(response)
    finally:
        connection.close()


def _body(response: HTTPResponse) -> bytes:
    """The first megabyte, and what came along with its end (truncated_body)."""
    end, content = time.monotonic() + DEADLINE, b""
    while len(content) <= MAX_BYTES and (piece := response.read1(CHUNK)):
        content += piece
        if time.monotonic() > end:
            raise TimeoutError("the page did not end in time")
    return content


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
