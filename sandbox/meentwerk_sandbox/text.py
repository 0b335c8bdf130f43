"""Text of posts and profiles: what counts as a character, what becomes a link, how it turns into HTML."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Literal

URL_LENGTH = 23
MAX_STATUS = 500
_DISPLAY = 30

_USERNAME = r"[a-z0-9_]+(?:[.-]+[a-z0-9_]+)*"
MENTION = re.compile(rf"(?<![=/\w])@(({_USERNAME})(?:@\w+(?:[.-]+\w+)*)?)", re.IGNORECASE)
# A name with a dot and letters at its end, after a scheme; trailing punctuation belongs to the sentence. Mastodon keeps
# a list of top-level domains (twitter-text); here stands only what can never be one.
URL = re.compile(
    r"(?<![\w@$#/])https?://(?:[^\W_](?:[\w-]*[^\W_])?\.)+"
    r"(?!(?:test|example|invalid|localhost|local|internal|alt)\b)[^\W\d_]{2,}(?![\w-]|\.\w)(?::\d+)?"
    r"(?:/(?:\([^\s()<>]*\)|[^\s()<>\"'])*)?(?:\?[^\s<>\"']*)?(?:#[^\s<>\"']*)?",
    re.IGNORECASE,
)
_TRAILING = re.compile(r"[.,:;!?'\"]+$")
HASHTAG = re.compile(r"(?<![=/)\w])#(?=\w*[^\W\d_])(\w+(?:·\w+)*)")

Kind = Literal["url", "mention", "hashtag"]


@dataclass(frozen=True)
class Entity:
    """A part of a text that means something: `value` is the URL, `name[@domain]` or the tag without #."""

    kind: Kind
    start: int
    end: int
    value: str


def entities(text: str) -> list[Entity]:
    """URLs, mentions and hashtags in order; of overlapping ones the first wins."""
    found: list[Entity] = []
    for match in URL.finditer(text):
        url = _TRAILING.sub("", match.group())
        found.append(Entity("url", match.start(), match.start() + len(url), url))
    found += [Entity("mention", match.start(), match.end(), match.group(1)) for match in MENTION.finditer(text)]
    found += [Entity("hashtag", match.start(), match.end(), match.group(1)) for match in HASHTAG.finditer(text)]
    found.sort(key=lambda entity: entity.start)
    kept: list[Entity] = []
    for entity in found:
        if not kept or entity.start >= kept[-1].end:
            kept.append(entity)
    return kept


def rewrite(text: str, found: list[Entity], replace: Callable[[Entity], str], plain: Callable[[str], str] = str) -> str:
    """`text` with each entity replaced and everything else passed through `plain`."""
    parts: list[str] = []
    last = 0
    for entity in found:
        parts += [plain(text[last : entity.start]), replace(entity)]
        last = entity.end
    return "".join([*parts, plain(text[last:])])


def countable_length(text: str, spoiler: str = "") -> int:
    """Characters as StatusLengthValidator counts: a URL is 23, a mention counts without its domain."""

    def shorten(entity: Entity) -> str:
        return "x" * URL_LENGTH if entity.kind == "url" else "@" + entity.value.split("@")[0]

    concessions = [entity for entity in entities(text) if entity.kind != "hashtag"]
    return graphemes(spoiler + rewrite(text, concessions, shorten))


def note_length(note: str) -> int:
    """Characters of a profile text (NoteLengthValidator)."""
    return graphemes(MENTION.sub(r"@\2", URL.sub("x" * URL_LENGTH, note)))


_JOINER = "\u200d"


_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_TAGS = range(0xE0020, 0xE0080)
_REGIONAL = range(0x1F1E6, 0x1F200)
_HANGUL = {
    "L": range(0x1100, 0x1160),
    "V": range(0x1160, 0x11A8),
    "T": range(0x11A8, 0x1200),
    "LV": range(0xAC00, 0xD7A4),
}


