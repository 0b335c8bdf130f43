"""Headers: what the application says stays, what it leaves out is filled in, and nothing is said twice."""

import pytest
from asking import HSTS, SITE, Answer, ask
from testinfra.host import Host

NAMES = (
    "x-content-type-options",
    "referrer-policy",
    "x-frame-options",
    "permissions-policy",
    "content-security-policy",
)


def said(answer: Answer) -> dict[str, str]:
    """The five headers; each comes once or not at all."""
    found = {name: answer.headers[name] for name in NAMES if name in answer.headers}
    assert all(len(values) == 1 for values in found.values()), found
    assert answer.headers["strict-transport-security"] == [HSTS]
    return {name: values[0] for name, values in found.items()}


def test_what_the_application_says_stays(host: Host) -> None:
    assert said(ask(host, f"{SITE}/own")) == {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "SAMEORIGIN",
        "permissions-policy": "camera=(self)",
        "content-security-policy": "default-src 'self'",
    }


def test_a_page_that_may_be_embedded_still_may(host: Host) -> None:
    found = said(ask(host, f"{SITE}/embed"))
    assert "x-frame-options" not in found
    assert found["content-security-policy"] == "default-src 'self'; frame-ancestors *"
    assert found["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "policy"), [("/bare-data", "default-src 'none'"), ("/bare-page", "default-src 'self'")]
)
def test_what_it_leaves_out_is_filled_in(host: Host, path: str, policy: str) -> None:
    found = said(ask(host, SITE + path))
    assert found["content-security-policy"].startswith(policy)
    assert "frame-ancestors 'none'" in found["content-security-policy"]
    assert found["x-frame-options"] == "DENY"
    assert found["referrer-policy"] == "same-origin"
    assert "camera=()" in found["permissions-policy"]


def test_an_unchanged_page_keeps_the_headers_that_the_browser_has(host: Host) -> None:
    answer = ask(host, f"{SITE}/unchanged")
    assert answer.status == 304
    assert said(answer) == {}


def test_what_the_cache_answers_says_the_same(host: Host) -> None:
    first, second = ask(host, f"{SITE}/public?headers"), ask(host, f"{SITE}/public?headers")
    assert second.headers["x-cached"] == ["HIT"]
    assert said(first) == said(second)


@pytest.mark.parametrize(
    "path", ["/robots.txt", "/sw.js", "/packs/app-abc123.js", "/emoji/1f600.svg", "/packs/none.js"]
)
def test_files_are_not_framed_and_their_workers_may_load(host: Host, path: str) -> None:
    found = said(ask(host, SITE + path))
    assert set(found) == set(NAMES)
    assert "frame-ancestors 'none'" in found["content-security-policy"]
    assert "default-src" not in found["content-security-policy"], "the worker that the file starts could load nothing"


def test_media_has_one_policy(host: Host) -> None:
    assert "sandbox" in said(ask(host, f"{SITE}/system/accounts/evil.html"))["content-security-policy"]


@pytest.mark.parametrize("name", ["ministry.example.test", "example.test"])
@pytest.mark.parametrize("path", ["/.well-known/webfinger", "/.well-known/security.txt", "/nothing"])
def test_delegated_domains_say_it_too(host: Host, name: str, path: str) -> None:
    assert set(said(ask(host, f"https://{name}{path}"))) == set(NAMES)


def test_errors_say_it_too(host: Host) -> None:
    host.check_output("truncate -s 3M /tmp/large")
    large = ask(host, f"{SITE}/api/v2/media", "-HExpect:", "--data-binary", "@/tmp/large")
    assert large.status == 413
    assert set(said(large)) == set(NAMES)


def test_a_large_cookie_is_taken(host: Host) -> None:
    assert ask(host, f"{SITE}/about", "-HCookie: _mastodon_session=" + "x" * 4096).status == 200
