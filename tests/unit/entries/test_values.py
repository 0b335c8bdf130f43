"""What is right passes, the tricky right ones too; what is wrong names the right form where there is one."""

from collections.abc import Callable

import pytest
from meentwerk.entries import names, values
from meentwerk.entries.languages import BY_NAME, LANGUAGES
from meentwerk.entries.problem import Wrong

LONG_LABEL = "a" * 63
LONG_NAME = f"{'.'.join(['b' * 49] * 4)}.{'c' * 45}.example"

RIGHT: dict[Callable[[str], str], tuple[str, ...]] = {
    names.domain: (
        "tides.example.org",
        "t.example",
        "a.b.c.d.e.example",
        "3d.example",
        "24.example.org",
        "192-0-2-11.example.org",
        "a--b.example",
        f"{LONG_LABEL}.example",
        LONG_NAME,
        "xn--gezeiten-kste-5ob.example.org",
        "xn--80ak6aa92e.example",
        "xn--fiqs8s.example",
        "tides.xn--p1ai",
    ),
    values.email: (
        "webcare@tides.example.org",
        "web.care+mastodon@tides.example.org",
        "Webcare@tides.example.org",
        "o'brien.team@tides.example.org",
        "w@t.example",
        "web-care_2@xn--gezeiten-kste-5ob.example.org",
        "0301234567@tides.example.org",
    ),
    names.host_address: (
        "192.0.2.11",
        "10.0.0.1",
        "2001:db8::11",
        "2001:DB8:0:0:0:0:0:11",
        "::ffff:192.0.2.11",
        "fe80::1%eth0",
        "server1",
        "Server1.Tides.example.org",
        "server-1.internal",
        "localhost.tides.example.org",
    ),
    values.register_id: (
        "https://identifier.overheid.nl/tooi/id/ministerie/mnre1034",
        "https://identifier.overheid.nl/tooi/id/gemeente/gm0363",
        "https://identifier.overheid.nl/tooi/id/zbo/zb000123",
        "https://register.example.org/organisations/tides",
        "https://register.example.org:8443/?id=tides#now",
    ),
    values.username: ("beheer", "a", "7", "b" * 30, "_", "web_care_2"),
    values.release: ("4.6.5", "10.20.30", "sandbox"),
    names.ip6: ("2001:db8::11", "fd87:6d65:656e::12", "::1"),
    values.one_line: ("Tides", "Ministère des marées", "名前", "Tides\n"),
    values.plain_text: (
        "two\nlines",
        "a\ttab",
        "family \U0001f468\u200d\U0001f469\u200d\U0001f467",
        "soft\u00adhyphen",
    ),
}


@pytest.mark.parametrize(("check", "value"), [(check, value) for check, all_ in RIGHT.items() for value in all_])
def test_what_is_right_passes(check: Callable[[str], str], value: str) -> None:
    assert check(value) == value


def test_the_longest_name_is_as_long_as_dns_allows() -> None:
    assert len(LONG_NAME) == names.DOMAIN_LENGTH
    with pytest.raises(Wrong, match="too long"):
        names.domain(f"b{LONG_NAME}")


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_every_language_of_mastodon_is_right(code: str) -> None:
    assert values.language(code) == code


def test_every_name_of_a_language_leads_to_a_code() -> None:
    for name, code in BY_NAME.items():
        with pytest.raises(Wrong) as error:
            values.language(name.capitalize())
        assert error.value.cure.endswith(code) == (code in LANGUAGES)


# A wrong value -> the right one that the message offers. What is offered has to be right.
CURES: dict[Callable[[str], str], dict[str, str]] = {
    names.domain: {
        "Tides.Example.ORG": "tides.example.org",
        " tides.example.org": "tides.example.org",
        "tides.example.org...": "tides.example.org",
        "https://Tides.example.org/about?x#y": "tides.example.org",
        "https://user:x@tides.example.org:8443/": "tides.example.org",
        "//tides.example.org": "tides.example.org",
        "@news@Tides.example.org": "tides.example.org",
        "tides.example.org:443": "tides.example.org",
        "tides_social.example.org": "tides-social.example.org",
        "..tides..example.org": "tides.example.org",
        "“tides.example.org”": "tides.example.org",
        "küste.example.org": "xn--kste-0ra.example.org",
        "KÜSTE.example.org": "xn--kste-0ra.example.org",
        "straße.example.org": "xn--strae-oqa.example.org",
    },
    values.email: {
        "mailto:webcare@tides.example.org": "webcare@tides.example.org",
        "webcare @tides.example.org": "webcare@tides.example.org",
        "webcare@TIDES.example.org": "webcare@tides.example.org",
        " webcare@tides.example.org;": "webcare@tides.example.org",
        "web..care.@tides.example.org": "web.care@tides.example.org",
        ".webcare@tides.example.org": "webcare@tides.example.org",
    },
    names.host_address: {
        "[2001:db8::11]": "2001:db8::11",
        "[2001:db8::11]:22": "2001:db8::11",
        "ssh://root@server1.example.org:22/": "server1.example.org",
        "root@192.0.2.11": "192.0.2.11",
        "192.0.2.11:22": "192.0.2.11",
        " server1": "server1",
    },
    values.register_id: {"http://register.example.org/tides": "https://register.example.org/tides"},
    values.username: {"@Beheer@tides.example.org": "beheer"},
    values.release: {"v4.6.5": "4.6.5", "mastodon-4.6.5": "4.6.5", "Mastodon 4.6.5": "4.6.5", "4,6,5": "4.6.5"},
    values.language: {"NL": "nl", "nl_NL": "nl", "pt_br": "pt-BR", "en-gb": "en-GB", "en-US": "en", "Deutsch": "de"},
}


@pytest.mark.parametrize(
    ("check", "value", "right"),
    [(check, value, right) for check, cures in CURES.items() for value, right in cures.items()],
)
def test_what_a_message_offers_is_right(check: Callable[[str], str], value: str, right: str) -> None:
    with pytest.raises(Wrong) as error:
        check(value)
    assert right in error.value.cure.replace('"', "").replace(";", "").split(), error.value.cure
    assert check(right) == right


@pytest.mark.parametrize(
    ("name", "top"),
    {
        "tides.example.org": "example.org",
        "example.com": "example.com",
        "tides.test": ".test",
        "server.local": ".local",
        "x.onion": ".onion",
        "2.0.192.in-addr.arpa": ".arpa",
        "tides.home.arpa": ".arpa",
        "myexample.org": "",
        "test.tides.nl": "",
        "example.nl": "",
    }.items(),
)
def test_reserved_names_are_known(name: str, top: str) -> None:
    assert names.reserved(name) == top


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\u00ad", "\u200d", "\ufeff", "\x07"])
def test_nothing_invisible_is_in_a_name(character: str) -> None:
    for check, value in (
        (names.domain, f"tides{character}.example.org"),
        (values.email, f"web{character}care@tides.example.org"),
        (values.email, f"webcare@tides{character}.example.org"),
        (names.host_address, f"server{character}1"),
        (values.username, f"beheer{character}"),
    ):
        with pytest.raises(Wrong) as error:
            check(value)
        assert character not in error.value.wrong + error.value.cure
