"""XML from elsewhere, streamed: no document type, no entities, bounded depth, and nothing kept that was read."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import iterparse  # type: ignore[import-untyped]

from meentwerk.errors import UsageError

MAX_DEPTH = 64
# An organisation has a few hundred elements; a file that never ends one would fill the memory
MAX_ELEMENTS = 50_000


def local(element: Element) -> str:
    """Return a tag without its namespace, which carries a version that changes."""
    return str(element.tag).rpartition("}")[2]


def children(element: Element, *path: str) -> list[Element]:
    """Return the elements at a path of local names below `element`, direct children at each step."""
    found = [element]
    for name in path:
        found = [child for parent in found for child in parent if local(child) == name]
    return found


def text(element: Element, *path: str) -> str:
    """Return the text at a path, or ""."""
    found = children(element, *path)
    return " ".join((found[0].text or "").split()) if found else ""


def day(value: str) -> date | None:
    """Return a date; a time behind it is left out. None for no or another text."""
    try:
        return date.fromisoformat(value.strip()[:10])
    except ValueError:
        return None


def records(path: Path, root: str, record: str) -> Iterator[tuple[Element, list[Element]]]:
    """Yield each element `record` with the records around it, when it ends.

    A record within another comes before it and is gone from it afterwards.
    """
    open_elements: list[Element] = []
    around: list[Element] = []
    held = 0
    try:
        with path.open("rb") as file:
            events: Iterator[tuple[str, Any]] = iterparse(file, events=("start", "end"), forbid_dtd=True)
            for kind, element in events:
                if kind == "start":
                    if not open_elements and local(element) != root:
                        raise _refused(path, f"its root is <{local(element)}>, not <{root}>")
                    open_elements.append(element)
                    held += 1
                    if len(open_elements) > MAX_DEPTH or held > MAX_ELEMENTS:
                        raise _refused(path, "its elements are nested or repeated beyond all reason")
                    if local(element) == record:
                        around.append(element)
                    continue
                open_elements.pop()
                if local(element) != record:
                    continue
                around.pop()
                yield element, around
                held -= sum(1 for _ in element.iter())
                element.clear()
                if open_elements:
                    open_elements[-1].remove(element)
                    held = max(held, len(open_elements))
    except ParseError as error:
        line, column = error.position
        message = f"{path}:{line}:{column}: the file is damaged or cut off: {error.msg}"
        raise UsageError(message, "download it again: meentwerk identities registers update") from None
    except DefusedXmlException as error:
        raise _refused(path, f"it declares a document type or entities, which no register needs ({error})") from None


def _refused(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} is not read: {why}", "get the file from the register itself, or correct its kind")
