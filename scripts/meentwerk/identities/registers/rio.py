"""Register Internetdomeinen Overheid (RIO): which internet domains a Dutch organisation has, exportRIO.xml."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from meentwerk.identities.config import Register
from meentwerk.identities.model import Domain, Organisation, Source
from meentwerk.identities.registers import roo
from meentwerk.identities.registers.xml import children, day, local, records, text


def read(path: Path, _register: Register, source: Source) -> Iterator[Organisation]:
    """Yield what the register says of each organisation; it knows domains only, and keeps no list of accounts."""
    for element, _ in records(path, _root(path), "organisatie"):
        known = roo.identifiers(element)
        if not known:
            continue
        web, mail = _domains(element)
        name = text(element, "naam")
        yield Organisation(
            identifiers=known,
            names=(name,) if name else (),
            domains=web,
            mail_domains=mail,
            sources=(source,),
        )


def _root(path: Path) -> str:
    """Return the export's root as the file has it: its name has changed with versions, its content has not."""
    head = path.open("rb")
    with head:
        start = head.read(4096).decode("utf-8", "replace")
    for piece in start.split("<")[1:]:
        if piece[:1] not in {"?", "!"}:
            return piece.split(">")[0].split()[0].rstrip("/").rpartition(":")[2]
    return ""


def _domains(element: Element) -> tuple[tuple[Domain, ...], tuple[Domain, ...]]:
    web: list[Domain] = []
    mail: list[Domain] = []
    for registration in children(element, "domeinnaamregistraties", "domeinnaamregistratie"):
        found = roo.from_address(text(registration, "naam"))
        ended = day(text(registration, "opgezegdSinds"))
        if found:
            web.append(replace(found, until=ended))
        for part in children(registration, "domeinen", "domein"):
            _add(part, web, mail)
    for part in children(element, "domeinen", "domein"):
        _add(part, web, mail)
    return tuple(dict.fromkeys(web)), tuple(dict.fromkeys(mail))


def _add(part: Element, web: list[Domain], mail: list[Domain]) -> None:
    found = roo.from_address(text(part, "url"))
    if found is None:
        return
    uses = " ".join((use.text or "").lower() for use in part.iter() if local(use) == "gebruiksdoel")
    is_mail_only = "mail" in uses and "web" not in uses
    (mail if is_mail_only else web).append(replace(found, until=day(text(part, "opgezegdSinds"))))
