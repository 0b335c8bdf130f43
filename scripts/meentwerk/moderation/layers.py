"""Layers read from their files: everything that is wrong at once, each with file, line, cause and cure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meentwerk.entries import values
from meentwerk.entries.document import Document, Path_, fill
from meentwerk.entries.problem import Place, Problem, listed, nearest, quoted, shortened
from meentwerk.moderation.model import Layer
from meentwerk.moderation.sections import LISTS, RULES

MOST_BYTES, MOST_VALUES = 16 * 1024 * 1024, 1_000_000
WANTED = {
    "string_type": "a text", "list_type": "a list", "model_type": "a group of keys", "dict_type": "a group of keys",
    "bool_type": "true or false", "int_type": "a whole number", "date_type": "a day", "datetime_type": "a moment",
    "model_attributes_type": "a group of keys",
}  # fmt: skip
EXAMPLES = {
    "layer": "organisation", "owner": "Trust and safety team", "reason": "Spam wave of May, ticket 1234",
    "domain": "spam.example", "ip": "192.0.2.0/24", "hash": "64 characters of 0-9 and a-f", "text": "Be kind.",
    "name": "partner-list", "mode": "approval", "value": "true", "guard": "severed-follows", "what": "spam.example",
}  # fmt: skip
# What names an entry in each list; the same name twice in one file is a slip
KEYS: dict[str, str] = {
    **{section.name: section.key for section in LISTS},
    RULES.name: "text",
    "settings": "name",
    "sources": "name",
}
KEYS["canonical_email_blocks"] = "hash"


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A layer and where its parts stand."""

    layer: Layer
    document: Document

    def place(self, *path: str | int) -> Place:
        """Return where a part of the layer stands."""
        return self.document.place(path)

    def line(self, *path: str | int) -> str:
        """Return where a part stands, as a person reads it: organisation.yml:12."""
        place = self.place(*path)
        return f"{place.file.name}:{place.line}"


def load(files: Sequence[Path]) -> tuple[list[LayerFile], list[Problem]]:
    """Read layers in their order; a layer that is not right is left out and its problems are told."""
    layers: list[LayerFile] = []
    problems: list[Problem] = []
    for file in files:
        layer, found = load_one(file)
        problems += found
        if layer is None:
            continue
        twin = next((other for other in layers if other.layer.layer == layer.layer.layer), None)
        if twin:
            wrong = f"The layer {quoted(layer.layer.layer)} was read already, from {twin.document.file.name}."
            problems.append(Problem(layer.place("layer"), "layer", wrong, "Give every layer a name of its own."))
        layers.append(layer)
    return layers, problems


def load_one(file: Path) -> tuple[LayerFile | None, list[Problem]]:
    """Read one layer."""
    document = Document(file, most=MOST_VALUES, guide="docs/moderation.md")
    fill(document, file.resolve().parent, MOST_BYTES, is_entry=True)
    if document.problems:
        return None, document.problems
    if not isinstance(document.data, dict):
        wrong = "The file is empty." if document.data is None else "The file holds no group of keys."
        cure = "Begin with «layer: NAME» and «owner: TEAM»; see docs/moderation.md."
        return None, [Problem(Place(file, 1, 1), "", wrong, cure)]
    try:
        layer = Layer.model_validate(document.data)
    except ValidationError as error:
        return None, _explained(document, error.errors(include_url=False))
    problems = list(_twice(document, layer))
    return LayerFile(layer, document), problems


def _explained(document: Document, details: list[ErrorDetails]) -> list[Problem]:
    unknown = {detail["loc"] for detail in details if detail["type"] == "extra_forbidden"}
    problems = []
    for detail in details:
        path = tuple(step for step in detail["loc"] if step != "[key]")
        if detail["type"] == "missing" and _misspelt(path, unknown):
            continue
        wrong, cure = _words(document, detail, path)
        about_key = detail["type"] == "extra_forbidden"
        place = document.key_place(path) if about_key else document.place(path)
        problems.append(Problem(place, field(path), wrong, cure))
    return problems


