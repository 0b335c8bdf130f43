"""What a right value is: domains, mailboxes, addresses, identifiers, languages. Each check raises `Wrong`, or returns .

Sources: RFC 1123 and RFC 5890 for host names, RFC 2606, 6761, 6762, 7686, 8375 and 9476 for reserved ones, and
Mastodon 4.6 for its own limits (app/models/rule.rb, app/models/form/admin_settings.rb, app/models/account.rb).
"""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import idna

from meentwerk.entries.languages import BY_NAME, LANGUAGES
from meentwerk.entries.problem import Wrong, nearest, quoted

DOMAIN_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
DOMAIN_LENGTH = 253
LABEL_LENGTH = 63
EMAIL_PATTERN = r"^[^@\s]+@[a-z0-9.-]+$"
USERNAME_PATTERN = r"^[a-z0-9_]{1,30}$"
VERSION_PATTERN = r"^[0-9]+\.[0-9]+\.[0-9]+$"
URI_PATTERN = r"^https://\S+$"
LANGUAGE_PATTERN = r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$"
HOST_NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"

# Characters that YAML forbids, that show nothing, or that turn the direction of a line. The joiners U+200C and U+200D
# are spared: some scripts and many emoji need them.
INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)

# In a text a soft hyphen or a joiner may be right; in a name never
INVISIBLE_IN_NAMES = re.compile(rf"{INVISIBLE.pattern}|[\u00ad\u200c\u200d]")
QUOTATION_MARKS = "\"'<>\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a"

# Names that no public resolver will ever answer for, or that belong to examples only
RESERVED_TOP = ("test", "example", "invalid", "localhost", "local", "onion", "alt", "internal", "arpa")
RESERVED_SECOND = ("example.com", "example.net", "example.org")

# The user names that Mastodon 4.6 seeds as blocked (db/seeds); a name with "mastodon" in it is refused too
_RESERVED = """
    abuse account accounts admin administration administrator admins help helpdesk instance mod moderator moderators
    mods owner root security server staff support webmaster
"""
RESERVED_USERNAMES = frozenset(_RESERVED.split())

# TOOI: the kinds of the Dutch register of government organisations whose codes have one prefix each
TOOI_HOST = "identifier.overheid.nl"
TOOI_PREFIX = {"ministerie": "mnre", "gemeente": "gm", "provincie": "pv", "waterschap": "ws"}


def punycode(value: str) -> str:
    """Say how an international name is written in DNS (RFC 5891)."""
    try:
        return f"Write it as DNS does: {idna.encode(value.lower(), uts46=True).decode()}"
    except (idna.IDNAError, UnicodeError):
        return (
            "Nobody can register such a name (RFC 5891). Ask whoever keeps the domain how it is spelt in plain letters."
        )


