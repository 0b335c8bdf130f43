"""The running instance that is held against the recordings, and the people who use it."""

import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from mastodon import Mastodon
from urllib3.util import connection

from .recordings import Exchange

SCOPES = "read write follow push"
ADMIN_SCOPES = f"{SCOPES} admin:read admin:write"
_TIMEOUT = 30  # seconds
TOO_MANY = 429


@dataclass(frozen=True)
class Settings:
    """Where the instance is, from the environment; see README.md."""

    url: str
    batch: tuple[str, ...]
    """Command that runs bin/batch on the host; the batch's name is appended, JSON goes in and comes out."""
    ca_file: str | None
    address: str | None
    """Where the name of the URL is served, if name resolution does not know."""

    @classmethod
    def read(cls) -> "Settings | None":
        """Read the environment; none when no instance is named."""
        url, batch = os.environ.get("CONTRACT_URL"), os.environ.get("CONTRACT_BATCH")
        if not url or not batch:
            return None
        return cls(
            url=url.rstrip("/"),
            batch=tuple(shlex.split(batch)),
            ca_file=os.environ.get("CONTRACT_CA_FILE"),
            address=os.environ.get("CONTRACT_ADDRESS"),
        )


@dataclass
class Instance:
    """A server, what it answered so far, and three people on it."""

    settings: Settings
    exchanges: list[Exchange] = field(default_factory=list)
    session: requests.Session = field(default_factory=requests.Session)
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Record every answer, and trust the given authority only."""
        self.session.trust_env = False
        self.session.verify = self.settings.ca_file or True
        self.session.hooks["response"].append(self._record)

    def _record(self, response: requests.Response, **_: object) -> None:
        self.exchanges.append(
            Exchange(
                method=response.request.method or "",
                path=urlsplit(response.url).path,
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=response.text,
            )
        )

    def call(self, method: str, path: str, token: str | None = None, **arguments: Any) -> requests.Response:
        """Send one request; a status other than 2xx is an answer like any other."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = self.session.request(
            method,
            f"{self.settings.url}{path}",
            headers=headers,
            timeout=_TIMEOUT,
            allow_redirects=False,
            **arguments,
        )
        reset = response.headers.get("X-RateLimit-Reset")
        assert response.status_code != TOO_MANY, f"{method} {path}: too many requests from here; wait until {reset}"
        return response

    def client(self, person: str | None) -> Mastodon:
        """Give Mastodon.py as a person, or as nobody."""
        return Mastodon(
            api_base_url=self.settings.url,
            access_token=self.tokens[person] if person else None,
            session=self.session,
            version_check_mode="none",
            ratelimit_method="throw",
            request_timeout=_TIMEOUT,
        )

    def batch(self, name: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run bin/batch on the host; a failed item is an error here."""
        result = subprocess.run(
            [*self.settings.batch, name],
            input=json.dumps({"contract": 1, "dry_run": False, "items": items}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert result.returncode == 0, f"batch {name} ended with {result.returncode}: {result.stdout}{result.stderr}"
        results: list[dict[str, Any]] = json.loads(result.stdout)["results"]
        return results

    def enrol(self) -> None:
        """Make sure of the three people, and give each a token of this run."""
        domain = urlsplit(self.settings.url).hostname
        people = {"contract_owner": "Owner", "contract_anna": None, "contract_bert": None}
        self.batch(
            "accounts",
            [
                {
                    "username": name,
                    "email": f"{name}@{domain}",
                    "role": role,
                    "password": secrets.token_urlsafe(24),
                    "confirmed": True,
                    "approved": True,
                    "locale": "en",
                }
                for name, role in people.items()
            ],
        )
        application = f"Contract test {secrets.token_hex(6)}"
        results = self.batch(
            "tokens",
            [
                {"username": name, "application": application, "scopes": ADMIN_SCOPES if role else SCOPES}
                for name, role in people.items()
            ],
        )
        for name, result in zip(people, results, strict=True):
            self.tokens[name.removeprefix("contract_")] = result["token"]


@contextmanager
def reached_at(settings: Settings) -> Iterator[None]:
    """Lead connections for the URL's name to the given address; TLS still checks the name."""
    original, name = connection.create_connection, urlsplit(settings.url).hostname

    def create(address: tuple[str, int], *arguments: Any, **named: Any) -> Any:
        host, port = address
        target = settings.address if settings.address and host == name else host
        return original((target, port), *arguments, **named)

    connection.create_connection = create
    try:
        yield
    finally:
        connection.create_connection = original
