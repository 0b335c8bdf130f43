"""What a right value is: mailboxes, identifiers, user names, languages, releases, texts. Each check raises `Wrong`, or
returns the value.

Source: Mastodon 4.6 for its own limits (app/models/rule.rb, app/models/form/admin_settings.rb, app/models/account.rb).
"""

import re
from urllib.parse import urlsplit

from meentwerk.entries.languages import BY_NAME, LANGUAGES
from meentwerk.entries.names import INVISIBLE, Table, domain, refuse
from meentwerk.entries.problem import Wrong, nearest, quoted

EMAIL_PATTERN = r"^[^@\s]+@[a-z0-9.-]+$"
USERNAME_PATTERN = r"^[a-z0-9_]{1,30}$"
# Mastodon's version; a fork adds a word of its own: 4.6.5.fork1
VERSION_PATTERN = r"^[0-9]+\.[0-9]+\.[0-9]+(\.[a-z][a-z0-9]*)?$"
URI_PATTERN = r"^https://\S+$"
LIST_PATTERN = r"^([A-Za-z0-9_][A-Za-z0-9_./-]*\.(csv|yml|yaml))?$"
LANGUAGE_PATTERN = r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$"

# The user names that Mastodon 4.6 seeds as blocked (db/seeds); a name with "mastodon" in it is refused too
_RESERVED = """
    abuse account accounts admin administration administrator admins help helpdesk instance mod moderator moderators
    mods owner root security server staff support webmaster
"""
RESERVED_USERNAMES = frozenset(_RESERVED.split())

# TOOI: the kinds of the Dutch register of government organisations whose codes have one prefix each
TOOI_HOST = "identifier.overheid.nl"
TOOI_PREFIX = {"ministerie": "mnre", "gemeente": "gm", "provincie": "pv", "waterschap": "ws"}


_MAILBOX = "Write a mailbox, such as webcare@ministry.example."
_ODD_IN_MAILBOX = re.compile(r"[^A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]")
_EMAIL: Table = (
    (lambda v: not v.strip(), "The e-mail address is empty.", lambda _: _MAILBOX),
    (lambda v: "@" not in v, "{} is no e-mail address: the @ is missing.", lambda _: _MAILBOX),
    (
        lambda v: v.lower().startswith("mailto:"),
        "{} begins with mailto.",
        lambda v: f"Write the bare address: {v[len('mailto:') :]}",
    ),
    (
        lambda v: re.search(r'[<>"]', v),
        "{} has a name with the address.",
        lambda _: "Write the bare address; the name has its own key.",
    ),
    (
        lambda v: v != v.strip(" .,;:") and "@" in v.strip(" .,;:"),
        "{} begins or ends with a space or a mark.",
        lambda v: f"Write it without: {v.strip(' .,;:')}",
    ),
    (
        lambda v: "," in v or ";" in v,
        "{} lists more than one address.",
        lambda _: "Write one: the mailbox that the whole team reads.",
    ),
    (lambda v: re.search(r"\s", v), "{} has a space in it.", lambda v: f"Write it without: {''.join(v.split())}"),
    (lambda v: v.count("@") > 1, "{} has more than one @.", lambda _: _MAILBOX),
    (lambda v: v.startswith("@"), "{} has nothing before the @.", lambda _: _MAILBOX),
    (
        lambda v: not v.partition("@")[0].isascii(),
        "{} has letters outside a to z before the @.",
        lambda _: "Many mail servers refuse them: give another address of the team, of plain letters.",
    ),
    (
        lambda v: ".." in v.partition("@")[0] or ".@" in v,
        "{} has a dot too many before the @.",
        lambda v: f"Write {re.sub(r'[.]+(?=[.@])', '', v.partition('@')[0] + '@')}{v.partition('@')[2]}",
    ),
    (
        lambda v: _ODD_IN_MAILBOX.search(v.partition("@")[0]),
        "{} has a character before the @ that mail servers refuse.",
        lambda _: "Write an address of letters, digits, dots and hyphens.",
    ),
)


def email(value: str) -> str:
    """Check a mailbox: one @, something before it, a domain behind it (the part of RFC 5321 that people use)."""
    refuse(value, _EMAIL)
    shown = quoted(value)
    local, _, behind = value.partition("@")
    try:
        domain(behind.lower())
    except Wrong as error:
        raise Wrong(f"{shown} is no e-mail address. Behind the @: {error.wrong}", error.cure) from None
    if behind != behind.lower():
        raise Wrong(f"{shown} has capital letters behind the @.", f"Write {local}@{behind.lower()}")
    return value


def register_id(value: str) -> str:
    """Check an identifier in an official register: an https URI; one of TOOI's has the form that TOOI gives."""
    shown = quoted(value)
    advice = "Give it as its https address, such as https://identifier.overheid.nl/tooi/id/ministerie/mnre1034."
    if re.search(r"\s", value):
        raise Wrong(f"{shown} has a space in it.", "Copy the identifier from the register once more.")
    if value.startswith("http://"):
        raise Wrong(f"{shown} begins with http.", f"Write {value.replace('http:', 'https:', 1)}")
    if not value.startswith("https://"):
        raise Wrong(f"{shown} is no identifier of a register.", advice)
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        raise Wrong(f"{shown} is no https address.", advice) from None
    if parts.username is not None:
        raise Wrong(f"{shown} has a user name in it.", "Copy the identifier from the register once more.")
    if "." not in host:
        raise Wrong(f"{shown} names no register.", advice)
    if host == TOOI_HOST:
        _tooi(parts.path, shown)
    elif parts.path in {"", "/"} and not parts.query:
        raise Wrong(f"{shown} is the register, not the organisation in it.", advice)
    return value


