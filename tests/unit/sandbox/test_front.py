import asyncio
from typing import Any

import pytest
from meentwerk_sandbox import config
from meentwerk_sandbox.front import Front
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

CONFIG = config.load(
    dict.fromkeys(config.REQUIRED, "x")
    | {"LOCAL_DOMAIN": "example.test", "WEB_DOMAIN": "social.example.test", "ALTERNATE_DOMAINS": "old.example.test"}
)
HTTPS = {"host": "social.example.test", "x-forwarded-proto": "https"}


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(scope["path"])(scope, receive, send)


def ask(method: str, path: str, headers: dict[str, str], *, draining: bool = False) -> tuple[int, dict[str, str], str]:
    front = Front(_application, CONFIG)
    front.draining = draining
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(front(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, body


@pytest.mark.parametrize("headers", [{}, {"host": "10.0.0.1"}, {"host": "evil.example"}])
def test_health_answers_everybody(headers: dict[str, str]) -> None:
    assert ask("GET", "/health", headers)[::2] == (200, "OK")


@pytest.mark.parametrize("host", ["evil.example", "", "social.example.test.evil.example"])
def test_a_foreign_host_is_refused(host: str) -> None:
    assert ask("GET", "/", {**HTTPS, "host": host})[0] == 403


@pytest.mark.parametrize("host", ["example.test", "Social.Example.test", "old.example.test", "social.example.test:443"])
def test_own_hosts_are_served(host: str) -> None:
    assert ask("GET", "/", {**HTTPS, "host": host})[0] == 200


def test_plain_http_is_sent_to_https() -> None:
    status, headers, _ = ask("GET", "/about?x=1", {"host": "social.example.test"})
    assert (status, headers["location"]) == (301, "https://social.example.test/about?x=1")
    assert ask("POST", "/api/v1/apps", {"host": "social.example.test"})[0] == 308


def test_a_slash_at_the_end_makes_no_difference() -> None:
    assert ask("GET", "/api/v1/instance/", HTTPS)[2] == "/api/v1/instance"
    assert ask("GET", "/", HTTPS)[2] == "/"


def test_security_headers_are_on_every_answer() -> None:
    headers = ask("GET", "/", HTTPS)[1]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["strict-transport-security"].startswith("max-age=63072000")


def test_other_sites_may_read_the_api_but_not_pages() -> None:
    foreign = {**HTTPS, "origin": "https://app.example"}
    headers = ask("GET", "/api/v1/instance", foreign)[1]
    assert headers["access-control-allow-origin"] == "*"
    assert "X-RateLimit-Remaining" in headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in ask("GET", "/about", foreign)[1]


def test_a_preflight_is_answered() -> None:
    asked = {**HTTPS, "origin": "https://app.example", "access-control-request-method": "POST"}
    status, headers, _ = ask("OPTIONS", "/api/v1/statuses", asked)
    assert status == 200
    assert "POST" in headers["access-control-allow-methods"]


def test_a_worker_that_ends_keeps_no_connection() -> None:
    assert ask("GET", "/", HTTPS, draining=True)[1]["connection"] == "close"
    assert "connection" not in ask("GET", "/", HTTPS)[1]
