"""The .gov registry of the United States: cisagov/dotgov-data, current-full.csv.

It has no identifiers: an organisation is known by its domains, https://DOMAIN, the first of them shown.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from meentwerk.identities import names
from meentwerk.identities.config import Register
from meentwerk.identities.model import Domain, Organisation, Source
from meentwerk.identities.table import rows

NAME, TYPE, ORGANISATION = "Domain name", "Domain type", "Organization name"
PART, CITY, STATE, MAIL = "Suborganization name", "City", "State", "Security contact email"


def read(path: Path, _register: Register, source: Source) -> Iterator[Organisation]:
    """Yield one organisation for each row; those of the same name, type and place are joined by the caller."""
    first: dict[tuple[str, ...], str] = {}
    for _, row in rows(path, (NAME, TYPE, ORGANISATION)):
        with suppress(names.WrongNameError):
            domain = names.domain(row[NAME])
            key = tuple(row.get(column, "") for column in (TYPE, ORGANISATION, PART, CITY, STATE))
            own = f"https://{domain}"
            mail = row.get(MAIL, "").rpartition("@")[2]
            yield Organisation(
                identifiers=tuple(dict.fromkeys((first.setdefault(key, own), own))),
                names=(", ".join(text for text in (row[ORGANISATION], row.get(PART, "")) if text),),
                types=(row[TYPE],),
                domains=(Domain(domain),),
                mail_domains=(Domain(names.domain(mail)),) if mail.count(".") else (),
                sources=(source,),
            )
