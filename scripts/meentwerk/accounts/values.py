"""What a right value of one cell is. Each check raises `Wrong`, which says what is right, or returns the value."""

import re
from urllib.parse import urlsplit

from meentwerk.entries import values as entry_values
from meentwerk.entries.names import punycode
from meentwerk.entries.problem import Wrong, quoted
from meentwerk.identities.links import normal_path, verifiable

USERNAME = re.compile(r"[a-z0-9_]+")
# As spreadsheet programs in Dutch and English write them, and as people type them
FLAGS = {
    **dict.fromkeys(("true", "yes", "y", "1", "waar", "ja", "j"), True),
    **dict.fromkeys(("false", "no", "n", "0", "onwaar", "nee"), False),
}
# Mastodon 4.6 seeds these two as parts of a name, too (db/seeds/05_blocked_usernames.rb), and compares look-alikes
RESERVED_PARTS = ("mastodon", "mastadon")
_LOOKALIKES = str.maketrans({"1": "i", "2": "z", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "0": "o"})
_PERSON = re.compile(r"[a-z]{1,12}([.][a-z]{1,12})*[.][a-z-]{2,}")
_TEAM = """
    info news press pers webcare contact communicatie communication social team redactie media office kantoor service
    support no reply noreply nieuws voorlichting helpdesk klantcontact post mail desk editors public affairs
"""
_TEAM_WORDS = frozenset(_TEAM.split())


def username(value: str) -> str:
    """Check a name's characters (Account::USERNAME_RE), case, and Mastodon's reserved ones (UsernameBlock)."""
    shown = quoted(value)
    if value.startswith("@") or "@" in value:
        raise Wrong(f"{shown} has an @.", f"Write the name alone: {value.strip('@').partition('@')[0].lower()}")
    if value != value.lower():
        raise Wrong(f"{shown} has capital letters.", f"Write {value.lower()}; Mastodon does not tell them apart.")
    if not USERNAME.fullmatch(value):
        raise Wrong(f"{shown} is no user name.", "It takes lower-case letters a to z, digits and underscores.")
    if is_reserved(value):
        raise Wrong(f"{shown} is a name that Mastodon reserves, or looks like one.", "Choose another.")
    return value


def is_reserved(name: str) -> bool:
    """Say whether Mastodon blocks a name: digits count as the letters they look like (UsernameBlock::HOMOGLYPHS)."""
    plain = name.translate(_LOOKALIKES)
    reserved = {word.translate(_LOOKALIKES) for word in entry_values.RESERVED_USERNAMES}
    return plain in reserved or any(part in plain for part in RESERVED_PARTS)


def skeleton(name: str) -> str:
    """Return what is the same in names that a reader confuses: digits as letters, no underscores, l as i, rn as m."""
    plain = name.lower().translate(_LOOKALIKES).replace("_", "")
    return plain.replace("l", "i").replace("rn", "m").replace("vv", "w")


def one_line(value: str) -> str:
    """Check a text of one line without anything invisible."""
    return entry_values.one_line(value)


def https_address(value: str) -> str:
    """Check the address of a page that Mastodon can verify (VerifyLinkService): https, no name or password, ASCII."""
    advice = "Copy it from the browser: https://ministry.example/page"
    if re.search(r"\s", value):
        raise Wrong(f"{quoted(value)} has a space in it.", advice)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port  # raises for a port that is none
    except ValueError:
        raise Wrong(f"{quoted(value)} is no address of a page.", advice) from None
    if parts.scheme == "http":
        raise Wrong(f"{quoted(value)} begins with http, which Mastodon never verifies.", f"Write https{value[4:]}")
    if parts.scheme != "https" or "." not in host:
        raise Wrong(f"{quoted(value)} is no address of a page.", advice)
    if parts.username is not None:
        raise Wrong("The address has a user name or password in it.", f"Write https://{host}{parts.path}")
    if not host.isascii():
        raise Wrong(f"{quoted(value)} has letters outside a to z, which Mastodon does not verify.", punycode(host))
    if not verifiable(value):
        port = f":{parts.port}" if parts.port else ""
        plain = f"https://{host.rstrip('.')}{port}{normal_path(parts.path)}{f'?{parts.query}' if parts.query else ''}"
        raise Wrong(f"{quoted(value)} is spelled in a way that Mastodon never verifies.", f"Write {plain}")
    return value


def flag(value: str) -> bool:
    """Read yes or no in Dutch or English, as a spreadsheet program writes it."""
    found = FLAGS.get(value.strip().lower())
    if found is None:
        raise Wrong(f"{quoted(value)} is neither yes nor no.", "Write yes or no (ja, nee, TRUE, FALSE, WAAR, ONWAAR).")
    return found


def is_personal(email: str) -> bool:
    """Say whether a mailbox looks like a person's: a first name or initials, a dot, a surname; no word of a team."""
    local = email.partition("@")[0].lower()
    if set(re.split(r"[._+-]", local)) & _TEAM_WORDS:
        return False
    return bool(_PERSON.fullmatch(local))
