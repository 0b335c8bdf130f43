"""The parts of a server's moderation: how each is named, addressed, compared and permitted in Mastodon."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Value = str | bool | int | None
Fields = Mapping[str, Value]
Name = Literal[
    "domain_blocks", "domain_allows", "email_domain_blocks", "ip_blocks", "canonical_email_blocks", "rules", "settings"
]


@dataclass(frozen=True, slots=True)
class Section:
    """One part: `key` names its entries, `fields` holds what else an entry says, with Mastodon's own defaults."""

    name: Name
    key: str
    one: str
    many: str
    fields: Fields
    # What a page of the list holds at most (the controllers' LIMIT and MAX_LIMIT); 0: the API has no such list
    page: int = 0
    can_update: bool = True
    # The field that carries the mark of what is Meentwerk's; other sections are marked in the audit log
    comment: str = ""
    # Mastodon's permission (UserRole::FLAGS)
    right: str = ""

    @property
    def path(self) -> str:
        """Address of the list in the admin API."""
        return f"/api/v1/admin/{self.name}"


DOMAIN_BLOCKS = Section(
    "domain_blocks",
    "domain",
    "domain block",
    "domain blocks",
    {
        "severity": "silence",
        "reject_media": False,
        "reject_reports": False,
        "private_comment": "",
        "public_comment": "",
        "obfuscate": False,
    },
    page=500,
    comment="private_comment",
    right="manage_federation",
)
DOMAIN_ALLOWS = Section(
    "domain_allows",
    "domain",
    "domain allow",
    "domain allows",
    {},
    page=500,
    can_update=False,
    right="manage_federation",
)
EMAIL_DOMAIN_BLOCKS = Section(
    "email_domain_blocks",
    "domain",
    "e-mail domain block",
    "e-mail domain blocks",
    {"allow_with_approval": False},
    page=200,
    can_update=False,
    right="manage_blocks",
)
IP_BLOCKS = Section(
    "ip_blocks",
    "ip",
    "IP block",
    "IP blocks",
    {"severity": "sign_up_requires_approval", "comment": "", "expires_at": None},
    page=200,
    comment="comment",
    right="manage_blocks",
)
CANONICAL_EMAIL_BLOCKS = Section(
    "canonical_email_blocks",
    "canonical_email_hash",
    "canonical e-mail block",
    "canonical e-mail blocks",
    {},
    page=200,
    can_update=False,
    right="manage_blocks",
)
# The API shows these two in part and changes neither: bin/batch does both
RULES = Section("rules", "text", "rule", "rules", {"hint": "", "translations": "{}", "position": 0})
SETTINGS = Section("settings", "name", "setting", "settings", {"value": None})

# In the order in which they are applied: who may come in before who may not, so that nobody is cut off meanwhile
SECTIONS: tuple[Section, ...] = (
    SETTINGS,
    RULES,
    DOMAIN_ALLOWS,
    DOMAIN_BLOCKS,
    EMAIL_DOMAIN_BLOCKS,
    CANONICAL_EMAIL_BLOCKS,
    IP_BLOCKS,
)
LISTS = tuple(section for section in SECTIONS if section.page)
BY_NAME: dict[str, Section] = {section.name: section for section in SECTIONS}

# Strictness of DomainBlock.severity; the numbers that Mastodon stores are in another order
STRICTNESS = {"noop": 0, "silence": 1, "suspend": 2}
IP_STRICTNESS = {"sign_up_requires_approval": 0, "sign_up_block": 1, "no_access": 2}

# See `guards`; each can be overridden by name, on purpose
GUARDS = (
    "own-domains",
    "public-suffixes",
    "own-addresses",
    "wide-networks",
    "deletions",
    "severed-follows",
    "limited-federation",
)
