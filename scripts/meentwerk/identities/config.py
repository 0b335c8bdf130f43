"""What to check: the file identities.yml, and the accounts that an inventory's entries name."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from meentwerk.entries import fleet
from meentwerk.errors import UsageError
from meentwerk.identities import names, table
from meentwerk.identities.addresses import networks
from meentwerk.identities.model import Account

MAX_FILE = 4 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _https(text: str) -> str:
    if not text.startswith("https://"):
        raise ValueError("must begin with https://")
    return text.rstrip("/")


def _source(text: str) -> str:
    if "://" in text and not text.startswith("https://"):
        raise ValueError("is neither an https address nor a file")
    return text


def _contact(text: str) -> str:
    if not text.startswith(("https://", "mailto:")) or any(letter in text for letter in "\r\n ()"):
        raise ValueError("must be an https or mailto address")
    return text


def _networks(texts: list[str]) -> list[str]:
    networks(texts)
    return texts


def _handle(text: str) -> str:
    return "@".join(names.handle(text))


DomainName = Annotated[str, AfterValidator(names.domain)]
Handle = Annotated[str, AfterValidator(_handle)]
Https = Annotated[str, AfterValidator(_https)]


class Columns(_Part):
    """Which column of a CSV holds what; within a cell, several values are separated by |."""

    identifier: str = "identifier"
    name: str = "name"
    type: str = ""
    until: str = ""
    domains: str = "domains"
    mail_domains: str = ""
    accounts: str = ""


class Given(_Part):
    """An organisation that a suffix rule vouches for."""

    identifier: str
    name: str
    domains: list[DomainName] = Field(min_length=1)


class Register(_Part):
    """A register: its kind, and where it is read from, a file or an https address."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    kind: Literal["roo", "rio", "dotgov", "csv", "suffix"]
    source: Annotated[str, AfterValidator(_source)] = ""
    title: str = ""
    corrections: str = ""
    columns: Columns | None = None
    delimiter: str = Field(default="", max_length=1)
    suffixes: list[DomainName | Annotated[str, Field(pattern=r"^[a-z]{2,}$")]] = []
    organisations: list[Given] = []
    max_mb: int = Field(default=200, ge=1, le=4096)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Register":
        if self.kind == "suffix":
            if not self.suffixes or not self.organisations:
                raise ValueError("a suffix rule needs suffixes and organisations")
            for given in self.organisations:
                for domain in given.domains:
                    if not any(domain.endswith(f".{suffix}") for suffix in self.suffixes):
                        raise ValueError(f"{domain} of {given.name} lies under none of the suffixes")
        elif not self.source:
            raise ValueError("source is missing: a file, or an https address")
        return self


class Claim(_Part):
    """An account, and the organisation it is said to speak for; that may be left out when an entry has its domain."""

    handle: Handle
    organisation: str = ""
    web_domain: DomainName | None = None


class Publisher(_Part):
    """Who publishes the register page."""

    name: str = "This register"
    contact: Annotated[str, AfterValidator(_contact)] = ""


