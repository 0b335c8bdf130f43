"""The links of a page that may be hostile, in time that grows with its length and nothing else.

Parsers that build a tree need minutes for a megabyte of nested elements, or of attributes in one tag (measured with
lexbor: 27 s for 100,000 attributes). Which links a page has can be seen without a tree, by the tokens of the HTML
standard (13.2.5) alone.
"""

import re
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

Tag = tuple[str, dict[str, str]]


def links(html: str) -> Iterator[Tag]:
    """Yield every `a` and `link` with `rel` and `href`, in the page's order.

    Left out is what a browser without scripts does not have either: what stands in comments, scripts and templates.
    """
    at, template = 0, 0
    while (at := html.find("<", at)) >= 0:
        if html.startswith("<!--", at):
            end = _COMMENT_END.search(html, at + 2)
            if end is None:
                return
            at = end.end()
            continue
        closing = html.startswith("</", at)
        start = at + 2 if closing else at + 1
        if not html[start : start + 1].isascii() or not html[start : start + 1].isalpha():
            at = html.find(">", start) if closing or html[start : start + 1] in {"!", "?"} else start
            if at < 0:
                return
            continue
        found = _tag(html, start)
        if found is None:
            return
        name, attributes, at = found
        if name == "template":
            template = max(0, template + (-1 if closing else 1))
        if closing:
            continue
        if name == "plaintext":
            return
        if name in {"a", "link"} and not template:
            yield name, attributes
        if name in _ENDS:
            at = _script_end(html, at) if name == "script" else _text_end(name, html, at)
            if at < 0:
                return


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
