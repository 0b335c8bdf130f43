"""The links of a page that may be hostile, in time that grows with its length and nothing else.

Parsers that build a tree need minutes for a megabyte of nested elements, or of attributes in one tag (measured with
lexbor: 27 s for 100,000 attributes). Which links a page has can be seen without a tree, by the tokens of the HTML
standard (13.2.5) alone.
"""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape

# Elements whose content is text and holds no tag (13.2.6.4); <noscript> does, where no scripts run
_TEXT_ONLY = ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _TEXT_ONLY}
# <!--> and <!---> begin and end in one
_SCRIPT_PIECES = re.compile(r"<!--(?!-?>)|-->|</?script(?=[\s/>])", re.IGNORECASE)
_COMMENT_END = re.compile(r"--!?>")
_NAME = re.compile(r"[^\t\n\f\r />]+")
_GAP = re.compile(r"[\t\n\f\r /]*")
_SPACE = re.compile(r"[\t\n\f\r ]*")
_ATTRIBUTE = re.compile(r"=?[^\t\n\f\r />=]*")
_BARE = re.compile(r"[^\t\n\f\r >]*")

# Drawings and formulas, whose elements are not HTML's (13.2.6.5); what in them holds HTML again; what of HTML ends them
_FOREIGN = frozenset(("svg", "math"))
_HOLDING = frozenset(("foreignobject", "desc", "title", "mi", "mo", "mn", "ms", "mtext"))
_ENDING = frozenset(
    (
        *("b", "big", "blockquote", "body", "br", "center", "code", "dd", "div", "dl", "dt", "em", "embed", "h1", "h2"),
        *("h3", "h4", "h5", "h6", "head", "hr", "i", "img", "li", "listing", "menu", "meta", "nobr", "ol", "p", "pre"),
        *("ruby", "s", "small", "span", "strong", "strike", "sub", "sup", "table", "tt", "u", "ul", "var"),
    )
)

Tag = tuple[str, dict[str, str]]


class _Foreign:
    """Whether a place lies in a drawing or formula. Each tag costs the same, however deep they nest."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._count: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._open) and self._open[-1] in _FOREIGN

    def opened(self, name: str) -> None:
        if name in _FOREIGN or (self and name in _HOLDING):
            self._open.append(name)
            self._count[name] += 1
        elif name in _ENDING:
            while self:
                self._pop()

    def closed(self, name: str) -> None:
        while self._count[name] and self._pop() != name:
            pass

    def _pop(self) -> str:
        name = self._open.pop()
        self._count[name] -= 1
        return name


def links(html: str) -> Iterator[Tag]:
    """Yield every `a` and `link` with `rel` and `href`, in the page's order.

    Left out is what a browser without scripts does not have either, what stands in comments and scripts, and the `a` of
    a drawing. What stands in a template counts, as it does for Mastodon.
    """
    at, foreign = 0, _Foreign()
    while (at := html.find("<", at)) >= 0:
        skipped = _no_tag(html, at, inside=bool(foreign))
        if skipped is not None:
            if skipped < 0:
                return
            at = skipped
            continue
        closing = html.startswith("</", at)
        found = _tag(html, at + 2 if closing else at + 1)
        if found is None:
            return
        name, attributes, at = found
        if closing:
            foreign.closed(name)
            continue
        inside = bool(foreign)
        if html[at - 2] != "/" or name not in _FOREIGN | _HOLDING:
            foreign.opened(name)
        if inside:
            continue
        if name in {"a", "link"}:
            yield name, attributes
        at = _behind(name, html, at)
        if at < 0:
            return


def _no_tag(html: str, at: int, *, inside: bool) -> int | None:
    """Return where what begins at a "<" and is no tag ends, -1 where the page ends with it; None for a tag."""
    if html.startswith("<!--", at):
        end = _COMMENT_END.search(html, at + 2)
        return end.end() if end else -1
    if inside and html.startswith("<![CDATA[", at):
        return html.find("]]>", at)
    closing = html.startswith("</", at)
    start = at + 2 if closing else at + 1
    first = html[start : start + 1]
    if first.isascii() and first.isalpha():
        return None
    return html.find(">", start) if closing or first in {"!", "?"} else start


def _behind(name: str, html: str, at: int) -> int:
    """Return where the content of an element that holds text only ends, -1 where the page ends with it."""
    if name == "plaintext":
        return -1
    if name not in _ENDS:
        return at
    return _script_end(html, at) if name == "script" else _text_end(name, html, at)


def _text_end(name: str, html: str, at: int) -> int:
    """Return where the end tag of an element that holds text begins, or -1."""
    end = _ENDS[name].search(html, at)
    return end.start() if end else -1


def _script_end(html: str, at: int) -> int:
    """Return where a script's end tag begins, or -1. After <!-- a <script> hides the next one (13.2.5.17 to 31)."""
    escaped = hidden = False
    for piece in _SCRIPT_PIECES.finditer(html, at):
        text = piece[0].lower()
        if text == "<!--":
            escaped = True
        elif text == "-->":
            escaped = hidden = False
        elif text == "<script":
            hidden = escaped
        elif hidden:
            hidden = False
        else:
            return piece.start()
    return -1


def _tag(html: str, start: int) -> tuple[str, dict[str, str], int] | None:
    """Return name, `rel` and `href`, and the place behind a tag; None where the page ends within it."""
    matched = _NAME.match(html, start)
    name = matched[0].lower() if matched else ""
    at = matched.end() if matched else start
    kept: dict[str, str] = {}
    while True:
        at = _end(_GAP, html, at)
        if at >= len(html):
            return None
        if html[at] == ">":
            return name, kept, at + 1
        begin, at = at, _end(_ATTRIBUTE, html, at)
        attribute = html[begin:at].lower()
        value, after = "", _end(_SPACE, html, at)
        if html.startswith("=", after):
            found = _value(html, _end(_SPACE, html, after + 1))
            if found is None:
                return None
            value, at = found
        # Of two attributes of one name the first counts
        if attribute in {"rel", "href"}:
            kept.setdefault(attribute, unescape(value))


def _value(html: str, at: int) -> tuple[str, int] | None:
    quote = html[at : at + 1]
    if quote not in {'"', "'"}:
        end = _end(_BARE, html, at)
        return html[at:end], end
    end = html.find(quote, at + 1)
    return None if end < 0 else (html[at + 1 : end], end + 1)


def _end(pattern: re.Pattern[str], html: str, at: int) -> int:
    """Return where a pattern that matches anything ends."""
    matched = pattern.match(html, at)
    return matched.end() if matched else at
