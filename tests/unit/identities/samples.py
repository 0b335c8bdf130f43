"""Registers in their real shape, small, and made up; accounts and results."""

from meentwerk.identities.model import Account, Check, Result, Source, Verdict

TIDES = "https://identifier.overheid.nl/tooi/id/ministerie/mnre1034"
LAKES = "https://identifier.overheid.nl/tooi/id/gemeente/gm0001"
NEWS = "news@tides.example.test"
ENDED = "https://identifier.overheid.nl/tooi/id/gemeente/gm0002"
SOURCE = Source("roo", "https://register.example.org/roo.xml", "2026-11-01", "0" * 64)


def organisation(identifier: str, name: str, inside: str = "", *, number: str = "1") -> str:
    """Return one organisation of a ROO export."""
    return (
        f'<p:organisatie p:systeemId="{number}" p:resourceIdentifierTOOI="{identifier}">'
        f"<p:naam>{name}</p:naam>{inside}</p:organisatie>"
    )


def contact(*urls: str, mail: str = "", social: str = "") -> str:
    """Return the contact of an organisation."""
    addresses = "".join(
        f"<p:internetadres><p:url>{url}</p:url><p:label>Site</p:label></p:internetadres>" for url in urls
    )
    mails = f"<p:emailadres><p:email>{mail}</p:email><p:label>Post</p:label></p:emailadres>" if mail else ""
    media = (
        "<p:socialmedium><p:platform>Mastodon</p:platform><p:gebruikersnaam>news</p:gebruikersnaam>"
        f"<p:url>{social}</p:url></p:socialmedium>"
        if social
        else ""
    )
    return (
        f"<p:contact><p:internetadressen>{addresses}</p:internetadressen><p:emailadressen>{mails}</p:emailadressen>"
        f"<p:socialMedia>{media}</p:socialMedia></p:contact>"
    )


def roo(*organisations: str, version: str = "2.6.9") -> str:
    """Return a ROO export."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<p:overheidsorganisaties xmlns:p="https://example.org/oo/{version}">'
        f"<p:organisaties>{''.join(organisations)}</p:organisaties></p:overheidsorganisaties>"
    )


def account(handle: str = "news@tides.example.test", organisation: str = TIDES, web: str = "") -> Account:
    """Return an account."""
    name, _, domain = handle.partition("@")
    return Account(name, domain, organisation, "Ministry of Tides", web)


def result(
    handle: str = "news@tides.example.test",
    verdict: Verdict = Verdict.PASS,
    *,
    at: str = "2026-11-01T10:00:00+00:00",
    name: str = "News",
) -> Result:
    """Return a result whose required checks have one verdict."""
    names = ("register", "profile_link", "link_back", "link_strict", "webfinger", "actor")
    checks = tuple(Check(n, verdict, f"{n} says {verdict}", "do something", ("seen",)) for n in names)
    return Result(
        account(handle),
        at,
        checks,
        f"https://{handle.partition('@')[2]}/@{handle.partition('@')[0]}",
        name,
        "https://tides.example.test/",
        ("Ministry of Tides",),
        (SOURCE,),
    )
