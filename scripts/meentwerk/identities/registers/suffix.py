"""A rule instead of a register: under some suffixes only government can have a domain, such as gov.uk or gouv.fr.

The rule vouches that a domain is a government's. Whose it is, the configuration says: its organisations, each with
domains under a suffix.
"""

from collections.abc import Iterator
from pathlib import Path

from meentwerk.identities.config import Register
from meentwerk.identities.model import Domain, Organisation, Source


def read(_path: Path, register: Register, source: Source) -> Iterator[Organisation]:
    """Yield the organisations that the configuration names; their domains were held against the suffixes there."""
    for given in register.organisations:
        yield Organisation(
            identifiers=(given.identifier,),
            names=(given.name,),
            domains=tuple(Domain(domain) for domain in given.domains),
            sources=(source,),
        )
