import pytest
from hypothesis import given
from hypothesis import strategies as st
from meentwerk_sandbox import domains


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [
        ("Example.ORG", "example.org"),
        (" example.org/ ", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("nl", "nl"),
    ],
)
def test_domains_are_stored_in_one_spelling(given_text: str, stored: str) -> None:
    assert domains.normalize(given_text) == stored
    assert domains.valid(given_text)


@pytest.mark.parametrize("bad", ["", "a_b.org", "a b.org", "https://example.org", "*.example.org", "a..org", "x" * 64])
def test_what_is_no_domain_is_refused(bad: str) -> None:
    assert not domains.valid(bad)


@given(st.text())
def test_any_text_is_judged_without_an_exception(content: str) -> None:
    domains.valid(content)


def test_the_longest_variant_comes_first() -> None:
    assert domains.variants("a.b.nl") == ["a.b.nl", "b.nl", "nl"]


def test_an_obfuscated_domain_keeps_its_ends_and_dots() -> None:
    assert domains.obfuscated("example.org") == "exa****.*rg"


@pytest.mark.parametrize(
    ("email", "canonical"),
    [("T.est+news@Example.com", "test@example.com"), ("test@example.com", "test@example.com")],
)
def test_canonical_addresses(email: str, canonical: str) -> None:
    assert domains.canonical_email(email) == canonical


def test_ipv6_callers_are_counted_by_network() -> None:
    assert domains.masked_address("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::"
    assert domains.masked_address("198.51.100.7") == "198.51.100.7"
