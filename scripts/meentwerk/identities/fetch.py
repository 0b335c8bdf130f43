"""The only way out to the network. What it is given may be hostile: addresses, pages and servers alike.

https only; every address that a name has is looked at, and the one that was looked at is connected to, so that a name
which leads elsewhere a moment later (DNS rebinding) changes nothing; redirects go through the same gate; size, time and
number of redirects are bounded; a host is asked by few connections at once.
"""

import asyncio
import socket
import ssl
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from importlib import metadata
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

import h11

from meentwerk.identities import names
from meentwerk.identities.addresses import Network, permitted

PORT = 443
CHUNK = 64 * 1024
MAX_ADDRESS = 2048
MAX_HEADER_BYTES = 32 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
RESOLVER_THREADS = 64
_SAFE = "%/:=&?~#+!$,;'@()*[]"

Resolver = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken from a stranger: bytes of a body, redirects, seconds for all of it, connections to a host.

    Redirects and `silent_seconds`, how long a server may say nothing, are Mastodon's (Request).
    """

    body: int = 1024 * 1024
    redirects: int = 3
    seconds: float = 20.0
    connect_seconds: float = 5.0
    silent_seconds: float = 10.0
    per_host: int = 2
    at_once: int = 64
    waits: float = 10.0


class Trouble(StrEnum):
    """Why there is no answer."""

    REFUSED = "refused"
    DOWNGRADE = "downgrade"
    PORT = "port"
    REDIRECTS = "redirects"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    NO_NAME = "no-name"
    TLS = "tls"
    PROTOCOL = "protocol"


# What the page's owner did, not the weather: looking again would not change it
LASTING = {Trouble.REFUSED, Trouble.DOWNGRADE, Trouble.PORT, Trouble.REDIRECTS}


class FetchError(Exception):
    """There is no answer; `hops` are the addresses that were asked before."""

    def __init__(self, trouble: Trouble, message: str, hops: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.hops = tuple(hops)


@dataclass(frozen=True, slots=True)
class Hop:
    """One answer on the way: address, status, headers in lower case."""

    url: str
    status: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The last answer, and every one before it. `truncated` says that the body went on beyond the limit."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes = b""
    truncated: bool = False
    hops: tuple[Hop, ...] = ()

    @property
    def text(self) -> str:
        """The body as text, in the charset it names, or UTF-8."""
        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        try:
            return self.body.decode(charset.split(";")[0].strip(" \"'") or "utf-8", "replace")
        except (LookupError, ValueError):  # no charset of this world
            return self.body.decode("utf-8", "replace")

    @property
    def media_type(self) -> str:
        """Content-Type without parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


def resolve(host: str, port: int) -> Sequence[str]:
    """Return every address of a name, in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def agent(contact: str) -> str:
    """Return the User-Agent, in the form that robots' operators expect: product, version, where to ask."""
    return f"Meentwerk/{metadata.version('meentwerk')} (identity check; +{contact})"


