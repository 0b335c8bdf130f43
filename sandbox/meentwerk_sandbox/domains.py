"""Domain names the way Mastodon treats them: normalised hosts, suffix variants, validity."""

import hashlib
import ipaddress
import re
import unicodedata

import idna

MAX_DOMAIN = 256
_LABEL = re.compile(r"[a-z0-9-]{1,63}", re.IGNORECASE)
# What Addressable refuses in a host (Addressable::URI#validate).
_FORBIDDEN = re.compile(r"[\s<>/\\?#@\"^`{}|%]")


class InvalidDomain(ValueError):  # noqa: N818  (named for what it is, like ValueError's other children here)
    """A text that cannot be a host."""


def normalize(domain: str) -> str:
    """Lower case and punycode, one trailing slash dropped (TagManager#normalize_domain)."""
    host = domain.strip().removesuffix("/")
    if _FORBIDDEN.search(host):
        raise InvalidDomain(domain)
    host = unicodedata.normalize("NFKC", host).lower()
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidDomain(domain) from error


def valid(domain: str) -> bool:
    """Whether DomainValidator accepts it: labels of [a-z0-9-], 1 to 63 long, under 256 in all; one label is enough."""
    try:
        host = normalize(domain)
    except InvalidDomain:
        return False
    labels = host.split(".")
    while labels and labels[-1] == "":  # Ruby's split drops empty parts at the end
        labels.pop()
    return 0 < len(host) < MAX_DOMAIN and bool(labels) and all(_LABEL.fullmatch(label) for label in labels)


def variants(host: str) -> list[str]:
    """The host and every parent, longest first: `a.b.nl` -> `a.b.nl`, `b.nl`, `nl`."""
    parts = host.split(".")
    return [".".join(parts[index:]) for index in range(len(parts))]


def obfuscated(domain: str) -> str:
    """The middle hidden by asterisks, dots kept (DomainBlock#public_domain)."""
    length = len(domain)
    visible = length // 4
    return "".join(
        "*" if visible < index < length - visible and character != "." else character
        for index, character in enumerate(domain)
    )


def email_domain(email: str) -> str:
    """The part after the first @."""
    return email.partition("@")[2]


def canonical_email(email: str) -> str:
    """Lower case, no dots and no +tag in the local part (CanonicalEmail)."""
    local, _, domain = email.lower().partition("@")
    return f"{local.replace('.', '').split('+', 1)[0]}@{domain}"


def masked_address(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: what rate limits count."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:  # noqa: PLR2004
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)


def digest(domain: str) -> str:
    """SHA-256 in hex: what the API gives of a blocked domain, even of an obfuscated one."""
    return hashlib.sha256(domain.encode()).hexdigest()
