"""An account as a list wants it, after every check."""

from dataclasses import dataclass, field

from meentwerk.accounts.pictures import Picture


@dataclass(frozen=True)
class Account:
    """What a list says of one account. None means that the list does not say it, and it stays as it is."""

    row: int
    username: str
    email: str = field(repr=False)
    department: str
    state: str = "present"
    display_name: str | None = None
    note: str | None = None
    fields: tuple[tuple[str, str], ...] | None = None
    """The profile's lines, the website first."""
    avatar: Picture | None = None
    avatar_description: str | None = None
    header: Picture | None = None
    header_description: str | None = None
    locale: str | None = None
    role: str | None = None
    website: str | None = None
    register_id: str | None = None
    bot: bool | None = None
    locked: bool | None = None
    discoverable: bool | None = None
    indexable: bool | None = None
    attribution_domains: tuple[str, ...] | None = None
    sso_id: str | None = None
    exception_reason: str | None = None