def is_address(value: str) -> bool:
    """Say whether a text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


# What can be wrong with a domain -> how a person sees it, and what would be right. Asked in this order.
_Table = tuple[tuple[Callable[[str], object], str, Callable[[str], str]], ...]
_DOMAIN: _Table = (
    (lambda v: not v, "The domain is empty.", lambda _: "Write a domain, such as social.ministry.example."),
    (
        INVISIBLE_IN_NAMES.search,
        "{} has a character that nobody sees.",
        lambda _: "Type it anew; the character came along with a copy.",
    ),
    (lambda v: v != v.strip(), "{} begins or ends with a space.", lambda v: f"Write {v.strip()}"),
    (
        lambda v: "/" in v,
        "{} is the address of a page, not a domain.",
        lambda v: f"Write the bare domain: {host_of(v)}",
    ),
    (
        lambda v: "@" in v,
        "{} is a handle or a mailbox, not a domain.",
        lambda v: f"Write what stands behind the @: {tail(v)}",
    ),
    (
        lambda v: v != v.strip(QUOTATION_MARKS),
        "{} has quotation marks or angle brackets of its own.",
        lambda v: f"Write it without: {v.strip(QUOTATION_MARKS)}",
    ),
    (
        lambda v: re.search(r"\s", v),
        "{} has a space in it.",
        lambda _: "A domain has letters, digits, hyphens and dots only.",
    ),
    (lambda v: "*" in v, "{} stands for many names.", lambda _: "Name each domain in full; a server has one name."),
    (is_address, "{} is an IP address.", lambda _: "Write a domain; the address belongs in ansible_host."),
    (
        lambda v: ":" in v,
        "{} has a port.",
        lambda v: f"Write it without: {v.partition(':')[0]}; a server answers at port 443.",
    ),
    (lambda v: v.endswith("."), "{} ends with a dot.", lambda v: f"Write it without: {v.rstrip('.')}"),
    (lambda v: not v.isascii(), "{} has letters outside a to z.", punycode),
    (lambda v: v != v.lower(), "{} has capital letters.", lambda v: f"Write {v.lower()}"),
    (
        lambda v: "_" in v,
        "{} has an underscore.",
        lambda v: f"Host names have hyphens instead: {v.replace('_', '-')}",
    ),
    (
        lambda v: v.startswith(".") or ".." in v,
        "{} has an empty part.",
        lambda v: f"Write {'.'.join(filter(None, v.split('.')))}",
    ),
    (
        lambda v: "." not in v,
        "{} is a single word.",
        lambda _: "Write the whole domain, such as social.ministry.example.",
    ),
    (
        lambda v: len(v) > DOMAIN_LENGTH,
        "{} is too long.",
        lambda v: f"It has {len(v)} characters; DNS allows {DOMAIN_LENGTH}. Choose a shorter one.",
    ),
)


def _refuse(value: str, table: _Table) -> None:
    """Raise what the first row says that a value fits."""
    for is_wrong, wrong, cure in table:
        if is_wrong(value):
            raise Wrong(wrong.replace("{}", quoted(value)), cure(value))


def domain(value: str) -> str:
    """Check a public domain in the form that Mastodon and DNS keep it: lower-case ASCII, no trailing dot."""
    shown = quoted(value)
    _refuse(value, _DOMAIN)
    for label in value.split("."):
        _label(label, shown)
    if not re.fullmatch(DOMAIN_PATTERN, value):
        raise Wrong(f"{shown} ends in a number.", "Write the whole domain, such as social.ministry.example.")
    return value


def host_of(value: str) -> str:
    """Return the domain in the address of a page."""
    try:
        return urlsplit(value if "//" in value else f"//{value}").hostname or "social.ministry.example"
    except ValueError:
        return "social.ministry.example"


def _label(label: str, shown: str) -> None:
    if len(label) > LABEL_LENGTH:
        raise Wrong(
            f"A part of {shown} has {len(label)} characters.",
            f"DNS allows {LABEL_LENGTH} between two dots: shorten it.",
        )
    if label.startswith("-") or label.endswith("-"):
        raise Wrong(
            f"{shown} has a part that begins or ends with a hyphen.", f"Write {label.strip('-')} for that part."
        )
    if odd := re.search(r"[^a-z0-9-]", label):
        raise Wrong(
            f"{shown} has the character {quoted(odd[0])}.", "A domain has letters, digits, hyphens and dots only."
        )
    if label.startswith("xn--"):
        try:
            idna.decode(label)
        except (idna.IDNAError, UnicodeError):
            raise Wrong(
                f"{shown} has the part {quoted(label)}, which is no international name.",
                "Write the name with its own letters once: the message then says its right form.",
            ) from None


def tail(value: str) -> str:
    """Return what stands behind the last @, lower-case."""
    return value.rpartition("@")[2].lower() or "social.ministry.example"


def reserved(name: str) -> str:
    """Return why nobody can reach a domain: the reserved name it belongs to, or nothing."""
    if name.rpartition(".")[2] in RESERVED_TOP:
        return "." + name.rpartition(".")[2]
    return next((second for second in RESERVED_SECOND if name == second or name.endswith("." + second)), "")


_MAILBOX = "Write a mailbox, such as webcare@ministry.example."
_ODD_IN_MAILBOX = re.compile(r"[^A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]")
_EMAIL: _Table = (
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
    _refuse(value, _EMAIL)
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
    """Check the form of a release: three numbers, or `sandbox`."""
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


_SERVER = "Give the server's address or name, such as 192.0.2.11 or server1.ministry.example."
_BRACKETS = re.compile(r"\[([0-9a-fA-F:.]+)\](:[0-9]+)?")
_HOST: _Table = (
    (lambda v: not v.strip(), "The address is empty.", lambda _: _SERVER),
    (lambda v: v != v.strip(), "{} begins or ends with a space.", lambda v: f"Write {v.strip()}"),
    (lambda v: re.search(r"\s", v), "{} has a space in it.", lambda _: "Write one address, or the name of one server."),
    (lambda v: v.lower() == "localhost", "{} is the machine itself, not the server.", lambda _: _SERVER),
    (lambda v: "://" in v, "{} is the address of a page or service.", lambda v: f"Write {host_of(v)}"),
    (
        _BRACKETS.fullmatch,
        "{} is in brackets.",
        lambda v: "Write " + _BRACKETS.sub(r"\1", v) + "; the operator sets ansible_port." * (not v.endswith("]")),
    ),
    (
        lambda v: "/" in v and is_address(v.partition("/")[0]),
        "{} is a network.",
        lambda _: "Write the address of one server in it.",
    ),
    (
        lambda v: re.fullmatch(r"[0-9.]+", v),
        "{} is no IPv4 address.",
        lambda _: "It has four numbers from 0 to 255, such as 192.0.2.11.",
    ),
    (
        lambda v: re.fullmatch(r"[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", v),
        "{} is no IPv6 address.",
        lambda _: _IP6,
    ),
    (lambda v: "@" in v, "{} names a user.", lambda v: f"Write {tail(v)}; the operator sets ansible_user."),
    (lambda v: ":" in v, "{} has a port.", lambda v: f"Write {v.partition(':')[0]}; the operator sets ansible_port."),
)
_IP6 = "Write it as RFC 5952 does, such as 2001:db8::11."


def host_address(value: str) -> str:
    """Check the address of a server: IPv4, IPv6, or a name; where the operator's controller connects to."""
    shown = quoted(value)
    if is_address(value):
        address = ipaddress.ip_address(value)
        if address.is_unspecified or address.is_multicast or address.is_loopback or value == "255.255.255.255":
            raise Wrong(f"{shown} is the address of no server.", _SERVER)
        return value
    _refuse(value, _HOST)
    # A name need not be public, and upper case is the same name: only its form counts
    if "." in value:
        domain(value.lower())
    elif not re.fullmatch(HOST_NAME_PATTERN, value.lower()):
        raise Wrong(f"{shown} is neither an address nor a host name.", _SERVER)
    return value


def ip6(value: str) -> str:
    """Check an IPv6 address."""
    if not is_address(value) or ":" not in value:
        raise Wrong(f"{quoted(value)} is no IPv6 address.", _IP6)
    return value


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


def near_choice(value: object, choices: tuple[str, ...]) -> str:
    """Return which of the choices was probably meant, or nothing."""
    return nearest(value, choices) if isinstance(value, str) else ""


def kind(value: object) -> str:
    """Say at the beginning of a sentence what stands where a text is wanted; never what is in it."""
    if isinstance(value, dict | list):
        return "A group of keys" if isinstance(value, dict) else "A list"
    return "A word that YAML reads as yes or no" if isinstance(value, bool) else quoted(value)
