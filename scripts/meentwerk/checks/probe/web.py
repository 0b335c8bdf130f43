"""HTTP as visitors meet it, at each address of the host and without DNS: headers, redirects, security.txt."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from meentwerk.checks.probe import Target, family

_LARGEST = 64 * 1024
STRANGER = "not-served-here.invalid"


class _Secure(http.client.HTTPSConnection):
    """Connects to an address while it asks for, and verifies, a name."""

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(name, port, timeout=timeout, context=context)
        self._address, self._tls = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _context(target: Target) -> ssl.SSLContext:
    """A certificate that is not trusted is a finding of TLS; headers are looked at all the same."""
    context = ssl.create_default_context(cafile=target.ca_file or None)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def get(
    address: str, name: str, path: str, target: Target, *, secure: bool = True, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Ask once; {status, headers: {name in lower case: [values]}, body: its first 64 KiB}."""
    if secure:
        connection: http.client.HTTPConnection = _Secure(address, target.port, name, _context(target), target.timeout)
    else:
        connection = http.client.HTTPConnection(address, target.http_port, timeout=target.timeout)
    try:
        connection.request("GET", path, headers={"Host": name, "User-Agent": "meentwerk-check", **(headers or {})})
        answer = connection.getresponse()
        found: dict[str, list[str]] = {}
        for key, value in answer.getheaders():
            found.setdefault(key.lower(), []).append(value)
        body = answer.read(_LARGEST).decode(errors="replace")
        return {"status": answer.status, "headers": found, "body": body}
    finally:
        connection.close()


def _kept(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": answer["status"], "headers": answer["headers"]}


def _refuses_strangers(address: str, target: Target) -> bool:
    """Whether a name that is not served gets no answer, in clear and in TLS."""
    for secure in (True, False):
        try:
            get(address, STRANGER, "/", target, secure=secure)
        except (OSError, http.client.HTTPException):
            continue
        return False
    return True


def _one(target: Target, address: str) -> dict[str, Any]:
    name = target.names[0]
    ask = partial(get, address, name, target=target)
    # As large as what Mastodon's session, a consent banner and a single sign-on proxy may put together
    cookie = {"Cookie": f"probe={'x' * 2048}"}
    try:
        return {
            "family": family(address),
            "page": _kept(ask("/", headers={"Accept-Encoding": "gzip, br, zstd"})),
            "api": _kept(ask("/api/v2/instance")),
            "file": _kept(ask("/robots.txt")),
            "cookie": ask("/", headers=cookie)["status"],
            "redirect": _kept(ask("/about?x=y", secure=False)),
            "security_txt": {each: get(address, each, "/.well-known/security.txt", target) for each in target.names},
            "strangers_refused": _refuses_strangers(address, target),
        }
    except (OSError, http.client.HTTPException) as error:
        return {"unknown": f"{name} at {address}: {getattr(error, 'strerror', None) or error or type(error).__name__}"}


def measure(target: Target) -> dict[str, Any]:
    """Ask at every address; {name, addresses: {address: facts or {unknown}}}."""
    if not target.addresses:
        return {"unknown": "no address of the host is known", "cure": "Have DNS lead there, or set check_addresses."}
    with ThreadPoolExecutor(len(target.addresses)) as pool:
        found = dict(zip(target.addresses, pool.map(partial(_one, target), target.addresses), strict=True))
    return {"name": target.names[0], "addresses": found}
