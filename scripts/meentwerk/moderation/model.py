"""One model of a policy's layer: validation and the JSON Schema docs/moderation.schema.json are made from it."""

import datetime
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from meentwerk.entries.problem import Wrong
from meentwerk.moderation import names

COMMENT_LENGTH = 2000
RULE_LENGTH = 300  # Rule::TEXT_SIZE_LIMIT
MOST_BYTES = 20 * 1024 * 1024  # of a list from elsewhere, unless its source says otherwise

Severity = Literal["noop", "silence", "suspend"]
IpSeverity = Literal["sign_up_requires_approval", "sign_up_block", "no_access"]
Ownership = Literal["additive", "exclusive"]
Format = Literal["auto", "mastodon-csv", "csv", "json", "rapidblock-csv", "rapidblock-json", "domains"]
RegistrationsMode = Literal["closed", "approval", "open"]
Guard = Literal[
    "own-domains",
    "public-suffixes",
    "own-addresses",
    "wide-networks",
    "deletions",
    "severed-follows",
    "limited-federation",
]


def _wrong(error: Wrong) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{wrong}", {"wrong": error.wrong, "cure": error.cure})


def _checked(check: Callable[[str], str]) -> Callable[[Any], Any]:
    def validate(value: Any) -> Any:  # noqa: ANN401  # pydantic hands over whatever stands in the file
        if not isinstance(value, str):
            return value  # pydantic's own message is right
        try:
            return check(value)
        except Wrong as error:
            raise _wrong(error) from None

    return validate


def _visible(value: str) -> str:
    if not value.strip():
        raise Wrong("The text is empty.", "Write it out, or take the key away.")
    return value.strip()


def _language(value: str) -> str:
    from meentwerk.entries import languages  # noqa: PLC0415  # only where rules are translated

    if value not in languages.LANGUAGES:
        raise Wrong(f"«{value}» is no language that Mastodon has.", "Write a code such as nl, en, fy or pt-BR.")
    return value


def _https(value: str) -> str:
    if not value.startswith("https://"):
        raise Wrong("A list is fetched over https only.", "Write https://...")
    if "@" in value.partition("//")[2].partition("/")[0]:
        wrong = "A name and password in an address are read by everybody who reads the policy."
        raise Wrong(wrong, "Fetch the list by another way, and give it as file.")
    return value


Domain = Annotated[str, BeforeValidator(_checked(names.domain))]
Network = Annotated[str, BeforeValidator(_checked(names.network))]
EmailHash = Annotated[str, BeforeValidator(_checked(names.email_hash))]
Text = Annotated[str, Field(min_length=1), BeforeValidator(_checked(_visible))]
Comment = Annotated[str, Field(max_length=COMMENT_LENGTH)]
RuleText = Annotated[str, Field(min_length=1, max_length=RULE_LENGTH), BeforeValidator(_checked(_visible))]
Language = Annotated[str, BeforeValidator(_checked(_language))]
HttpsAddress = Annotated[str, BeforeValidator(_checked(_https))]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _moment(value: Any) -> Any:  # noqa: ANN401
    """Take a date for its first moment in UTC; a time needs its zone."""
    if isinstance(value, datetime.datetime):
        moment = value
    elif isinstance(value, datetime.date):
        moment = datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
    elif isinstance(value, str):
        try:
            moment = datetime.datetime.fromisoformat(value)
        except ValueError:
            raise _wrong(Wrong(f"«{value}» is no moment.", "Write 2027-05-01, or 2027-05-01T12:00:00Z.")) from None
    else:
        return value
    # YAML turns a time with a zone into UTC and forgets the zone
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


Moment = Annotated[datetime.datetime, BeforeValidator(_moment)]


