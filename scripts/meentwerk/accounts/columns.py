"""What a list of accounts may say: checks, JSON Schema, template and the table in docs/accounts.md are made of this."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from meentwerk.accounts import values
from meentwerk.entries import names
from meentwerk.entries import values as entry_values

Kind = Literal["text", "flag", "words", "fields", "file"]
MOST_FIELDS = 4
STATES = ("present", "disabled", "absent")


@dataclass(frozen=True)
class Column:
    """One column of a CSV file, and the key of the same name in YAML.

    `check` raises `Wrong` or returns the value as it is used; `limit` names the attribute
    of `limits.Limits` that holds.
    """

    name: str
    what: str
    example: str
    kind: Kind = "text"
    check: Callable[[str], Any] = entry_values.visible
    required: bool = False
    limit: str = ""
    choices: tuple[str, ...] = ()


COLUMNS: tuple[Column, ...] = (
    Column(
        "username",
        "Name on the server: lower-case letters, digits and underscores. It can never change.",
        "tides_news",
        check=values.username,
        required=True,
        limit="username",
    ),
    Column(
        "email",
        "Mailbox of the team that uses the account. Its domain is one of the department's (policy).",
        "news@tides.example.org",
        check=entry_values.email,
        required=True,
    ),
    Column(
        "department",
        "Which department speaks here; as the policy names it.",
        "Tides",
        check=values.one_line,
        required=True,
    ),
    Column("display_name", "Name as readers see it.", "Ministry of Tides", check=values.one_line, limit="display_name"),
    Column("note", "A few sentences about the account.", "News of the water levels.", limit="note"),
    Column(
        "website",
        "Page of the account on the organisation's own site, https; it becomes the first profile field, and is "
        "verified when that page links back with rel=me.",
        "https://tides.example.org/social",
        check=values.https_address,
        limit="field_value",
    ),
    Column(
        "fields",
        "Further lines of the profile, name and value. In CSV: columns field_1_name, field_1_value to field_4_value.",
        "Open: weekdays 9 to 17",
        kind="fields",
    ),
    Column("avatar", "Picture: a file beside the list (JPEG, PNG, GIF or WebP).", "avatars/tides.png", kind="file"),
    Column(
        "avatar_description",
        "What the picture shows, for who cannot see it. Required with a picture.",
        "Logo of the Ministry of Tides: three waves",
        limit="picture_description",
    ),
    Column("header", "Wide picture above the profile.", "headers/tides.jpg", kind="file"),
    Column(
        "header_description",
        "What the header shows. Required with a header.",
        "A dike at sunrise",
        limit="picture_description",
    ),
    Column("locale", "Language of the account's mails and pages (ISO 639).", "nl", check=entry_values.language),
    Column("role", "Role on the server, by its name. Most accounts have none.", "Spokesperson", check=values.one_line),
    Column(
        "register_id",
        "Identifier of the organisation in an official register, https.",
        "https://identifier.overheid.nl/tooi/id/ministerie/mnre1034",
        check=entry_values.register_id,
    ),
    Column("bot", "Whether posts are automatic; readers see it.", "no", kind="flag"),
    Column("locked", "Whether the account approves its followers.", "no", kind="flag"),
    Column("discoverable", "Whether the server recommends the account.", "yes", kind="flag"),
    Column("indexable", "Whether public posts may be found by search.", "yes", kind="flag"),
    Column(
        "attribution_domains",
        "Domains whose articles may name this account as author, separated by spaces.",
        "tides.example.org",
        kind="words",
        check=names.domain,
        limit="attribution_domains",
    ),
    Column(
        "state",
        "present; disabled: nobody can sign in; absent: disabled, exported, and on request deleted.",
        "present",
        choices=STATES,
    ),
    Column(
        "sso_id",
        "Who signs in at the organisation's single sign-on: the identifier that its provider gives (sub). With a "
        "policy that names the provider; the account has no password then.",
        "8a6f1c2e",
        check=values.one_line,
    ),
    Column(
        "exception_reason",
        "Why a personal mailbox is behind an organisation's account (BIO2 5.16.02). It is kept in a register.",
        "Office-holder's own account, decided 2026-10-01",
        check=values.one_line,
    ),
)
BY_NAME = {column.name: column for column in COLUMNS}
FIELD_COLUMNS = tuple(f"field_{number}_{part}" for number in range(1, MOST_FIELDS + 1) for part in ("name", "value"))


def csv_columns() -> list[str]:
    """Return the columns of a CSV file, in the template's order."""
    names_ = [column.name for column in COLUMNS]
    place = names_.index("fields")
    return [*names_[:place], *FIELD_COLUMNS, *names_[place + 1 :]]
