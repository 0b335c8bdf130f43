import http.client

import pytest
from meentwerk_sandbox import verification


@pytest.mark.parametrize(
    "good",
    [
        "https://example.org",
        "https://example.org/page?x=1#y",
        "https://example.org:8443/",
        "https://example.org/%C3%A9/~a//b/a%2Fb?q=é",
    ],
)
def test_pages_that_may_be_looked_at(good: str) -> None:
    assert verification.verifiable(good)


@pytest.mark.parametrize(
    "bad",
    [
        "http://example.org",
        "example.org",
        "https://user:pass@example.org",
        "https://bücher.example",
        "https://Example.org",
        "https://",
        "https://example.org/a b",
        "https://example.org:port/",
        "see https://example.org",
        "https://example.org/%c3%a9",
        "https://example.org/%7Ea",
        "https://example.org/a[1]",
        "https://example.org/é",
        "https://example.org/a/./b",
        "https://example.org/%2E%2E/b",
        "https://example.org./",
    ],
)
def test_pages_that_may_not(bad: str) -> None:
    assert not verification.verifiable(bad)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "100.64.0.1"],
)
def test_private_addresses_are_out_of_bounds(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALLOWED_PRIVATE_ADDRESSES", raising=False)
    assert not verification.permitted(address)
    monkeypatch.setenv(
        "ALLOWED_PRIVATE_ADDRESSES", "127.0.0.0/8,10.0.0.0/8 192.168.0.0/16,169.254.0.0/16,::/0,100.64.0.0/10"
    )
    assert verification.permitted(address)


def test_public_addresses_are_fine() -> None:
    assert verification.permitted("9.9.9.9")
    assert verification.permitted("2620:fe::fe")


def test_links_are_found_by_rel_token() -> None:
    page = """<link rel="ME" href="/one"><a href="/two" rel="nofollow me noopener">x</a>
    <a rel="menu" href="/three">y</a><a rel="me">z</a>"""
    assert verification.rel_me_links(page) == ["/one", "/two", None]


@pytest.mark.parametrize(
    "page",
    [
        '<textarea><a rel="me" href="/x"></textarea>',
        '<title><a rel="me" href="/x"></title>',
        '<iframe><a rel="me" href="/x"></iframe>',
        '<script><a rel="me" href="/x"></script>',
        '<!-- <a rel="me" href="/x"> -->',
        '<svg><a rel="me" href="/x">x</a></svg>',
    ],
)
def test_what_is_no_link_of_the_page(page: str) -> None:
    """Each of them seen on Mastodon 4.6.5."""
    assert verification.rel_me_links(page) == []


@pytest.mark.parametrize(
    "page",
    [
        '<noscript><a rel="me" href="/x"></noscript>',
        '<template><a rel="me" href="/x"></template>',
        '<svg><foreignObject><a rel="me" href="/x"></foreignObject></svg>',
        '<svg/><a rel="me" href="/x">',
        '<A REL=me rel="nofollow" HREF=/x href="/y">',
    ],
)
def test_what_is_one(page: str) -> None:
    assert verification.rel_me_links(page) == ["/x"]


class Pieces(http.client.HTTPResponse):
    """An answer that comes piece by piece; the clock goes on with each."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def read1(self, _n: int = -1) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def test_the_first_megabyte_ends_with_its_piece() -> None:
    pieces = [b"x" * (verification.MAX_BYTES - 1), b"yy", b"zz", b"never"]
    assert verification._body(Pieces(pieces)).endswith(b"xyy")
    assert pieces == [b"zz", b"never"]


def test_a_page_that_drips_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "DEADLINE", -1)
    with pytest.raises(TimeoutError):
        verification._body(Pieces([b"x"] * 50))
