"""What all registers say of the organisations that are asked about. Memory follows the question, not the registers."""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.files import replace_file
from meentwerk.identities import names, registers
from meentwerk.identities.config import Config, Register
from meentwerk.identities.fetch import Fetcher, FetchError, Limits
from meentwerk.identities.model import Organisation, Source


@dataclass(frozen=True, slots=True)
class Claimant:
    """An organisation for which a register lists a domain."""

    name: str
    parent: str | None


@dataclass
class Registry:
    """The organisations asked about, by each of their identifiers, and who else claims their domains.

    `lookalikes` leads from a domain of theirs to others that look like it, and whose those are.
    """

    organisations: dict[str, Organisation] = field(default_factory=dict)
    claims: dict[str, dict[str, Claimant]] = field(default_factory=dict)
    lookalikes: dict[str, dict[str, str]] = field(default_factory=dict)
    read: int = 0

    def get(self, identifier: str) -> Organisation | None:
        """Return an organisation by any of its identifiers."""
        return self.organisations.get(identifier.rstrip("/"))

    def other_claims(self, organisation: Organisation, domain: str) -> dict[str, str]:
        """Return who else has a domain, identifier to name; not who contains the organisation or lies in it."""
        return {
            identifier: claimant.name
            for identifier, claimant in self.claims.get(domain, {}).items()
            if identifier not in organisation.identifiers
            and identifier != organisation.parent
            and claimant.parent not in organisation.identifiers
        }


def cached(folder: Path, register: Register) -> Path:
    """Return where a downloaded register lies."""
    return folder / register.name / "register"


def open_source(folder: Path, base: Path, register: Register) -> tuple[Path, Source]:
    """Return a register's file with date and hash; UsageError where it was not downloaded yet."""
    if register.kind == "suffix":
        text = json.dumps(register.model_dump(mode="json"), sort_keys=True)
        rule = ", ".join(f".{suffix}" for suffix in register.suffixes)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return base, Source(register.name, f"rule: domains under {rule}", "", digest)
    if register.source.startswith("https://"):
        path = cached(folder, register)
        cure = "fetch it once: meentwerk identities registers update"
    else:
        path = base / register.source
        cure = "correct `source` of this register in the configuration"
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(f"the register {register.name} is not there: {path}", cure) from None
    return path, Source(register.name, register.source, f"{at:%Y-%m-%d}", digest)


def load(config: Config, base: Path, folder: Path, wanted: set[str]) -> Registry:
    """Read all registers, twice: first the organisations asked about, then who else has a domain like theirs."""
    sources = [(register, *open_source(folder, base, register)) for register in config.registers]

    def everyone() -> Iterator[Organisation]:
        for register, path, source in sources:
            yield from registers.read(path, register, source)

    registry = Registry()
    asked = {identifier.rstrip("/") for identifier in wanted}
    for organisation in everyone():
        registry.read += 1
        if asked.intersection(organisation.identifiers):
            _join(registry, organisation)
    _look_around(registry, everyone)
    return registry


def _join(registry: Registry, organisation: Organisation) -> None:
    known = next((found for i in organisation.identifiers if (found := registry.organisations.get(i))), None)
    joined = known.joined(organisation) if known else organisation
    for identifier in joined.identifiers:
        registry.organisations[identifier] = joined


def _look_around(registry: Registry, everyone: Callable[[], Iterator[Organisation]]) -> None:
    own: dict[str, set[str]] = {}
    whole: set[str] = set()
    for organisation in registry.organisations.values():
        for domain in organisation.domains:
            if domain.path:
                continue
            whole.add(domain.name)
            own.setdefault(names.skeleton(domain.name), set()).add(domain.name)
    for organisation in everyone():
        title = organisation.names[0] if organisation.names else organisation.identifier
        for domain in organisation.domains:
            if domain.path:
                continue
            if domain.name in whole:
                claimed = registry.claims.setdefault(domain.name, {})
                claimed[organisation.identifier] = Claimant(title, organisation.parent)
                continue
            for other in own.get(names.skeleton(domain.name), ()):
                registry.lookalikes.setdefault(other, {})[domain.name] = title


@dataclass(frozen=True, slots=True)
class Download:
    """How the download of one register went."""

    register: str
    outcome: str
    bytes: int
    detail: str = ""


def download_all(config: Config, folder: Path, fetcher: Fetcher) -> list[Download]:
    """Fetch every register that has an https address, unchanged ones by ETag only."""

    async def run() -> list[Download]:
        wanted = [register for register in config.registers if register.source.startswith("https://")]
        return await asyncio.gather(*(_download(register, folder, fetcher) for register in wanted))

    return asyncio.run(run())


async def _download(register: Register, folder: Path, fetcher: Fetcher) -> Download:
    place = cached(folder, register)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    notes = place.with_name("download.json")
    before = _notes(notes, register, place)
    limits = Limits(body=register.max_mb * 1024 * 1024, seconds=600, redirects=3)
    getter = replace(fetcher, limits=limits)
    headers = {"If-None-Match": before["etag"]} if before.get("etag") else {}
    try:
        answer = await getter.get(register.source, "application/xml, text/csv, */*", headers=headers)
    except FetchError as error:
        return Download(register.name, "failed", 0, str(error))
    finally:
        getter.close()
    if answer.status == 304:  # noqa: PLR2004
        return Download(register.name, "unchanged", place.stat().st_size)
    if answer.status != 200:  # noqa: PLR2004
        return Download(register.name, "failed", 0, f"{answer.url} answers {answer.status}")
    if answer.truncated:
        return Download(register.name, "failed", 0, f"larger than {register.max_mb} MB; raise max_mb if that is right")
    unchanged = place.is_file() and hashlib.sha256(place.read_bytes()).digest() == hashlib.sha256(answer.body).digest()
    new = place.with_name("register.new")
    new.write_bytes(answer.body)
    try:
        _try_out(new, register)
    except MeentwerkError as error:
        new.unlink()
        return Download(register.name, "failed", len(answer.body), f"{error.message}; the file from before is kept")
    os.replace(new, place)  # noqa: PTH105  # atomic, and says so
    replace_file(notes, json.dumps({"source": register.source, "etag": answer.headers.get("etag", "")}), 0o644)
    return Download(register.name, "unchanged" if unchanged else "updated", len(answer.body))


def _notes(notes: Path, register: Register, place: Path) -> dict[str, str]:
    try:
        found = json.loads(notes.read_text())
    except (OSError, ValueError):
        return {}
    return found if place.is_file() and isinstance(found, dict) and found.get("source") == register.source else {}


def _try_out(path: Path, register: Register) -> None:
    count = sum(1 for _ in registers.read(path, register, Source(register.name, register.source, "", "")))
    if not count:
        raise MeentwerkError(f"{register.source} holds no organisation", exit=Exit.FINDINGS)
