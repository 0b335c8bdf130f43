"""Domains, handles, links, addresses, and what looks like what."""

import time

import pytest
from meentwerk.identities import addresses, links, names


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Tides.Example.ORG.", "tides.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("cafe\u0301.example", "xn--caf-dma.example"),
    ],
)
def test_a_domain_as_the_dns_has_it(text: str, wanted: str) -> None:
    assert names.domain(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "a..b", "-a.example", "a b.example", "1.2.3.4", "a.example/x", "x" * 64 + ".example", "a.1"],
)
def test_no_domain(text: str) -> None:
    with pytest.raises(names.WrongNameError):
        names.domain(text)


def test_a_handle() -> None:
    assert names.handle("@News@Tides.example.org") == ("news", "tides.example.org")
    for wrong in ("news", "@tides.example.org", "a b@tides.example.org", "news@", "news@tides", "a@b@c.example"):
        with pytest.raises(names.WrongNameError):
            names.handle(wrong)


def test_below_a_domain_is_not_beside_it() -> None:
    assert names.within("a.tides.example", "tides.example")
    assert not names.within("nottides.example", "tides.example")
    assert not names.within("tides.example.evil.test", "tides.example")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ministry", "mіnіstry"),  # noqa: RUF001  # Cyrillic letters are what this is about
        ("tides", "tıdes"),  # noqa: RUF001
        ("morning", "moming"),
        ("weather", "vveather"),
        ("polder", "p0lder"),
        ("Tides of Holland", "Tides-of-Holland"),
        ("tïdes", "tides"),
        ("tides.example", names.domain("tïdes.example")),
        ("alpha", "аlphа"),  # noqa: RUF001
    ],
)
def test_these_look_alike(one: str, other: str) -> None:
    assert names.skeleton(one) == names.skeleton(other)


def test_these_do_not() -> None:
    assert len({names.skeleton(name) for name in ("tides", "lakes", "tide", "rides", "ministry of tides")}) == 5


def test_scripts_within_one_word() -> None:
    assert names.mixed_scripts("mіnistry")  # noqa: RUF001
    assert not names.mixed_scripts("Ministry министерство")
    assert not names.mixed_scripts("Coöperatie Zuid-Ooststad 2")
    assert names.invisible("news\u202egnp")
    assert names.invisible("ne\u200bws")
    assert not names.invisible("👩\u200d🔬 Science")


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "2002:909:909::1", "64:ff9b::9.9.9.9"])
def test_public_addresses(address: str) -> None:
    assert addresses.permitted(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fc00::1",
        "fe80::1%eth0",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::1",
        "2001:db8::1",
        "::10.0.0.1",
    ],
)
def test_addresses_that_are_not(address: str) -> None:
    assert not addresses.permitted(address)
    assert addresses.permitted(address, addresses.networks(["0.0.0.0/0", "::/0"]))


PROFILE = "https://social.example.test/@news"


def test_links_as_a_browser_without_scripts_has_them() -> None:
    page = f"""<link rel="ME" href="{PROFILE}"><a href="/two" rel="nofollow me noopener">x</a>
    <a rel="menu" href="/three">y</a><a rel="me">z</a><!-- <a rel="me" href="/four"> -->
    <script>document.write('<a rel="me" href="/five">')</script><template><a rel=me href=/six></a></template>
    <textarea><a rel="me" href="/seven"></textarea><noscript><a rel=me href=/eight></noscript>
    <script><!-- <script></script><a rel=me href=/nine></script>--></script><script><!--></script>
    <a rel=me href=/ten>"""
    assert links.rel_me(page) == [PROFILE, "/two", "", "/six", "/eight", "/ten"]


@pytest.mark.parametrize(
    ("page", "number"),
    [
        ("<svg><a rel=me href=/x></a></svg>", 0),
        ("<svg><g><title><a rel=me href=/x></a></title></g></svg>", 1),
        ("<svg><foreignObject><a rel=me href=/x></a></foreignObject></svg>", 1),
        ("<svg><foreignObject></foreignObject><a rel=me href=/x></a></svg>", 0),
        ("<svg/><a rel=me href=/x>", 1),
        ("<svg></svg><a rel=me href=/x>", 1),
        ("<svg><p><a rel=me href=/x>", 1),
        ("<svg><path/><style><a rel=me href=/x></style></svg><a rel=me href=/y>", 1),
        ("<math><mi><a rel=me href=/x></a></mi></math>", 1),
        ("<math><a rel=me href=/x></a></math>", 0),
        ("</svg></math><a rel=me href=/x>", 1),
    ],
)
def test_links_in_drawings_and_formulas_are_none(page: str, number: int) -> None:
    """Their `a` is another element: //a of Nokogiri::HTML5 does not find it (seen on Mastodon 4.6.5)."""
    assert len(links.rel_me(page)) == number


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://example.org", True),
        ("https://example.org?x=é#ü", True),
        ("https://example.org:8443/", True),
        ("https://example.org/%C3%A9/~a/b//c/a%2Fb/(x)/y;z,'!", True),
        ("https://example.org/%c3%a9", False),
        ("https://example.org/%7Ea", False),
        ("https://example.org/a[1]", False),
        ("https://example.org/é", False),
        ("https://example.org/a/../b", False),
        ("https://example.org/a/%2E%2E/b", False),
        ("https://example.org./", False),
        ("https://example.org/e%CC%81", False),
        ("https://Example.org/", False),
        ("https://exämple.org/", False),
        ("https://u@example.org/", False),
        ("http://example.org/", False),
        ("https://example.org:x/", False),
        ("https://example.org/a b", False),
    ],
)
def test_addresses_that_mastodon_looks_at(url: str, good: bool) -> None:
    assert links.verifiable(url) is good


@pytest.mark.parametrize(
    ("link", "back", "hint"),
    [
        (PROFILE, True, ""),
        (PROFILE.upper(), True, ""),
        (f"{PROFILE}/", False, "ends in a slash"),
        (PROFILE.replace("https", "http"), False, "http instead of https"),
        (f" {PROFILE}", False, "spaces"),
        (f"{PROFILE}?from=site", False, "something behind"),
        ("/@news", False, "differently"),
        ("https://social.example.test/@other", False, ""),
        ("https://[", False, ""),
    ],
)
def test_mastodons_comparison_and_what_was_meant(link: str, back: bool, hint: str) -> None:
    assert links.leads_back([link], PROFILE) is back
    miss = "" if back else links.near_miss([link], "https://social.example.test/", PROFILE)
    assert (hint in miss) if hint else miss == ""


def test_hostile_html_takes_no_time() -> None:
    begin = time.process_time()
    megabyte = 1_000_000
    for piece in (
        "<div>",
        "<a rel=me href='",
        "<a a",
        "<!--",
        "</",
        "<a ",
        "<script>",
        "<a href=x",
        "&amp",
        "<a b='",
        "<template>",
        "<svg>",
        "<svg><desc>",
        "<svg></math>",
    ):
        links.rel_me(piece * (megabyte // len(piece)))
    links.rel_me("<a " + " ".join(f"a{number}=b" for number in range(100_000)) + ">")
    assert time.process_time() - begin < 10
    assert links.rel_me("<div>" * 100_000 + f"<a rel=me href={PROFILE}>") == [PROFILE]
