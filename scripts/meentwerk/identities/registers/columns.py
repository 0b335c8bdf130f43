"""Any register as CSV, with a map of columns in the configuration."""

from collections.abc import Iterator
from pathlib import Path

from meentwerk.errors import UsageError
from meentwerk.identities import names
from meentwerk.identities.config import Columns, Register
from meentwerk.identities.model import Domain, Organisation, SocialMedium, Source
from meentwerk.identities.registers.roo import from_address
from meentwerk.identities.registers.xml import day
from meentwerk.identities.table import rows


def read(path: Path, register: Register, source: Source) -> Iterator[Organisation]:
    """Yield one organisation for each row; several rows of one identifier are joined by the caller."""
    columns = register.columns or Columns()
    wanted = [name for name in columns.model_dump().values() if name]
    for line, row in rows(path, wanted, register.delimiter):
        identifier = row[columns.identifier]
        if not identifier:
            raise UsageError(f"{path}:{line}: the row has no {columns.identifier}", "every organisation needs one")
        end = row.get(columns.until, "")
        if end and day(end) is None:
            raise UsageError(f"{path}:{line}: {end!r} is no date", "write it as 2027-01-31")
        yield Organisation(
            identifiers=(identifier,),
            names=tuple(_split(row.get(columns.name, ""))),
            types=tuple(_split(row.get(columns.type, ""))),
            until=day(end) if end else None,
            domains=tuple(d for text in _split(row.get(columns.domains, "")) if (d := from_address(text))),
            mail_domains=tuple(_mail(row.get(columns.mail_domains, ""), path, line)),
            social=tuple(_social(row.get(columns.accounts, ""))) if columns.accounts else None,
            sources=(source,),
        )


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]


def _mail(text: str, path: Path, line: int) -> Iterator[Domain]:
    for part in _split(text):
        try:
            yield Domain(names.domain(part.rpartition("@")[2]))
        except names.WrongNameError as error:
            raise UsageError(f"{path}:{line}: {error}") from None


def _social(text: str) -> Iterator[SocialMedium]:
    for part in _split(text):
        url = part if part.startswith("https://") else ""
        yield SocialMedium("Mastodon", "" if url else part, url)
