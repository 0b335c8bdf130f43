"""Headers: every answer as it should be passes, and each fault is found where it stands."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from meentwerk.checks.judge import headers as judge
from meentwerk.checks.model import Result, Status

NAME = "social.example.test"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
PROMISE = {"hsts_seconds": 63072000, "compress_pages": False}
# As Mastodon sends it
POLICY = "; ".join(
    [
        "base-uri 'none'",
        "default-src 'none'",
        "frame-ancestors 'none'",
        f"font-src 'self' https://{NAME}",
        "img-src 'self' data: blob:",
        "style-src 'self' 'nonce-abc=='",
        "media-src 'self' data:",
        "frame-src 'self' https:",
        "manifest-src 'self'",
        "form-action 'self'",
        "child-src 'self' blob:",
        "worker-src 'self' blob:",
        f"connect-src 'self' data: blob: wss://{NAME}",
        "script-src 'self' 'wasm-unsafe-eval'",
    ]
)
FOREIGN = "default-src 'self' https:; base-uri 'none'; frame-ancestors 'none'"
TWICE = ("max-age=63072000", "max-age=63072000; includeSubDomains")
HEADERS = {
    "strict-transport-security": ["max-age=63072000"],
    "x-content-type-options": ["nosniff"],
    "referrer-policy": ["same-origin"],
    "x-frame-options": ["DENY"],
    "content-security-policy": [POLICY],
    "permissions-policy": ["camera=(), geolocation=(), microphone=()"],
    "server": ["nginx"],
}
TEXT = {
    "status": 200,
    "headers": {"content-type": ["text/plain; charset=utf-8"]},
    "body": f"Contact: mailto:x@example.test\nExpires: {NOW + timedelta(days=200):%Y-%m-%dT%H:%M:%SZ}\n",
}


def good() -> dict[str, Any]:
    answer = {"status": 200, "headers": copy.deepcopy(HEADERS)}
    return {
        "page": answer, "api": copy.deepcopy(answer), "file": copy.deepcopy(answer), "cookie": 200,
        "redirect": {"status": 301, "headers": {"location": [f"https://{NAME}/about?x=y"]}},
        "security_txt": {NAME: copy.deepcopy(TEXT)}, "strangers_refused": True,
    }  # fmt: skip


def results(*views: dict[str, Any], **promise: Any) -> dict[str, Result]:
    addresses = {f"192.0.2.{number}": view for number, view in enumerate(views, 1)}
    measured = {"name": NAME, "addresses": addresses, "now": NOW.isoformat()}
    return {it.id: it for it in judge.judge(measured, PROMISE | promise)}


def failed(found: dict[str, Result]) -> set[str]:
    return {it.id for it in found.values() if it.status is Status.FAIL}


def test_everything_as_it_should_be_passes() -> None:
    found = results(good(), good())
    assert {it.status for it in found.values()} == {Status.PASS}, failed(found)


def put(part: str, name: str, *values: str) -> Callable[[dict[str, Any]], None]:
    return lambda view: view[part]["headers"].__setitem__(name, list(values))


def without(part: str, *names: str) -> Callable[[dict[str, Any]], None]:
    def spoil(view: dict[str, Any]) -> None:
        for name in names:
            del view[part]["headers"][name]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "rules"),
    [
        (lambda view: view["redirect"].update(status=302), {"WEB-001"}),
        (put("redirect", "location", "https://other.example.test/about?x=y"), {"WEB-001"}),
        (put("page", "strict-transport-security", *TWICE), {"WEB-002"}),
        (put("file", "strict-transport-security", "max-age=300"), {"WEB-002"}),
        (without("api", "strict-transport-security"), {"WEB-002"}),
        (without("file", "x-content-type-options"), {"WEB-003"}),
        (put("page", "referrer-policy", "unsafe-url"), {"WEB-004"}),
        (put("page", "referrer-policy", "same-origin", "same-origin"), {"WEB-004"}),
        (put("file", "content-security-policy", "base-uri 'none'"), set()),
        (without("page", "x-frame-options", "content-security-policy"), {"WEB-005", "WEB-006"}),
        (put("page", "content-security-policy", POLICY.replace("'wasm-unsafe-eval'", "'unsafe-inline'")), {"WEB-006"}),
        (put("page", "content-security-policy", FOREIGN), {"WEB-006"}),
        (put("page", "content-security-policy", POLICY.replace("base-uri 'none'; ", "")), {"WEB-006"}),
        (put("api", "permissions-policy", "camera=*"), {"WEB-007"}),
        (put("page", "server", "nginx/1.26.3"), {"WEB-008"}),
        (put("page", "content-encoding", "gzip"), {"WEB-009"}),
        (lambda view: view.update(strangers_refused=False), {"WEB-010"}),
        (lambda view: view.update(cookie=400), {"WEB-011"}),
        (lambda view: view["security_txt"][NAME].update(status=404), {"WEB-012"}),
    ],
)  # fmt: skip
def test_each_fault_is_found(spoil: Callable[[dict[str, Any]], None], rules: set[str]) -> None:
    view = good()
    spoil(view)
    found = results(good(), view)
    assert failed(found) == rules
    assert all(found[rule].cure for rule in rules)
    assert all("192.0.2.2" in found[rule].found for rule in rules)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("Contact: mailto:x@example.test\n", "no single Expires"),
        ("Contact: a\nExpires: 2030-06-01T00:00:00Z\nExpires: 2030-06-01T00:00:00Z\n", "no single Expires"),
        ("Contact: a\nExpires: soon\n", "no single Expires"),
        ("Contact: a\nExpires: 2030-01-20T00:00:00Z\n", "Expires in 19 days"),
        ("Contact: a\nExpires: 2031-06-01T00:00:00Z\n", "more than a year"),
        ("Expires: 2030-06-01T00:00:00Z\n", "no Contact"),
    ],
)
def test_a_security_txt_that_is_not_valid(body: str, said: str) -> None:
    assert said in " ".join(judge.security_txt({**TEXT, "body": body}, NOW))


def test_a_page_that_may_be_compressed_is() -> None:
    view = good()
    view["page"]["headers"]["content-encoding"] = ["gzip"]
    assert failed(results(view, compress_pages=True)) == set()


def test_an_address_that_does_not_answer_is_unknown_and_never_passes() -> None:
    found = results(good(), {"unknown": "social.example.test at 192.0.2.2: timed out"})
    assert {it.status for it in found.values()} == {Status.UNKNOWN}
    spoiled = good()
    spoiled["cookie"] = 400
    assert results(spoiled, {"unknown": "timed out"})["WEB-011"].status is Status.FAIL


def test_where_nothing_answers_one_result_says_so() -> None:
    (only,) = results({"unknown": "timed out"}).values()
    assert only.status is Status.UNKNOWN