def _tooi(path: str, shown: str) -> None:
    found = re.fullmatch(r"/tooi/id/([a-z_]+)/([a-z]+)([0-9]+)", path)
    if not found:
        raise Wrong(
            f"{shown} is no identifier of TOOI.",
            f"It reads https://{TOOI_HOST}/tooi/id/KIND/CODE, such as ministerie/mnre1034.",
        )
    kind, prefix, number = found.groups()
    if (right := TOOI_PREFIX.get(kind, prefix)) != prefix:
        raise Wrong(
            f"{shown} has the code {prefix}{number}, which is no {kind}.", f"The codes of a {kind} begin with {right}."
        )


def username(value: str) -> str:
    """Check a user name: Mastodon's characters and length, none of its reserved names."""
    shown = quoted(value)
    if value.startswith("@"):
        raise Wrong(f"{shown} begins with an @.", f"Write {value.lstrip('@').partition('@')[0].lower()}")
    if not re.fullmatch(USERNAME_PATTERN, value):
        raise Wrong(f"{shown} is no user name.", "It takes lower-case letters, digits and underscores, 30 at most.")
    if value in RESERVED_USERNAMES or "mastodon" in value:
        raise Wrong(f"{shown} is a name that Mastodon reserves.", "Choose another, such as beheer or webcare.")
    return value


_CODE = "Write its code of two or three letters (ISO 639), such as nl, en or fy."


def language(value: object) -> str:
    """Check a language: one of those Mastodon knows, by its ISO 639 code."""
    if value is False:
        raise Wrong("YAML reads the bare word no as «false», not as Norwegian.", 'Write it in quotes: "no"')
    if not isinstance(value, str):
        raise Wrong(f"{kind(value)} is no language.", _CODE)
    if value in LANGUAGES:
        return value
    shown = quoted(value)
    if (name := BY_NAME.get(value.lower(), "")) in LANGUAGES:
        raise Wrong(f"{shown} is the name of a language.", f"Write its code: {name}")
    code, separator, region = value.replace("_", "-").partition("-")
    for near in (f"{code.lower()}-{region.upper()}", code.lower()) if separator else (code.lower(),):
        if near in LANGUAGES:
            raise Wrong(f"{shown} is no language that Mastodon knows.", f"Write {near}")
    raise Wrong(f"{shown} is no language that Mastodon knows.", _CODE)


def release(value: object) -> str:
    """Check the form of a release: three numbers, perhaps with a fork's word, or `sandbox`."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        raise Wrong(f"{quoted(value)} is read as a number.", 'Write the whole version in quotes, such as "4.6.5".')
    if not isinstance(value, str):
        raise Wrong(f"{kind(value)} is no release.", 'Write a version of Mastodon in quotes, such as "4.6.5".')
    if re.fullmatch(VERSION_PATTERN, value) or value == "sandbox":
        return value
    shown = quoted(value)
    if re.fullmatch(VERSION_PATTERN, bare := value.removeprefix("v")):
        raise Wrong(f"{shown} has a v before the version.", f'Write "{bare}"')
    if re.fullmatch(VERSION_PATTERN, bare := re.sub(r"(?i)^mastodon[ /-]*v?|,", lambda m: "." * (m[0] == ","), value)):
        raise Wrong(f"{shown} is no release.", f'Write "{bare}"')
    if value in {"latest", "stable", "main", "nightly"}:
        raise Wrong(f"{shown} is no version: what it means changes.", 'Name one, such as "4.6.5".')
    raise Wrong(f"{shown} is no release.", 'Write a version of Mastodon in quotes, such as "4.6.5".')


def one_line(value: str) -> str:
    """Check a name or title: a text of one line."""
    if "\n" in plain_text(value).strip() or "\r" in value:
        raise Wrong("The text has a line break in it.", "Write it in one line.")
    return value


def plain_text(value: str) -> str:
    """Check a text that people will read: not empty, nothing invisible that turns or hides what stands there."""
    if not value.strip():
        raise Wrong("The text is empty.", "Write what belongs there; a key that need not be there may be left out.")
    return visible(value)


def visible(value: str) -> str:
    """Check that a text has nothing invisible in it that turns or hides what stands there."""
    if odd := INVISIBLE.search(value):
        raise Wrong(
            f"The text has the invisible character U+{ord(odd[0]):04X}.",
            "Type the text anew; it came along with a copy.",
        )
    return value


def list_path(value: str) -> str:
    """Check the path of a list of accounts: a file below the inventory's folder; empty where there is none."""
    shown = quoted(value)
    if value.startswith(("/", "~")) or ".." in value.split("/"):
        raise Wrong(
            f"{shown} lies outside of the inventory.", "Write it as seen from there, such as accounts/tides.csv."
        )
    if not re.fullmatch(LIST_PATTERN, value):
        raise Wrong(f"{shown} is no list of accounts.", "Write a .csv or .yml file, such as accounts/tides.csv.")
    return value


def near_choice(value: object, choices: tuple[str, ...]) -> str:
    """Return which of the choices was probably meant, or nothing."""
    return nearest(value, choices) if isinstance(value, str) else ""


def kind(value: object) -> str:
    """Say at the beginning of a sentence what stands where a text is wanted; never what is in it."""
    if isinstance(value, dict | list):
        return "A group of keys" if isinstance(value, dict) else "A list"
    return "A word that YAML reads as yes or no" if isinstance(value, bool) else quoted(value)