class Config(_Part):
    """identities.yml."""

    contact: Annotated[str, AfterValidator(_contact)]
    site: Https = "https://register.example.org"
    publisher: Publisher = Publisher()
    registers: list[Register] = Field(min_length=1)
    accounts: list[Claim] = []
    servers: list[DomainName] = []
    allow_networks: Annotated[list[str], AfterValidator(_networks)] = []
    trust: str = ""
    languages: list[Literal["nl", "en"]] = Field(default=["nl", "en"], min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> "Config":
        _no_doubles("register", [register.name for register in self.registers])
        _no_doubles("account", [claim.handle for claim in self.accounts])
        return self


def _no_doubles(what: str, items: list[str]) -> None:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise ValueError(f"the {what} {item} stands there twice")
        seen.add(item)


def load(path: Path) -> Config:
    """Read identities.yml; UsageError with every problem, each with its place, where it is wrong."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise UsageError(f"{path} is larger than {MAX_FILE // 1024 // 1024} MB", "give the configuration")
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}", "write it as docs/identities.md shows, or give another") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UsageError(f"{path}{place}: this is no YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path} holds no settings", "write it as docs/identities.md shows")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = [f"{path}: {_place(item['loc'])}{_said(item)}" for item in error.errors()]
        raise UsageError("\n".join(lines), "every key: docs/identities.md") from None


def _place(location: Iterable[int | str]) -> str:
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location]
    return f"{''.join(parts).lstrip('.')}: " if parts else ""


def _said(item: Any) -> str:  # noqa: ANN401  # pydantic's own mapping
    message = str(item["msg"]).removeprefix("Value error, ")
    given = item.get("input")
    return f"{message} ({given!r:.80})" if isinstance(given, str | int) else message


Instance = tuple[str, dict[str, Any]]


def instances(inventory: Path) -> list[Instance]:
    """Return name and entry of every instance of an inventory; the values are those of the entries' files."""
    if not inventory.exists():
        raise UsageError(f"there is no inventory {inventory}", "give its folder, such as inventories/production")
    found = fleet.load([inventory.absolute()])
    hosts = [(host.name, {key: value.data for key, value in host.effective.items()}) for host in found.instances()]
    if not hosts:
        raise UsageError(f"{inventory} has no instance", "instances are the hosts of the group mastodon_instances")
    return hosts


def from_entry(name: str, entry: dict[str, Any], listed: Iterable[tuple[str, str]]) -> list[Account]:
    """Return the accounts of an instance; UsageError for an entry that validation would refuse."""
    try:
        organisation = entry["instance_organisation"]
        own, title = str(organisation["register_id"]), str(organisation["name"])
        domain = names.domain(entry["instance_domain"])
        web = names.domain(entry.get("instance_web_domain") or domain)
        return [
            Account(
                name=username.lower(),
                domain=domain,
                organisation=other or own,
                organisation_name="" if other and other != own else title,
                web_domain=web,
                address=str(entry.get("ansible_host", "")),
            )
            for username, other in listed
        ]
    except (KeyError, TypeError, ValueError) as error:
        cure = "scripts/validate-inventory says what is wrong with it"
        raise UsageError(f"the entry of {name} cannot be used: {error}", cure) from None


# A name, and the identifier of its organisation where the list says one
Listed = tuple[str, str]


def listed_in_entry(entry: dict[str, Any], inventory: Path) -> list[Listed] | None:
    """Return the accounts of the list that `instance_accounts` names, a CSV or YAML file as seen from the inventory.

    None where the entry names no list. Accounts whose state is `absent` are left out.
    """
    place = entry.get("instance_accounts")
    if not place or not isinstance(place, str):
        return None
    folder = inventory if inventory.is_dir() else inventory.parent
    path = folder / place
    try:
        if path.stat().st_size > MAX_FILE:
            raise UsageError(f"{path} is larger than {MAX_FILE // 1024 // 1024} MB", "is it the right file?")
        rows = list(_listed_csv(path) if path.suffix.lower() == ".csv" else _listed_yaml(path))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}", "correct instance_accounts in the entry") from None
    present = [row for row in rows if row.get("username") and row.get("state") != "absent"]
    return [(str(row["username"]).strip(), str(row.get("register_id") or "").strip()) for row in present]


def _listed_csv(path: Path) -> Iterable[dict[str, Any]]:
    return (row for _, row in table.rows(path, ["username"]))


def _listed_yaml(path: Path) -> Iterable[dict[str, Any]]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [row for row in data["accounts"] if isinstance(row, dict)]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        cure = "scripts/onboard-accounts validate says what is wrong"
        raise UsageError(f"{path} is no list of accounts", cure) from None


def claims(config: Config, by_entry: Iterable[Account]) -> list[Account]:
    """Return every account once; what the configuration says of one goes before what its entry says.

    UsageError for an account whose organisation neither of them names.
    """
    found = {account.handle: account for account in by_entry}
    for claim in config.accounts:
        name, _, domain = claim.handle.partition("@")
        known = found.get(claim.handle) or Account(name, domain, "")
        organisation = claim.organisation or known.organisation
        if not organisation:
            cure = "write its `organisation`, or give the inventory whose entry has its domain"
            raise UsageError(f"whose account {claim.handle} is, nobody says", cure)
        # The name in the entry is that of the entry's organisation
        title = known.organisation_name if organisation == known.organisation else ""
        web = claim.web_domain or known.web_domain
        found[claim.handle] = replace(known, organisation=organisation, organisation_name=title, web_domain=web)
    return list(found.values())
