import pytest
from meentwerk_sandbox import verification


@pytest.mark.parametrize("good", ["https://example.org", "https://example.org/page?x=1#y", "https://example.org:8443/"])
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
