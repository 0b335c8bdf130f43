"""Register van Overheidsorganisaties (ROO): the Dutch register of government organisations, exportOO.xml."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from meentwerk.identities import names
from meentwerk.identities.config import Register
from meentwerk.identities.model import Domain, Organisation, SocialMedium, Source
from meentwerk.identities.registers.xml import children, day, local, records, text

TOOI = "resourceIdentifierTOOI"


def identifiers(element: Element) -> tuple[str, ...]:
    """Return the TOOI identifier first, then the register's own number as it stands in links."""
    own = {str(key).rpartition("}")[2]: value.strip() for key, value in element.attrib.items()}
    found = [own.get(TOOI, "") or text(element, TOOI)]
    if own.get("systeemId"):
        found.append(f"https://organisaties.overheid.nl/{own['systeemId']}")
    return tuple(identifier for identifier in found if identifier)


def from_address(url: str) -> Domain | None:
    """Return the domain of a web address; with its path where it is not the whole site."""
    url = url.strip()
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        host = names.domain(parts.hostname or "")
    except ValueError:
        return None
    path = parts.path.rstrip("/")
    # www. is the web site of the domain itself; on a shared site the organisation is a folder
    return Domain(host.removeprefix("www."), path if path.count("/") else "")


def read(path: Path, _register: Register, source: Source) -> Iterator[Organisation]:
    """Yield the organisations of an export; only what stands in the organisation itself, not in those within it."""
    for element, around in records(path, "overheidsorganisaties", "organisatie"):
        known = identifiers(element)
        if not known:
            continue
        parent = next((found[0] for outer in reversed(around) if (found := identifiers(outer))), None)
        yield Organisation(
            identifiers=known,
            names=tuple(name for name in (text(element, "naam"), text(element, "afkorting")) if name),
            types=tuple(" ".join((kind.text or "").split()) for kind in children(element, "types", "type")),
            until=day(text(element, "eindDatum")),
            parent=parent,
            domains=_domains(element),
            mail_domains=_mail_domains(element),
            social=tuple(_social(element)),
            sources=(source,),
        )


def _domains(element: Element) -> tuple[Domain, ...]:
    addresses = children(element, "contact", "internetadressen", "internetadres")
    found = [from_address(text(address, "url") or address.text or "") for address in addresses]
    return tuple(dict.fromkeys(domain for domain in found if domain))


def _mail_domains(element: Element) -> tuple[Domain, ...]:
    found = []
    for address in children(element, "contact", "emailadressen", "emailadres"):
        value = text(address, "email") or next(
            (c.text or "" for c in address if local(c) != "label"), address.text or ""
        )
        with suppress(ValueError):
            found.append(Domain(names.domain(value.rpartition("@")[2])))
    return tuple(dict.fromkeys(found))


def _social(element: Element) -> Iterator[SocialMedium]:
    for medium in children(element, "contact", "socialMedia", "socialmedium"):
        yield SocialMedium(text(medium, "platform"), text(medium, "gebruikersnaam"), text(medium, "url"))
