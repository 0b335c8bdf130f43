"""Names and addresses in a network: domains, and where a server is. Each check raises `Wrong`, or returns the value.

Sources: RFC 1123 and RFC 5890 for host names, RFC 2606, 6761, 6762, 7686, 8375 and 9476 for reserved ones.
"""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import idna

from meentwerk.entries.problem import Wrong, quoted

DOMAIN_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
DOMAIN_LENGTH = 253
LABEL_LENGTH = 63
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
Table = tuple[tuple[Callable[[str], object], str, Callable[[str], str]], ...]
_DOMAIN: Table = (
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


def refuse(value: str, table: Table) -> None:
    """Raise what the first row says that a value fits."""
    for is_wrong, wrong, cure in table:
        if is_wrong(value):
            raise Wrong(wrong.replace("{}", quoted(value)), cure(value))


def domain(value: str) -> str:
    """Check a public domain in the form that Mastodon and DNS keep it: lower-case ASCII, no trailing dot."""
    shown = quoted(value)
    refuse(value, _DOMAIN)
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


_SERVER = "Give the server's address or name, such as 192.0.2.11 or server1.ministry.example."
_BRACKETS = re.compile(r"\[([0-9a-fA-F:.]+)\](:[0-9]+)?")
_HOST: Table = (
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
    refuse(value, _HOST)
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
