"""Shapes of JSON: what a family of answers has in common, and whether another answer fits it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# Formats that a client parses; the first that matches names it
_FORMATS = {
    "timestamp": re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z"),
    "fine timestamp": re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{4,}Z"),
    "date": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "digits": re.compile(r"-?\d+"),
    "URL": re.compile(r"https?://\S+"),
}


_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "object"}


def kind(value: Any) -> str:
    """Name the JSON type of a value."""
    return _KINDS.get(type(value), "null")


def format_of(text: str) -> str:
    """Name the format of a string; "text" when it has none that a client would parse."""
    return next((name for name, pattern in _FORMATS.items() if pattern.fullmatch(text)), "text")


@dataclass
class Shape:
    """What was seen at one place of a document.

    >>> shape = Shape()
    >>> shape.add({"id": "1", "note": None})
    >>> list(shape.problems({"id": 1}))
    ['id: integer, recorded string', 'note: missing']
    """

    kinds: set[str] = field(default_factory=set)
    formats: set[str] = field(default_factory=set)
    keys: dict[str, "Shape"] = field(default_factory=dict)
    presence: dict[str, int] = field(default_factory=dict)
    """In how many of the objects a key stood."""
    objects: int = 0
    item: "Shape | None" = None

    def add(self, value: Any) -> None:
        """Widen the shape so that this value fits."""
        self.kinds.add(kind(value))
        if isinstance(value, str) and value:
            self.formats.add(format_of(value))
        elif isinstance(value, list):
            for item in value:
                self.item = self.item or Shape()
                self.item.add(item)
        elif isinstance(value, dict):
            self.objects += 1
            for key, content in value.items():
                self.keys.setdefault(key, Shape()).add(content)
                self.presence[key] = self.presence.get(key, 0) + 1

    @property
    def required(self) -> set[str]:
        """Keys that stood in every object."""
        return {key for key, count in self.presence.items() if count == self.objects}

    def problems(self, value: Any, also: "Shape | None" = None, at: str = "") -> Iterator[str]:
        """Say where a value does not fit.

        ``also`` is a wider shape of the same kind of thing: what it knows is allowed too, but only this shape's keys
        must be there. Where nothing but null or nothing but empty lists were seen, anything goes: the recordings do not
        tell.
        """
        kinds = self.kinds | (also.kinds if also else set())
        found = kind(value)
        if found not in kinds and not (kinds <= {"null"}) and not (found == "integer" and "number" in kinds):
            yield f"{at or 'document'}: {found}, recorded {' or '.join(sorted(kinds))}"
            return
        if isinstance(value, str):
            yield from self._format_problem(value, also, at)
        elif isinstance(value, list):
            shape, wider = self.item, also.item if also else None
            if shape or wider:
                for index, item in enumerate(value):
                    yield from (shape or Shape()).problems(item, wider, f"{at}[{index}]")
        elif isinstance(value, dict):
            yield from self._object_problems(value, also, at)

    def _format_problem(self, value: str, also: "Shape | None", at: str) -> Iterator[str]:
        formats = self.formats | (also.formats if also else set())
        if value and formats and "text" not in formats and format_of(value) not in formats:
            yield f"{at or 'document'}: {value!r} is no {' or '.join(sorted(formats))}"

    def _object_problems(self, value: dict[str, Any], also: "Shape | None", at: str) -> Iterator[str]:
        prefix = f"{at}." if at else ""
        for key in sorted(self.required - value.keys()):
            yield f"{prefix}{key}: missing"
        for key, content in value.items():
            shape, wider = self.keys.get(key), also.keys.get(key) if also else None
            if shape or wider:
                yield from (shape or Shape()).problems(content, wider, f"{prefix}{key}")
            elif self.objects or (also and also.objects):
                yield f"{prefix}{key}: unknown to the recorded server"
