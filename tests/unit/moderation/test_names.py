"""Two spellings of one thing are one thing; what cannot be one is refused with what would be right."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meentwerk.entries.problem import Wrong
from meentwerk.moderation import names

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
DOMAIN = st.lists(LABEL, min_size=1, max_size=4).map(".".join).filter(lambda name: not name.replace(".", "").isdigit())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Spam.Example", "spam.example"),
        (" spam.example\n", "spam.example"),
        ("spam.example.", "spam.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("\uff53\uff50\uff41\uff4d.example", "spam.example"),  # wide letters
        ("spam\u3002example", "spam.example"),
        ("nl", "nl"),
        ("-odd-.example", "-odd-.example"),  # DomainValidator takes it, so servers have such blocks
    ],
)
def test_one_spelling(text: str, expected: str) -> None:
    assert names.domain(text) == expected


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("", "Write a domain"),
        ("*.spam.example", "Write spam.example"),
        ("sp**.example", "full name"),
        ("https://spam.example/@x", "Write spam.example"),
        ("@someone@spam.example", "Write spam.example"),
        ("spam.example/about", "Write spam.example"),
        ("spam.example:443", "Write spam.example"),
        ("spam example", "one domain"),
        ("spam_mail.example", "spelt"),
        (".spam.example", "Write spam.example"),
        ("spam..example", "Take out"),
        ("a" * 64 + ".example", "spelt"),
        (".".join(["a" * 60] * 5), "one domain"),
        ("192.0.2.7", "ip_blocks"),
        ("☃️‍x.example", "spelt"),
        ("spam,example", "Write a domain"),
    ],
)
def test_what_is_no_domain(text: str, cure: str) -> None:
    with pytest.raises(Wrong) as caught:
        names.domain(text)
    assert cure in caught.value.cure


@given(DOMAIN)
def test_a_normal_name_stays_and_capitals_change_nothing(name: str) -> None:
    assert names.domain(name) == name
    assert names.domain(name.upper() + ".") == name


@given(st.text())
def test_whatever_stands_there_it_is_a_name_or_explained(text: str) -> None:
    try:
        name = names.domain(text)
    except Wrong as wrong:
        assert wrong.wrong
        assert wrong.cure
    else:
        assert names.domain(name) == name


@given(DOMAIN, DOMAIN)
def test_covering_is_what_parents_say(one: str, other: str) -> None:
    assert names.covers(one, other) == (one in names.parents(other))
    assert names.covers(one, f"{other}.{one}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("192.0.2.7", "192.0.2.7/32"), ("192.0.2.0/24", "192.0.2.0/24"), ("2001:DB8::/32", "2001:db8::/32")],
)
def test_networks(text: str, expected: str) -> None:
    assert names.network(text) == expected


@pytest.mark.parametrize(("text", "cure"), [("192.0.2.7/24", "Write 192.0.2.0/24"), ("nonsense", "192.0.2.7")])
def test_what_is_no_network(text: str, cure: str) -> None:
    with pytest.raises(Wrong) as caught:
        names.network(text)
    assert cure in caught.value.cure


@given(st.ip_addresses(), st.ip_addresses())
def test_networks_overlap_when_an_address_is_in_both(one: ipaddress.IPv4Address, other: ipaddress.IPv4Address) -> None:
    assert names.overlaps(str(one), str(other)) == (one == other)
    wide = "0.0.0.0/0" if one.version == 4 else "::/0"
    assert names.overlaps(wide, str(one))


def test_addresses_of_one_mailbox_have_one_hash() -> None:
    first = names.email_hash("Some.One+tag@Mail.example")
    assert first == names.email_hash("someone@mail.example") == names.email_hash(first)
    assert first != names.email_hash("someone@mail.example.org")
    with pytest.raises(Wrong):
        names.email_hash("nobody")


def test_obfuscation_is_mastodons() -> None:
    # Api::V1::Instances::DomainBlocksController with obfuscate
    assert names.obfuscated("example.com") == "exa****.*om"
    assert names.digest("example.com").startswith("a379a6f6eeafb9a5")
