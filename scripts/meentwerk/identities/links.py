"""rel="me": which links a page has, and whether one leads back to a profile.

Mastodon's rules are those of app/services/verify_link_service.rb (4.6.5): status 200; of the first MB, any `a` or
`link` whose rel has the token `me` and whose href is the profile's address, whatever the case; otherwise the first such
link is asked by HEAD and its Location must be that address to the letter.
"""

import contextlib
import posixpath
import unicodedata
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from meentwerk.identities import html

_IN_SEGMENT = "!$&'()*+,;=:@"  # RFC 3986, 3.3: pchar, but for letters, digits and -._~


def verifiable(url: str) -> bool:
    """Say whether Mastodon looks at an address at all (Account::Field#verifiable?): https, no login, normal form.

    Normal is a host in lower case and ASCII, and a path as Addressable's normalized_path writes it; query and fragment
    may be anything.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and "@" not in parts.netloc
        and bool(parts.hostname)
        and parts.netloc.isascii()
        and parts.netloc == parts.netloc.lower()
        and not (parts.hostname or "").endswith(".")
        and not any(letter.isspace() for letter in url)
        and parts.path == normal_path(parts.path)
    )


def normal_path(path: str) -> str:
    """Return a path in normal form (RFC 3986, 6.2.2): encoded where it must be and nowhere else, no dot segments."""
    segments: list[str] = []
    for raw in path.split("/"):
        content = unquote_to_bytes(raw)
        with contextlib.suppress(UnicodeDecodeError):
            content = unicodedata.normalize("NFC", content.decode()).encode()
        segments.append(quote(content, safe=_IN_SEGMENT))
    normal = "/".join(segments)
    return posixpath.normpath(normal) if {".", ".."} & set(segments) else normal


def rel_me(page: str) -> list[str]:
    """Return the href of every `a` and `link` with rel="me", in the page's order; "" where there is none.

    Links that only a script makes, or that stand in a comment, are none: a browser without scripts has them neither.
    """
    return [
        attributes.get("href", "")
        for _, attributes in html.links(page)
        if "me" in attributes.get("rel", "").lower().split()
    ]


def leads_back(links: list[str], profile: str) -> bool:
    """Say whether one of the links is the profile, by Mastodon's comparison."""
    return any(link.lower() == profile.lower() for link in links)


def near_miss(links: list[str], page: str, profile: str) -> str:
    """Say what is wrong with a link that was meant, or return ""."""
    wanted = _bare(page, profile)
    for link in links:
        if _bare(page, link.strip()) != wanted:
            continue
        if link.strip() != link:
            return f"the link has spaces around its address: {link!r}"
        parts = urlsplit(link)
        if parts.scheme == "http":
            return f"the link says http instead of https: {link}"
        if link.endswith("/"):
            return f"the link ends in a slash that the profile's address does not have: {link}"
        if parts.query or parts.fragment:
            return f"the link has something behind the profile's address: {link}"
        return f"the link is written differently from the profile's address: {link}"
    return ""


def _bare(page: str, link: str) -> str:
    try:
        parts = urlsplit(urljoin(page, link))
    except ValueError:
        return ""
    return f"{(parts.netloc or '').lower()}{parts.path.rstrip('/').lower()}"
