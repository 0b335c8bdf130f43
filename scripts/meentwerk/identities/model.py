"""The words of this package: organisations as registers have them, accounts, and what was found about them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from urllib.parse import unquote

from meentwerk.identities.names import within


class Verdict(StrEnum):
    """What a check says. `UNKNOWN` is honest ignorance: it is neither counted as right nor reported as wrong."""

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement of a register comes from: its name in the configuration, address, date and SHA-256."""

    register: str
    address: str
    date: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of an organisation.

    With a `path`, only pages below it are the organisation's: many share one site, as ministries do. Without,
    everything at the domain and below it. `until` is the day on which it was given up.
    """

    name: str
    path: str = ""
    until: date | None = None

    def covers(self, host: str, path: str = "/") -> bool:
        """Say whether a page at `host` and `path` lies in it."""
        if not within(host, self.name):
            return False
        below = self.path.rstrip("/")
        if below and ".." in unquote(path).split("/"):
            return False  # a server would go up from the folder
        return not below or path == below or path.startswith(f"{below}/")


@dataclass(frozen=True, slots=True)
class SocialMedium:
    """An account that a register lists for an organisation."""

    platform: str
    username: str
    url: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """One organisation. `social` is None where the register keeps no list of accounts at all."""

    identifiers: tuple[str, ...]
    names: tuple[str, ...]
    types: tuple[str, ...] = ()
    until: date | None = None
    parent: str | None = None
    domains: tuple[Domain, ...] = ()
    mail_domains: tuple[Domain, ...] = ()
    social: tuple[SocialMedium, ...] | None = None
    sources: tuple[Source, ...] = ()

    @property
    def identifier(self) -> str:
        """The identifier that is shown."""
        return self.identifiers[0]

    def ended(self, today: date) -> bool:
        """Say whether the organisation is no more."""
        return self.until is not None and self.until <= today

    def domain_of(self, host: str, path: str, today: date) -> Domain | None:
        """Return the organisation's domain in which a page lies; domains that were given up do not count."""
        return next((d for d in self.domains if d.covers(host, path) and not (d.until and d.until <= today)), None)

    def joined(self, other: "Organisation") -> "Organisation":
        """Return what two registers say of one organisation; where one of them has ended it, it has ended."""
        ends = [end for end in (self.until, other.until) if end]
        both = None if self.social is None and other.social is None else (self.social or ()) + (other.social or ())
        return replace(
            self,
            identifiers=tuple(dict.fromkeys(self.identifiers + other.identifiers)),
            names=tuple(dict.fromkeys(self.names + other.names)),
            types=tuple(dict.fromkeys(self.types + other.types)),
            until=min(ends) if ends else None,
            parent=self.parent or other.parent,
            domains=tuple(dict.fromkeys(self.domains + other.domains)),
            mail_domains=tuple(dict.fromkeys(self.mail_domains + other.mail_domains)),
            social=both,
            sources=tuple(dict.fromkeys(self.sources + other.sources)),
        )


@dataclass(frozen=True, slots=True)
class Account:
    """An account that claims to speak for an organisation: `name@domain`, without a leading @, in lower case.

    `address` is where its server stands, when the inventory says so: for the lines a webmaster needs.
    """

    name: str
    domain: str
    organisation: str
    organisation_name: str = ""
    web_domain: str = ""
    address: str = ""

    @property
    def handle(self) -> str:
        """`name@domain`."""
        return f"{self.name}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one account: its verdict, why in one sentence, what to do, and what was seen, line by line."""

    name: str
    verdict: Verdict
    why: str
    cure: str = ""
    evidence: tuple[str, ...] = ()


# What an account needs to be called verified. The rest is worth mending, but says nothing about who stands behind it.
REQUIRED = ("register", "profile_link", "link_back", "link_strict", "webfinger", "actor")


@dataclass(frozen=True, slots=True)
class Result:
    """All checks of one account."""

    account: Account
    checked_at: str
    checks: tuple[Check, ...]
    profile_url: str = ""
    display_name: str = ""
    link: str = ""
    names: tuple[str, ...] = ()
    sources: tuple[Source, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """Verified (pass), not (fail), or not known today."""
        return worst(check.verdict for check in self.checks if check.name in REQUIRED)

    def check(self, name: str) -> Check | None:
        """Return one check by its name."""
        return next((check for check in self.checks if check.name == name), None)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return fail before unknown before pass; nothing at all is unknown."""
    found = set(verdicts)
    if not found:
        return Verdict.UNKNOWN
    return next(verdict for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS) if verdict in found)