def _day(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            raise _wrong(Wrong(f"«{value}» is no day.", "Write it as 2027-05-01.")) from None
    return value


Day = Annotated[datetime.date, BeforeValidator(_day)]


class Part(BaseModel):
    """What every part of a layer has in common: nothing unknown, nothing guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Entry(Part):
    """What every entry can say about itself."""

    reason: Text = Field(description="Why; who reads it later has nothing else. Goes into the audit log.")
    reference: Text | None = Field(default=None, description="A ticket, a decision or an address that says more.")
    owner: Text | None = Field(default=None, description="The team that answers for it; without it, the layer's owner.")
    review: Day | None = Field(default=None, description="From this day on, the plan reminds of it.")
    expires: Moment | None = Field(
        default=None, description="From then on the entry no longer holds, and the plan says so."
    )
    lift: bool = Field(default=False, description="Take back what an earlier layer or a list says of it.")
    locked: bool = Field(default=False, description="No later layer may weaken or lift it.")


class DomainBlock(Entry):
    """A limit on another server and all its subdomains."""

    domain: Domain
    severity: Severity = "silence"
    reject_media: bool = False
    reject_reports: bool = False
    obfuscate: bool = Field(default=False, description="Visitors see the name with its middle hidden.")
    public_comment: Comment = Field(default="", description="Shown to visitors.")
    private_comment: Comment = Field(default="", description="Shown to moderators; where it is not given, the reason.")
    published: dict[Language, Text] = Field(
        default={}, description="The public comment by language, for the published page."
    )


class DomainAllow(Entry):
    """A server that is allowed in limited federation."""

    domain: Domain


class EmailDomainBlock(Entry):
    """A provider whose addresses cannot sign up."""

    domain: Domain
    allow_with_approval: bool = False


class IpBlock(Entry):
    """Addresses that cannot sign up, or see nothing at all. `expires` is kept by the server, too."""

    ip: Network
    severity: IpSeverity = "sign_up_requires_approval"
    comment: Comment = Field(default="", description="Shown to moderators; where it is not given, the reason.")


class CanonicalEmailBlock(Entry):
    """A person's address that cannot sign up again. Give the hash: an address in a file is personal data."""

    hash: EmailHash


class RuleWords(Part):
    """A rule in another language."""

    text: RuleText
    hint: Comment = ""


class Rule(Part):
    """A server rule; their order in the policy is their order on the server."""

    text: RuleText
    hint: Comment = ""
    translations: dict[Language, RuleWords] = {}
    reason: Text


class Registrations(Part):
    """Who may sign up."""

    mode: RegistrationsMode
    reason: Text


class Setting(Part):
    """A site setting by Mastodon's name (config/settings.yml)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    value: str | bool | int | None
    reason: Text


class Source(Part):
    """A list that others keep. Exactly one of file, url and instance says where it is."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
    reason: Text = Field(description="Why this list is taken over.")
    file: Text | None = Field(default=None, description="A file beside the layer.")
    url: HttpsAddress | None = Field(default=None, description="An address over https; sha256 pins what it must hold.")
    sha256: Sha256 | None = Field(default=None, description="Required for url: what the list must hold, byte for byte.")
    instance: Domain | None = Field(default=None, description="Another server that shows its blocks to everybody.")
    format: Format = "auto"
    trust: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="How much this list counts for the threshold."
    )
    max_severity: Severity = Field(default="suspend", description="Never stricter than this, whatever the list says.")
    kind: Literal["blocks", "allows"] = Field(
        default="blocks", description="allows: its domains are never blocked by lists."
    )
    public_comments: bool = Field(default=True, description="Take the list's public comments over.")
    most_bytes: Annotated[int, Field(ge=1)] = Field(default=MOST_BYTES, description="Refuse a list that is longer.")
    timeout: Annotated[int, Field(ge=1, le=300)] = Field(default=30, description="Seconds to wait for it.")

    @model_validator(mode="after")
    def _in_one_place(self) -> Self:
        given = [name for name in ("file", "url", "instance") if getattr(self, name)]
        if len(given) != 1:
            wrong = f"A source is in one place; {' and '.join(given) or 'none'} is given."
            raise _wrong(Wrong(wrong, "Write one of file, url and instance."))
        if self.url and not self.sha256:
            cure = "Add sha256, from: curl -fsS ADDRESS | sha256sum. Then a changed list is read before it counts."
            raise _wrong(Wrong("The list behind url is not pinned.", cure))
        return self


class Merging(Part):
    """How lists become one. The layer that says it last decides."""

    threshold: Annotated[int, Field(ge=1)] = Field(
        default=1, description="Trust that the lists naming a domain need together."
    )
    severity: Literal["strictest", "mildest"] = Field(default="strictest", description="Which one, where lists differ.")
    never: list[Domain] = Field(default=[], description="Domains that no list can block, with all below them.")


class OwnershipBySection(Part):
    """Per section: additive changes only what Meentwerk marked; exclusive removes everything else."""

    domain_blocks: Ownership = "additive"
    domain_allows: Ownership = "additive"
    email_domain_blocks: Ownership = "additive"
    ip_blocks: Ownership = "additive"
    canonical_email_blocks: Ownership = "additive"
    rules: Ownership = "exclusive"


class Override(Part):
    """Lets one thing through one guard, for good: on purpose, and with a reason that stands in the policy."""

    guard: Guard
    what: Text = Field(description="The domain or network it is about.")
    reason: Text


class Guards(Part):
    """What no plan may do. Lists of several layers add up; of numbers the smallest holds."""

    own_domains: list[Domain] = Field(default=[], description="Never limited, nor anything above or below them.")
    partner_domains: list[Domain] = Field(default=[], description="Domains of other governments: as own_domains.")
    own_addresses: list[Network] = Field(default=[], description="Offices, proxies, monitoring: never blocked.")
    most_deletions_percent: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="Of a section's entries, at most this part may go in one plan; 10 unless a layer says less.",
    )
    most_severed_follows: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="At most this many follows may be cut by one plan's suspensions; 0 unless a layer says more.",
    )
    overrides: list[Override] = []


class Layer(Part):
    """One file of a policy."""

    layer: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)] = Field(
        description="Its short name: organisation, the instance's name, the department's."
    )
    owner: Text = Field(description="The team that answers for what stands here.")
    ownership: OwnershipBySection = OwnershipBySection()
    guards: Guards = Guards()
    merging: Merging | None = None
    sources: list[Source] = []
    domain_blocks: list[DomainBlock] = []
    domain_allows: list[DomainAllow] = []
    email_domain_blocks: list[EmailDomainBlock] = []
    ip_blocks: list[IpBlock] = []
    canonical_email_blocks: list[CanonicalEmailBlock] = []
    rules: list[Rule] = []
    registrations: Registrations | None = None
    settings: list[Setting] = []