def _misspelt(path: Path_, unknown: set[tuple[int | str, ...]]) -> bool:
    """Say whether the missing key stands there after all, with a slip in it: that is the one thing to say."""
    return any(loc[:-1] == path[:-1] and nearest(str(loc[-1]), [str(path[-1])]) for loc in unknown)


def _words(document: Document, detail: ErrorDetails, path: Path_) -> tuple[str, str]:
    """Return what is wrong and what would be right, in the words of whoever wrote the layer."""
    kind, value = detail["type"], detail["input"]
    context: dict[str, Any] = detail.get("ctx", {})
    wrong = f"{quoted(value)} does not fit: {detail['msg']}."
    cure = example = f"For example: {_example(path)}" if path else ""
    match kind:
        case "wrong":
            wrong, cure = context["wrong"], context["cure"]
        case "missing":
            wrong, cure = f"{path[-1]} is missing.", f"Add it. {example}"
        case "extra_forbidden":
            known = sorted(_known(path[:-1]))
            near = nearest(str(path[-1]), known)
            wrong = f"{quoted(str(path[-1]))} is no key here."
            cure = f"Did you mean {near}?" if near else f"Write {listed(known)}."
        case "literal_error":
            choices = context["expected"].replace("'", "")
            near = nearest(str(value), re.split(r", | or ", choices))
            wrong = f"{quoted(value)} is none of the choices."
            cure = f"Did you mean {near}?" if near else f"Write {choices}."
        case "string_too_long":
            wrong, cure = f"It has {len(value)} characters; {context['max_length']} are allowed.", "Shorten it."
        case "string_too_short":
            wrong = "It is empty."
        case "greater_than_equal" | "less_than_equal":
            least = "ge" in context
            wrong = f"{quoted(value)} is out of range."
            cure = f"Write at {'least' if least else 'most'} {context['ge' if least else 'le']}."
        case "string_pattern_mismatch":
            wrong = f"{quoted(value)} is written in a way that cannot be right here."
        case _ if kind in WANTED:
            written = document.written.get(path)
            shown = values.kind(value) if isinstance(value, dict | list) else quoted(written or value)
            wrong = f"{shown} stands here; {WANTED[kind]} is wanted."
            cure = _as_wanted(WANTED[kind], value, written, path) or example
    return wrong, cure


def _example(path: Path_) -> str:
    name = str(path[-1])
    if path[0] == "settings" and name == "name":
        return "show_domain_blocks"
    return EXAMPLES.get(name, "see docs/moderation.md")


def _as_wanted(wanted: str, value: object, written: str | None, path: Path_) -> str:
    """Say how a value of the wrong kind is written as one of the right kind, where that can be known."""
    if wanted == "a text" and written:
        return f'Put it in quotes: "{written}"'
    if wanted == "true or false":
        return "Write true or false, without quotes."
    if wanted == "a group of keys" and isinstance(value, str) and path and path[0] in KEYS:
        return f"Write «- {KEYS[str(path[0])]}: {shortened(value)}», and its reason in the line below."
    return ""


def _known(path: Path_) -> set[str]:
    """Return the keys that the model has at a path."""
    model: type[BaseModel] | None = Layer
    for step in path:
        if isinstance(step, int) or model is None:
            continue
        info = model.model_fields.get(step)
        model = _model_in(info.annotation) if info else None
    return set(model.model_fields) if model else set()


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def field(path: Path_) -> str:
    """Return how a person names a place: domain_blocks, item 3, severity."""
    return ", ".join(f"item {step + 1}" if isinstance(step, int) else str(step) for step in path)


def _twice(document: Document, layer: Layer) -> Iterator[Problem]:
    for section, key in KEYS.items():
        first: dict[str, int] = {}
        for number, item in enumerate(getattr(layer, section)):
            name = getattr(item, key)
            if name in first:
                line = document.place((section, first[name])).line
                wrong = f"{quoted(name)} stands in this layer twice; the first is in line {line}."
                cure = "Keep one of them; a later layer may change it."
                yield Problem(document.place((section, number, key)), field((section, number, key)), wrong, cure)
            first.setdefault(name, number)
