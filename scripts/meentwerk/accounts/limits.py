"""How long what may be: as the instance publishes it, else as Mastodon 4.6 has it; and how Mastodon counts."""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

URL_LENGTH = 23
_MENTION = re.compile(r"(?<![=/\w])@(([a-z0-9_]+(?:[.-]+[a-z0-9_]+)*)(?:@\w+(?:[.-]+\w+)*)?)", re.IGNORECASE)
# Only names under a top-level domain that exists are addresses for Mastodon (twitter-text)
_URL = re.compile(
    r"(?<![\w@$#/])https?://(?:[^\W_](?:[\w-]*[^\W_])?\.)+"
    r"(?!(?:test|example|invalid|localhost|local|internal|alt)\b)[^\W\d_]{2,}(?![\w-]|\.\w)(?::\d+)?[^\s<>\"']*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limits:
    """Characters, numbers and bytes (app/models/account.rb, concerns/account/avatar.rb, /api/v2/instance)."""

    username: int = 30
    display_name: int = 40
    note: int = 500
    fields: int = 4
    field_name: int = 255
    field_value: int = 255
    picture_description: int = 150
    attribution_domains: int = 100
    picture_bytes: int = 8 * 1024 * 1024
    picture_pixels: int = 33_177_600
    gif_pixels: int = 921_600


# Limits' name -> the key below configuration.accounts of /api/v2/instance, since Mastodon 4.6
_PUBLISHED = {
    "display_name": "max_display_name_length",
    "note": "max_note_length",
    "fields": "max_profile_fields",
    "field_name": "profile_field_name_limit",
    "field_value": "profile_field_value_limit",
    "picture_description": "max_avatar_description_length",
}


def published(instance: Any) -> Limits:  # noqa: ANN401  # JSON
    """Return the limits of an instance by the JSON of /api/v2/instance; what it does not say is Mastodon 4.6's."""
    configuration = instance.get("configuration") if isinstance(instance, dict) else None
    accounts = configuration.get("accounts") if isinstance(configuration, dict) else None
    if not isinstance(accounts, dict):
        return Limits()
    found = {name: accounts.get(key) for name, key in _PUBLISHED.items()}
    return replace(Limits(), **{name: value for name, value in found.items() if type(value) is int and value > 0})


def length(name: str, text: str) -> int:
    """Count a text as Mastodon counts what `name` (a name of `Limits`) limits."""
    if name == "note":
        # NoteLengthValidator: an address counts as 23, a mention without its domain
        return graphemes(_MENTION.sub(r"@\2", _URL.sub("x" * URL_LENGTH, text)))
    # Everything else is Rails' own length: code points, so that one emoji of a family counts as seven
    return len(text)


_JOINER, _NON_JOINER = "\u200d", "\u200c"
_FLAGS = range(0x1F1E6, 0x1F200)
_EXTEND = (range(0x1F3FB, 0x1F400), range(0xE0020, 0xE0080))  # skin tones, and the tags of some flags


def graphemes(text: str) -> int:
    """Return the number of characters that a person sees: extended grapheme clusters (UAX 29), without rare rules."""
    count, flags, before = 0, 0, ""
    for character in text:
        flags = flags + 1 if ord(character) in _FLAGS else 0
        joins = before not in {"", "\n"} and (
            _extends(character)
            or before == _JOINER
            or (flags > 0 and flags % 2 == 0)
            or (before == "\r" and character == "\n")
        )
        count += not joins
        before = character
    return count


def _extends(character: str) -> bool:
    marks = unicodedata.category(character) in {"Mn", "Me", "Mc"}
    return marks or character in {_JOINER, _NON_JOINER} or any(ord(character) in codes for codes in _EXTEND)
