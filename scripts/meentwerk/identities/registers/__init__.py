"""Registers of organisations: one reader for each kind, all giving `model.Organisation`.

A reader yields organisations one after another and keeps none, so that memory does not grow with the register.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from meentwerk.identities.config import Register
from meentwerk.identities.model import Organisation, Source
from meentwerk.identities.registers import columns, dotgov, rio, roo, suffix

Reader = Callable[[Path, Register, Source], Iterator[Organisation]]

READERS: dict[str, Reader] = {
    "roo": roo.read,
    "rio": rio.read,
    "dotgov": dotgov.read,
    "csv": columns.read,
    "suffix": suffix.read,
}


def read(path: Path, register: Register, source: Source) -> Iterator[Organisation]:
    """Yield the organisations of a register's file; UsageError with file and line where it cannot be read."""
    return READERS[register.kind](path, register, source)
