"""Domains and names: spelling, what lies below what, and which look alike."""

import ipaddress
import re
import unicodedata
from functools import cache
from urllib.parse import urlsplit

import idna
from confusable_homoglyphs import confusables  # type: ignore[import-untyped]

HANDLE = re.compile(r"@?([a-z0-9_]+(?:[a-z0-9_.-]*[a-z0-9_])?)@([^@\s/]+)", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?")
MAX_DOMAIN = 253
# Pairs that the eye takes for one letter; Unicode's table is about single characters
_LOOKALIKE_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))


class WrongNameError(ValueError):
    """A text that is no domain or handle; the message says why."""


def domain(text: str) -> str:
    """Return a host name as the DNS has it: lower case, xn-- for what is beyond ASCII, no final dot (RFC 5891)."""
    name = unicodedata.normalize("NFC", text.strip().lower().rstrip("."))
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError as error:
            raise WrongNameError(f"{text!r} is no domain: {error}") from None
    labels = name.split(".")
    if len(name) > MAX_DOMAIN or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004
        raise WrongNameError(f"{text!r} is no domain")
    if labels[-1].isdigit():
        raise WrongNameError(f"{text!r} is an address, not a domain")
    return name


def is_address(host: str) -> bool:
    """Say whether a host is an IP address, also in one of the spellings that resolvers accept (127.1, 0x7f.1)."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return bool(re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", host, re.IGNORECASE))
    return True


def handle(text: str) -> tuple[str, str]:
    """Split `@name@domain` into name and domain, both in lower case."""
    match = HANDLE.fullmatch(text.strip())
    if match is None:
        raise WrongNameError(f"{text!r} is no handle: write it as name@domain")
    return match[1].lower(), domain(match[2])


def host_of(url: str) -> str:
    """Return the host of an address, "" where it has none or is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def within(host: str, parent: str) -> bool:
    """Say whether `host` is `parent` or below it."""
    return host == parent or host.endswith(f".{parent}")


def shown(name: str) -> str:
    """Return a domain as people read it; a label that does not decode stays as it is."""
    labels = []
    for label in name.split("."):
        try:
            labels.append(idna.decode(label) if label.startswith("xn--") else label)
        except idna.IDNAError:
            labels.append(label)
    return ".".join(labels)


@cache
def _plain(letter: str) -> str:
    """Return the ASCII letter that another one is taken for (Unicode TR 39), or the letter itself."""
    if letter.isascii():
        return letter
    found = confusables.is_confusable(letter, greedy=True, preferred_aliases=[])
    for entry in found or []:
        for other in entry["homoglyphs"]:
            if other["c"].isascii():
                return str(other["c"]).lower()
    return letter


def skeleton(text: str) -> str:
    """Return what is left of a text for a hurried reader: texts with the same skeleton look alike."""
    plain = shown(text) if "xn--" in text else text
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain).casefold()
        plain = "".join(_plain(letter) for letter in plain if unicodedata.category(letter)[0] not in "MC")
    plain = re.sub(r"[\s\-_.·]+", "", plain.lower())
    for pair, letter in _LOOKALIKE_PAIRS:
        plain = plain.replace(pair, letter)
    return plain


def mixed_scripts(text: str) -> bool:
    """Say whether letters of more than one script stand in one word, a Cyrillic one among Latin ones."""
    return any(
        confusables.is_mixed_script(word) for word in re.findall(r"\w+", shown(text) if "xn--" in text else text)
    )


def invisible(text: str) -> bool:
    """Say whether a text holds characters nobody sees: direction marks, zero-width letters, controls."""
    return any(unicodedata.category(letter) in {"Cf", "Cc"} and letter not in "\u200d\ufe0f" for letter in text)