def _extends(character: str) -> bool:
    return (
        unicodedata.category(character) in {"Mn", "Me", "Mc"}
        or character in {_JOINER, "\u200c"}
        or ord(character) in _SKIN_TONES
        or ord(character) in _FLAG_TAGS
    )


def _hangul(character: str) -> str:
    """L, V or T of a conjoining jamo, LV of a syllable; empty for everything else."""
    return next((name for name, codes in _HANGUL.items() if ord(character) in codes), "")


def graphemes(text: str) -> int:
    """The number of characters a person sees (extended grapheme clusters of UAX 29, without its rarest rules)."""
    count = 0
    flags = 0
    previous = ""
    for character in text:
        flags = flags + 1 if ord(character) in _REGIONAL else 0
        joined = bool(previous) and (
            (previous == "\r" and character == "\n")
            or (_extends(character) and previous not in "\r\n")
            or (previous == _JOINER and unicodedata.category(character) == "So")
            or (flags > 0 and flags % 2 == 0)
            or (_hangul(previous) == "L" and _hangul(character) in {"L", "V", "LV"})
            or (_hangul(previous) in {"V", "LV"} and _hangul(character) in {"V", "T"})
            or (_hangul(previous) == "T" and _hangul(character) == "T")
        )
        count += not joined
        previous = character
    return count


def link(url: str, *, rel_me: bool = False) -> str:
    """A link as TextFormatter.shortened_link writes it: scheme and tail hidden, the middle shown."""
    match = re.match(r"https?://(?:www\.)?", url)
    prefix = match.group() if match else ""
    shown, suffix = url[len(prefix) : len(prefix) + _DISPLAY], url[len(prefix) + _DISPLAY :]
    if len(suffix) == 1:  # no shorter with an ellipsis
        shown, suffix = shown + suffix, ""
    css = "ellipsis" if suffix else ""
    rel = "nofollow noopener me" if rel_me else "nofollow noopener"
    return (
        f'<a href="{escape(url)}" target="_blank" rel="{rel}" translate="no">'
        f'<span class="invisible">{_html(prefix)}</span><span class="{css}">{_html(shown)}</span>'
        f'<span class="invisible">{_html(suffix)}</span></a>'
    )


def _html(text: str) -> str:
    return escape(text, quote=True).replace("&#x27;", "&#39;")


def to_html(
    text: str,
    *,
    base_url: str,
    mention: Callable[[str], str | None],
    multiline: bool = True,
    rel_me: bool = False,
) -> str:
    """The HTML of a post or bio. `mention` gives the profile address for `name[@domain]`, None for nobody."""
    if not text.strip():
        return ""

    def render(entity: Entity) -> str:
        if entity.kind == "url":
            return link(entity.value, rel_me=rel_me)
        if entity.kind == "hashtag":
            address = f"{base_url}/tags/{escape(entity.value)}"
            return f'<a href="{address}" class="mention hashtag" rel="tag">#<span>{_html(entity.value)}</span></a>'
        profile = mention(entity.value)
        if profile is None:
            return "@" + _html(entity.value)
        name = _html(entity.value if not multiline else entity.value.split("@")[0])
        return (
            f'<span class="h-card" translate="no"><a href="{escape(profile)}" class="u-url mention">'
            f"@<span>{name}</span></a></span>"
        )

    html = rewrite(text, entities(text), render, _html)
    return _paragraphs(html) if multiline else html


def _paragraphs(html: str) -> str:
    """Rails' simple_format without line breaks in the source: blank lines make paragraphs, others <br />."""
    blocks = re.split(r"\n\n+", html.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(f"<p>{block.replace(chr(10), '<br />')}</p>" for block in blocks)


def simple_markdown(text: str) -> str:
    """Paragraphs of escaped text: what the sandbox makes of settings that Mastodon renders as Markdown."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")) if block.strip()]
    return "".join(f"<p>{_html(block)}</p>\n" for block in blocks)