@dataclass
class Fetcher:
    """Gets pages within limits, inside one event loop.

    `trust` is a file with further certificate authorities; `port` is where https is spoken, another one in tests only.
    """

    contact: str
    allowed: tuple[Network, ...] = ()
    limits: Limits = field(default_factory=Limits)
    trust: str | None = None
    resolver: Resolver = resolve
    port: int = PORT
    asked: int = 0

    def __post_init__(self) -> None:
        self._tls = ssl.create_default_context()
        if self.trust:
            self._tls.load_verify_locations(self.trust)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._hosts: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(self.limits.per_host))
        self._all = asyncio.Semaphore(self.limits.at_once)
        # getaddrinfo knows no deadline: a name server that is silent holds a thread, and others must go on
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")

    def close(self) -> None:
        """Leave threads that wait for a silent name server behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def get(
        self,
        url: str,
        accept: str = "text/html",
        *,
        method: str = "GET",
        follow: bool = True,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Return the answer to a request, redirects followed. FetchError where there is none.

        Without `accept` nothing is said about the type.
        """
        hops: list[Hop] = []
        wanted = {**({"Accept": accept} if accept else {}), **(headers or {})}
        target = _checked(url, ())
        while True:
            answer = await self._one_hop(target, method, wanted, hops)
            location = answer.headers.get("location")
            if not follow or answer.status not in REDIRECTS or location is None:
                return replace(answer, hops=tuple(hops))
            hops.append(Hop(answer.url, answer.status, answer.headers))
            seen = [hop.url for hop in hops]
            if len(hops) > self.limits.redirects:
                raise FetchError(Trouble.REDIRECTS, f"more than {self.limits.redirects} redirects", seen)
            target = _checked(location, seen, answer.url)

    async def _one_hop(self, target: SplitResult, method: str, wanted: dict[str, str], hops: list[Hop]) -> Answer:
        host = target.hostname or ""
        seen = [*(hop.url for hop in hops), urlunsplit(target)]
        async with self._hosts[host], self._all:
            answer = await self._bounded(target, method, wanted, seen)
            if answer.status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
                return answer
            wait = answer.headers.get("retry-after", "")
            if not wait.isascii() or not wait.isdigit() or int(wait[:9]) > self.limits.waits:
                return answer
            await asyncio.sleep(int(wait))
            return await self._bounded(target, method, wanted, seen)

    async def _bounded(self, target: SplitResult, method: str, wanted: dict[str, str], seen: list[str]) -> Answer:
        host = target.hostname
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self._ask(target, method, wanted)
        except FetchError as error:
            raise FetchError(error.trouble, str(error), seen) from None
        except TimeoutError:
            message = f"{host} did not finish its answer within {self.limits.seconds:g} s"
            raise FetchError(Trouble.TIMEOUT, message, seen) from None
        except ssl.SSLCertVerificationError as error:
            message = f"the certificate of {host} does not hold: {error.verify_message}"
            raise FetchError(Trouble.TLS, message, seen) from None
        except ssl.SSLError as error:
            raise FetchError(Trouble.TLS, f"{host} speaks no TLS: {error.reason}", seen) from None
        except h11.RemoteProtocolError as error:
            raise FetchError(Trouble.PROTOCOL, f"{host} does not speak HTTP: {error}", seen) from None
        except OSError as error:
            message = f"{host} does not answer: {error.strerror or error}"
            raise FetchError(Trouble.UNREACHABLE, message, seen) from None

    async def _ask(self, target: SplitResult, method: str, wanted: dict[str, str]) -> Answer:
        reader, writer = await self._connect(target.hostname or "", self.port)
        self.asked += 1
        try:
            return await self._exchange(reader, writer, target, method, wanted)
        finally:
            # Not closed politely: a hostile server could keep us waiting for its goodbye
            writer.transport.abort()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        try:
            addresses = await loop.run_in_executor(self._threads, self.resolver, host, port)
        except OSError as error:
            raise FetchError(Trouble.NO_NAME, f"{host} has no address: {error.strerror or error}") from None
        private = [address for address in addresses if not permitted(address, self.allowed)]
        if private or not addresses:
            raise FetchError(Trouble.REFUSED, f"{host} leads to {', '.join(private) or 'nothing'}, which is not public")
        last: OSError = OSError("no address")
        for address in addresses[:4]:
            try:
                async with asyncio.timeout(self.limits.connect_seconds):
                    return await asyncio.open_connection(
                        address, port, ssl=self._tls, server_hostname=host, limit=CHUNK
                    )
            except ssl.SSLError:
                raise
            except OSError as error:  # a timeout is one too
                last = error if error.strerror else OSError(f"no connection within {self.limits.connect_seconds:g} s")
        raise last

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        target: SplitResult,
        method: str,
        wanted: dict[str, str],
    ) -> Answer:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADER_BYTES)
        path = urlunsplit(("", "", target.path or "/", target.query, ""))
        headers = {
            "Host": target.netloc,
            "User-Agent": agent(self.contact),
            "Accept-Encoding": "gzip",
            "Connection": "close",
            **wanted,
        }
        request = h11.Request(method=method, target=path, headers=list(headers.items()))
        writer.write(connection.send(request) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        answer = Answer(urlunsplit(target), 0, {})
        body = _Body(self.limits.body)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await self._read(reader, target.hostname))
            elif isinstance(event, h11.Response):
                found = {key.decode("ascii"): value.decode("latin-1") for key, value in reversed(list(event.headers))}
                answer = replace(answer, status=event.status_code, headers=found)
                body.inflate = found.get("content-encoding", "").strip().lower() == "gzip"
                if event.status_code in REDIRECTS or method == "HEAD":
                    return answer
            elif isinstance(event, h11.Data):
                if not body.add(bytes(event.data)):
                    return replace(answer, body=body.content, truncated=True)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return replace(answer, body=body.content)

    async def _read(self, reader: asyncio.StreamReader, host: str | None) -> bytes:
        try:
            async with asyncio.timeout(self.limits.silent_seconds):
                return await reader.read(CHUNK)
        except TimeoutError:
            seconds = self.limits.silent_seconds
            raise FetchError(Trouble.TIMEOUT, f"{host} was silent for {seconds:g} s") from None


class _Body:
    """A body that stops growing at its limit, also while it is inflated."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._inflater = zlib.decompressobj(wbits=31)
        self.inflate = False

    def add(self, data: bytes) -> bool:
        """Take data; False when there is more than the limit."""
        room = self._limit - self._size
        if self.inflate:
            try:
                data = self._inflater.decompress(data, room + 1)
            except zlib.error as error:
                raise FetchError(Trouble.PROTOCOL, f"the answer says gzip and is not: {error}") from None
        self._parts.append(data[:room])
        self._size += len(self._parts[-1])
        return len(data) <= room

    @property
    def content(self) -> bytes:
        """What was taken."""
        return b"".join(self._parts)


def _checked(url: str, seen: Sequence[str], base: str = "") -> SplitResult:
    """Return an address that may be asked: https, a domain, the usual port, no credentials."""
    try:
        url = urljoin(base, url.strip())
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchError(Trouble.REFUSED, f"{url[:200]!r} is no address: {error}", seen) from None
    if parts.scheme == "http":
        raise FetchError(Trouble.DOWNGRADE, f"leads to {_short(url)}, which is not https", [*seen, url[:MAX_ADDRESS]])
    if parts.scheme != "https":
        raise FetchError(Trouble.REFUSED, f"{_short(url)} is not https", seen)
    if parts.username is not None or parts.password is not None:
        raise FetchError(Trouble.REFUSED, f"the address for {parts.hostname} carries a login", seen)
    if len(url) > MAX_ADDRESS:
        raise FetchError(Trouble.REFUSED, f"an address of {len(url)} characters", seen)
    if port not in (None, PORT):
        raise FetchError(Trouble.PORT, f"{parts.hostname}:{port} is not the port of https", seen)
    try:
        if names.is_address(parts.hostname or ""):
            raise names.WrongNameError(f"{parts.hostname} is an address and not a domain")  # noqa: TRY301
        host = names.domain(parts.hostname or "")
    except names.WrongNameError as error:
        raise FetchError(Trouble.REFUSED, str(error), seen) from None
    path, query = quote(parts.path or "/", safe=_SAFE), quote(parts.query, safe=_SAFE)
    return SplitResult("https", host, path, query, "")


def _short(url: str) -> str:
    return url if len(url) <= 120 else f"{url[:117]}..."  # noqa: PLR2004
