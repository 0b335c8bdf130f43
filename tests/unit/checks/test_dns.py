"""DNS against a real resolver on this machine that answers what the test tells it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from meentwerk.checks.judge import dns as judge
from meentwerk.checks.model import Result, Status
from meentwerk.checks.probe import dns as probe

from tests.resolver import serving

NAME, DOMAIN, KEY = "social.example.test", "example.test", "ab" * 32
GOOD: dict[tuple[str, str], list[str]] = {
    (".", "SOA"): ["a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 86400"],
    (NAME, "A"): ["192.0.2.11"],
    (NAME, "AAAA"): ["2001:db8::11"],
    (DOMAIN, "CAA"): ['0 issue "letsencrypt.org; validationmethods=http-01"', '0 iodef "mailto:x@example.test"'],
    (DOMAIN, "MX"): ["10 mx.example.test."],
    (DOMAIN, "TXT"): ['"v=spf1 include:_spf.example.test " "-all"', '"something else"'],
    ("_dmarc." + DOMAIN, "TXT"): ['"v=DMARC1; p=reject; rua=mailto:x@example.test"'],
    ("s1._domainkey." + DOMAIN, "TXT"): ['"v=DKIM1; k=rsa; p=MIIBIjANBg"'],
    ("_25._tcp.mx." + DOMAIN, "TLSA"): ["3 1 1 " + "cd" * 32],
    ("_443._tcp." + NAME, "TLSA"): ["3 1 1 " + KEY],
}
PROMISE = {
    "required": judge.REQUIRED, "addresses": ["192.0.2.11", "2001:db8::11"], "authority": "letsencrypt.org",
    "contact": "x@example.test", "mail_domain": DOMAIN, "mail_senders": ["include:_spf.example.test"],
    "dkim_selectors": ["s1"],
}  # fmt: skip
Resolver = Callable[..., str]
ISSUE = f'{NAME}. IN CAA 0 issue "letsencrypt.org"'
IODEF = f'{NAME}. IN CAA 0 iodef "mailto:x@example.test"'
# What run.py adds from the web server itself
OUTSIDE = {"keys": {NAME: KEY}, "security_txt": {NAME: "200"}}
DMARC = f'_dmarc.{DOMAIN}. IN TXT "v=DMARC1; p=reject; rua=mailto:x@example.test"'


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    """Start a resolver for a zone; returns ADDRESS:PORT."""
    with ExitStack() as stack:
        yield lambda zone, **how: stack.enter_context(serving(zone, **how))


def results(server: str, **promise: Any) -> dict[str, Result]:
    measured = probe.measure([NAME], DOMAIN, promise.get("dkim_selectors", ["s1"]), server)
    return {it.id: it for it in judge.judge({**OUTSIDE, **measured}, PROMISE | promise)}


def failed(found: Mapping[str, Result]) -> set[str]:
    return {it.id for it in found.values() if it.status is Status.FAIL}


def test_a_good_zone_passes_every_rule(resolver: Resolver) -> None:
    found = results(resolver(GOOD))
    assert {it.status for it in found.values()} == {Status.PASS}, found
    assert len(found) == 10


@pytest.mark.parametrize(
    ("key", "records", "rule", "cure"),
    [
        ((NAME, "A"), [], "DNS-001", f"{NAME}. IN A 192.0.2.11"),
        ((NAME, "A"), ["192.0.2.12"], "DNS-001", f"{NAME}. IN A 192.0.2.11"),
        ((NAME, "AAAA"), [], "DNS-002", f"{NAME}. IN AAAA 2001:db8::11"),
        ((DOMAIN, "CAA"), [], "DNS-004", ISSUE + "\n" + IODEF),
        ((DOMAIN, "CAA"), ['0 issue "other.example"'], "DNS-004", f'{NAME}. IN CAA 0 issue "letsencrypt.org"'),
        ((DOMAIN, "CAA"), ['0 issue "letsencrypt.org"', '0 issue "other.example"'], "DNS-004", "letsencrypt.org"),
        ((DOMAIN, "TXT"), [], "DNS-005", f'{DOMAIN}. IN TXT "v=spf1 include:_spf.example.test -all"'),
        ((DOMAIN, "TXT"), ['"v=spf1 include:_spf.example.test ?all"'], "DNS-005", "-all"),
        ((DOMAIN, "TXT"), ['"v=spf1 -all"'], "DNS-005", "include:_spf.example.test"),
        (("s1._domainkey." + DOMAIN, "TXT"), [], "DNS-006", f"s1._domainkey.{DOMAIN}. IN TXT"),
        (("s1._domainkey." + DOMAIN, "TXT"), ['"v=DKIM1; p="'], "DNS-006", "IN TXT"),
        (("_dmarc." + DOMAIN, "TXT"), [], "DNS-007", DMARC),
        (("_dmarc." + DOMAIN, "TXT"), ['"v=DMARC1; p=none"'], "DNS-007", "p=reject"),
        (("_443._tcp." + NAME, "TLSA"), ["3 1 1 " + "00" * 32], "DNS-009", f"_443._tcp.{NAME}. IN TLSA 3 1 1 {KEY}"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_printed_as_a_record(
    resolver: Resolver, key: tuple[str, str], records: list[str], rule: str, cure: str
) -> None:
    zone = {place: it for place, it in (GOOD | {key: records}).items() if it}
    found = results(resolver(zone))
    assert failed(found) == {rule}
    assert cure in found[rule].cure


def test_what_is_not_required_is_advice(resolver: Resolver) -> None:
    zone = {key: it for key, it in GOOD.items() if key[1] == "SOA" or key[0] == NAME}
    found = results(resolver(zone), required=["address"], mail_senders=[], dkim_selectors=[])
    assert failed(found) == set()
    assert found["DNS-007"].status is Status.INFO
    assert "v=DMARC1" in found["DNS-007"].cure


def test_an_unsigned_zone_fails_only_where_the_resolver_validates(resolver: Resolver) -> None:
    found = results(resolver(GOOD, signed=False))
    assert found["DNS-003"].status is Status.UNKNOWN
    assert "does not validate" in found["DNS-003"].found


def test_a_resolver_that_fails_makes_everything_unknown(resolver: Resolver) -> None:
    (only,) = results(resolver(GOOD, fails=True)).values()
    assert only.status is Status.UNKNOWN


def test_a_resolver_that_is_not_there_makes_everything_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_SECONDS", 0.3)
    (only,) = results("127.0.0.1:9").values()
    assert only.status is Status.UNKNOWN
    assert "check_resolver" in only.cure


def test_a_reserved_name_is_not_asked_of_the_world() -> None:
    found = probe.measure(["social.example.test"], "example.test", [])
    assert "reserved" in found["unknown"]


def test_senders_without_a_selector_leave_dkim_unknown(resolver: Resolver) -> None:
    assert results(resolver(GOOD), dkim_selectors=[])["DNS-006"].status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("text", "place"),
    [("192.0.2.1", ("192.0.2.1", 53)), ("192.0.2.1:5353", ("192.0.2.1", 5353)), ("2001:db8::1", ("2001:db8::1", 53)),
     ("[2001:db8::1]:5353", ("2001:db8::1", 5353))],
)  # fmt: skip
def test_a_resolver_is_an_address_with_or_without_port(text: str, place: tuple[str, int]) -> None:
    assert probe.split(text) == place


@pytest.mark.parametrize("text", ["resolver.example", "192.0.2.1:dns", "[2001:db8::1"])
def test_anything_else_is_explained(text: str) -> None:
    assert "check_resolver is" in probe.measure([NAME], DOMAIN, [], text)["unknown"]


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({NAME: "200"}, Status.PASS),
        ({NAME: "404"}, Status.FAIL),
        ({NAME: ""}, Status.UNKNOWN),
        ({NAME: "", DOMAIN: "404"}, Status.FAIL),
        ({}, Status.UNKNOWN),
    ],
)
def test_security_txt_is_reached_by_name(resolver: Resolver, answers: dict[str, str], status: Status) -> None:
    measured = probe.measure([NAME], DOMAIN, ["s1"], resolver(GOOD))
    found = {it.id: it for it in judge.judge({**measured, **OUTSIDE, "security_txt": answers}, PROMISE)}
    assert found["DNS-010"].status is status


def test_a_name_leads_where_the_given_resolver_says(resolver: Resolver) -> None:
    assert probe.addresses(NAME, resolver(GOOD)) == ["192.0.2.11", "2001:db8::11"]
    assert probe.addresses("other.example.test", resolver(GOOD)) == []
    assert probe.addresses(NAME, "nonsense") == []
