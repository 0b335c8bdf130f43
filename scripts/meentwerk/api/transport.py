"""Sessions of requests as this project wants them: the token as bearer, and a name that this machine does not know."""

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from meentwerk.api.server import Server

AGENT = "meentwerk"


class Bearer(requests.auth.AuthBase):
    """The Authorization header; as an auth object, so that no ~/.netrc replaces it."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header, or none for nobody."""
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class AtAddress(HTTPAdapter):
    """Connects to a fixed address; TLS and the Host header keep the server's name."""

    def __init__(self, host: str, address: str) -> None:
        self._host, self._address = host, address
        super().__init__()

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: bool | str,
        cert: Any = None,  # noqa: ANN401
    ) -> tuple[Any, Any]:
        """Return where to connect, the fixed address, and what the certificate must say, the server's own name."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["host"] != self._host:
            return host, pool
        named = {"assert_hostname": self._host, "server_hostname": self._host} if host["scheme"] == "https" else {}
        return {**host, "host": self._address}, {**pool, **named}

    def add_headers(self, request: requests.PreparedRequest, **_more: Any) -> None:  # noqa: ANN401
        """Name the host that is asked for, not the address."""
        request.headers.setdefault("Host", urlsplit(request.url or "").netloc)


def make_session(server: Server) -> requests.Session:
    """Return a session for one server."""
    session = requests.Session()
    session.headers["User-Agent"] = AGENT
    session.headers["Accept"] = "application/json"
    if server.address:
        session.mount(f"{server.url}/", AtAddress(server.host, server.address))
        session.trust_env = False  # a proxy would not go to the fixed address
    if server.ca_file:
        session.verify = str(server.ca_file)
    return session
