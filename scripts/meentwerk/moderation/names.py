"""How domains, networks and e-mail addresses are written so that two spellings of one thing are one thing.

Source: TagManager#normalize_domain and DomainValidator (lower case, punycode, labels of a-z, 0-9 and hyphens, under 256
characters), CanonicalEmail, PostgreSQL's inet. Each function returns the one spelling or raises `Wrong`.
"""

import hashlib
import ipaddress
import re
import unicodedata

from meentwerk.entries.problem import Wrong, quoted

LONGEST = 255
_PLAIN = re.compile(r"(?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
IP = ipaddress.IPv4Network | ipaddress.IPv6Network


def domain(text: str) -> str:
    """Return a domain as Mastodon stores it."""
    name = unicodedata.normalize("NFKC", text.strip()).lower() if not text.isascii() else text.strip().lower()
    name = name.removesuffix(".") if name != "." else name
    if not name:
        raise Wrong("The domain is empty.", "Write a domain, such as spam.example.")
    if not name.isascii():
        name = _punycode(text, name)
    if not _PLAIN.fullmatch(name):
        raise _no_domain(text, name)
    if len(name) > LONGEST:
        raise Wrong(f"{quoted(text)} has {len(name)} characters; a domain has at most {LONGEST}.", "Is it one domain?")
    if name.replace(".", "").isdigit() and name.count(".") == 3:  # noqa: PLR2004  # four numbers
        raise Wrong(f"{quoted(text)} is an address, not a domain.", "Put it into ip_blocks; see docs/moderation.md.")
    return name


def _punycode(text: str, name: str) -> str:
    import idna  # noqa: PLC0415  # rarely needed, and it loads large tables

    try:
        return idna.encode(name, uts46=True, transitional=False).decode()
    except (idna.IDNAError, UnicodeError):
        raise Wrong(f"{quoted(text)} cannot be a domain (RFC 5891).", "Look up how it is spelt.") from None


# What stands where a domain should -> how a person sees it, and what would be right. Asked in this order.
_NO_DOMAIN: tuple[tuple[str, str, str], ...] = (
    (r"\*\.(?P<rest>[^*]+)", "{} begins with a wildcard.", "Write {rest}: an entry holds for all subdomains."),
    (r".*\*.*", "{} is obfuscated: nobody can know which domain is meant.", "Ask its source for the full name."),
    (r"[a-z]+://(?P<rest>[^/:?#]+).*", "{} is the address of a page, not a domain.", "Write {rest}"),
    (r".*@(?P<rest>[^@]+)", "{} is a handle or a mailbox, not a domain.", "Write {rest}"),
    (r"(?P<rest>[^/]+)/.*", "{} has a path behind the domain.", "Write {rest}"),
    (r"(?P<rest>[^:]+):\d+", "{} has a port behind the domain.", "Write {rest}"),
    (r".*\s.*", "{} has a space in it.", "Write one domain for each entry."),
    (r".*_.*", "{} has an underscore, which Mastodon does not take in a domain.", "Look up how it is spelt."),
    (r"\.(?P<rest>.+)", "{} begins with a dot.", "Write {rest}: an entry holds for all subdomains."),
    (r".*\.\..*", "{} has an empty part.", "Take out one of the dots."),
    (r"(.*\.)?[^.]{64,}(\..*)?", "{} has a part of more than 63 characters.", "Look up how it is spelt."),
)


def _no_domain(text: str, name: str) -> Wrong:
    for pattern, wrong, cure in _NO_DOMAIN:
        if found := re.fullmatch(pattern, name):
            return Wrong(wrong.format(quoted(text)), cure.format(**found.groupdict()))
    return Wrong(f"{quoted(text)} is no domain.", "Write a domain, such as spam.example.")


def network(text: str) -> str:
    """Return an address or network as Mastodon shows it: always with its prefix length."""
    text = text.strip()
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        cure = "Write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32."
        raise Wrong(f"{quoted(text)} is no address and no network.", cure) from None
    raise Wrong(f"{quoted(text)} names one address within a network.", f"Write {loose}, if the whole is meant.")


def parsed_network(text: str) -> IP:
    """Return a network for calculations."""
    return ipaddress.ip_network(text, strict=False)


def overlaps(one: str, other: str) -> bool:
    """Say whether two networks have an address in common."""
    first, second = parsed_network(one), parsed_network(other)
    return first.version == second.version and first.overlaps(second)


def email_hash(text: str) -> str:
    """Return the hash of an e-mail address, or a hash as it is: lower case, no dots, nothing behind a plus."""
    text = text.strip().lower()
    if _HASH.fullmatch(text):
        return text
    if not _EMAIL.fullmatch(text):
        raise Wrong(
            f"{quoted(text)} is neither an e-mail address nor the hash of one.",
            "Write the SHA-256 hash: 64 characters of 0-9 and a-f.",
        )
    local, _, host = text.partition("@")
    return hashlib.sha256(f"{local.replace('.', '').partition('+')[0]}@{host}".encode()).hexdigest()


def parents(name: str) -> list[str]:
    """Return a domain and its parents, longest first: a.b.example, b.example, example (domain_variants)."""
    parts = name.split(".")
    return [".".join(parts[number:]) for number in range(len(parts))]


def covers(above: str, name: str) -> bool:
    """Say whether `above` is the domain itself or one of its parents."""
    return name == above or name.endswith("." + above)


def obfuscated(name: str) -> str:
    """Return a domain as Mastodon shows it to visitors when it hides the middle (DomainBlock#public_domain)."""
    visible = len(name) // 4
    return "".join(
        "*" if visible < number < len(name) - visible and letter != "." else letter
        for number, letter in enumerate(name)
    )


def digest(name: str) -> str:
    """Return the SHA-256 by which a visitor can test a domain that is hidden (DomainBlock#domain_digest)."""
    return hashlib.sha256(name.encode()).hexdigest()
