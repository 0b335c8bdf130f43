"""What to say where a file is no YAML: the parser speaks of tokens, a person mistyped a key, a quote or a space."""

import re
from pathlib import Path
from typing import Protocol

import yaml

from meentwerk.entries.problem import Place, Problem

# What the parser says -> what a person should look for
SYNTAX = (
    ("could not find expected ':'", "This line has no colon.", "Write «key: value», with a space after the colon."),
    ("did not find expected key", "This line does not fit the one above.", "Begin it in the column of its neighbours."),
    (
        "did not find expected '-' indicator",
        "This line does not fit the list above.",
        "Begin it with «- » like the others.",
    ),
    ("found unexpected end of stream", "A quote is opened and never closed.", "Close it at the end of the text."),
    ("found unexpected document indicator", "A quote is opened and never closed.", "Close it at the end of the text."),
    ("found undefined alias", "The text begins with *, which YAML keeps for itself.", "Put the text in quotes."),
    (
        "did not find expected alphabetic or numeric character",
        "The text begins with {}, which YAML keeps for itself.",
        "Put the text in quotes.",
    ),
    (
        "mapping keys are not allowed",
        "The text begins with ?, which YAML keeps for itself.",
        "Put the text in quotes.",
    ),
    ("found duplicate anchor", "An anchor (&name) is defined twice.", "Write the values out instead."),
    ("found unknown escape character", "A backslash stands in double quotes.", "Use single quotes, or write it twice."),
    ("found undefined tag handle", "The text begins with !, which YAML keeps for itself.", "Put the text in quotes."),
    (
        "found character that cannot start any token",
        "The text begins with {}, which YAML keeps for itself.",
        "Put the text in quotes.",
    ),
    ("block sequence entries are not allowed", "A list begins where none can.", "Begin it on a line below its key."),
)


# Where a line that cannot be read began: more help than where the parser gave up
BEGINNING = ("expected ':'", "alphabetic or numeric", "unexpected end of stream", "unexpected document indicator")
ODD_SPACE = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")


def explain(file: Path, text: str, error: yaml.MarkedYAMLError, guide: str = "docs/entry.md") -> Problem:
    """Say what a person should look for where the parser gave up, and where it began rather than where it ended."""
    place = marked(file, error.problem_mark or error.context_mark)
    said = error.problem or "it cannot be read"
    if place.line and (tab := _tab(text, place)):
        return Problem(tab, "", "Here is a tab.", "YAML is indented with spaces: replace it by two of them.")
    if found := _known_accident(file, text, place) or _by_layout(file, text, error, place):
        return found
    for part, wrong, cure in SYNTAX:
        if part in said:
            if error.context_mark and any(beginning in part for beginning in BEGINNING):
                place = marked(file, error.context_mark)
            line = _line(text, place.line)
            first = line[place.column - 1 : place.column] or "a character"
            return Problem(place, "", wrong.replace("{}", first), cure)
    return Problem(place, "", f"YAML cannot be read here: {said}.", f"Compare the line with {guide}, or with another.")


class _Mark(Protocol):
    line: int
    column: int


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _known_accident(file: Path, text: str, place: Place) -> Problem | None:
    """What people do to a file without noticing; the parser stumbles over it somewhere near."""
    if conflict := re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE):
        line = text.count("\n", 0, conflict.start()) + 1
        wrong = "Two versions of the file were merged, and it was left undecided which one holds."
        return Problem(
            Place(file, line, 1), "", wrong, "Keep the right lines, and remove <<<<<<<, ======= and >>>>>>>."
        )
    for number in (place.line, place.line - 1):
        line_text = _line(text, number)
        if space := re.match(rf"[ -]*({ODD_SPACE.pattern})", line_text) or re.search(
            rf":({ODD_SPACE.pattern})", line_text
        ):
            wrong = f"This is no ordinary space, but U+{ord(space[1]):04X}."
            cure = "Type the space anew; it came along with a copy."
            return Problem(Place(file, number, space.start(1) + 1), "", wrong, cure)
        if "\N{FULLWIDTH COLON}" in line_text and ": " not in line_text:
            column = line_text.index("\N{FULLWIDTH COLON}") + 1
            wrong = "This is no ordinary colon, but a wide one (U+FF1A)."
            return Problem(Place(file, number, column), "", wrong, "Write a : and a space behind it.")
    return None


def _by_layout(file: Path, text: str, error: yaml.MarkedYAMLError, place: Place) -> Problem | None:
    """Where the parser names what it expected, the lines themselves tell what happened."""
    said = error.problem or ""
    if "mapping values are not allowed" in said:
        return _colon(file, text, place)
    line = _line(text, place.line)
    if "did not find expected ',' or" in said and error.context_mark:
        wrong = "The bracket that opens here is not closed, or a comma is missing"
        if place.line != error.context_mark.line + 1 and line.strip():
            wrong += f" before line {place.line}"
        cure = "Close it with the same kind, and put commas between."
        return Problem(marked(file, error.context_mark), "", f"{wrong}.", cure)
    if "did not find expected key" not in said:
        return None
    wrong = cure = ""
    if line.lstrip().startswith(":"):
        wrong, cure = "There is no key before the colon.", "Write «key: value»."
    elif place.column > _indent(line) + 1 and "{{" in line[: place.column]:
        wrong, cure = "A template stands here.", "Write the value itself; templates are the operator's."
    elif place.column > _indent(line) + 1:
        wrong = "Text goes on behind a closing quote or bracket."
        cure = 'Put the whole text in double quotes: "…"; an apostrophe may stand between them.'
    return Problem(place, "", wrong, cure) if wrong else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _colon(file: Path, text: str, place: Place) -> Problem:
    """A colon where none can be: a text that has one, a line above without one, or one that is indented too far."""
    line = _line(text, place.line)
    above = place.line - 1
    while above and not _line(text, above).partition("#")[0].strip():
        above -= 1
    before = _line(text, above)
    if re.search(r":\s", line[: place.column - 1]) or not before.strip():
        return Problem(place, "", "A second colon stands in this line.", "Put the text that has a colon in quotes.")
    if not re.search(r":(\s|$)", before):
        cure = "Write «key: value» or «key:», with a space after the colon."
        return Problem(Place(file, above, _indent(before) + 1), "", "This line has no colon.", cure)
    wrong = f"This line is indented further than line {above}, which has a value already."
    cure = "Begin both in one column, if they are neighbours."
    return Problem(Place(file, place.line, _indent(line) + 1), "", wrong, cure)


def marked(file: Path, mark: _Mark | None) -> Place:
    """Return the place of a mark, which counts from 0."""
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


def _tab(text: str, place: Place) -> Place | None:
    """Return where a tab stands at the beginning of the line that could not be read, or of the one before."""
    lines = text.split("\n")
    for number in (place.line, place.line - 1):
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        if found := re.match(r"[ -]*\t", line):
            return Place(place.file, number, found.end())
    return None
