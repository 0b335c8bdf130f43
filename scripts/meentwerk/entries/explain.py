"""What pydantic found, in the words of the person who wrote the entry."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meentwerk.entries.document import Path_
from meentwerk.entries.model import Entry
from meentwerk.entries.problem import listed, nearest, quoted

KINDS = {
    str: "a text", bool: "yes or no (true or false)", int: "a number", float: "a number", list: "a list",
    dict: "a group of keys", type(None): "nothing",
}  # fmt: skip
WANTED = {
    "string_type": "a text", "list_type": "a list", "model_type": "a group of keys", "dict_type": "a group of keys",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Error:
    """A value that does not fit the model, by its path in the entry."""

    path: Path_
    wrong: str
    cure: str
    missing: bool = False
    about_key: bool = False


def errors(data: dict[str, Any]) -> list[Error]:
    """Hold the values of one entry against the model; every error at once, none that crashes."""
    try:
        Entry.model_validate(data)
    except ValidationError as found:
        details = found.errors(include_url=False)
        return [error for error in (_error(detail) for detail in details) if not _is_typo(error, details)]
    return []


def _is_typo(error: Error, details: list[ErrorDetails]) -> bool:
    """Say whether a missing key stands there after all, misspelt: then the misspelling is the one thing to say."""
    around = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    return error.missing and any(
        loc[:-1] == error.path[:-1] and nearest(str(loc[-1]), list(_fields(error.path[:-1]))) == error.path[-1]
        for loc in around
    )


def _error(detail: ErrorDetails) -> Error:
    path: Path_ = tuple(detail["loc"])
    kind, value = detail["type"], detail["input"]
    context: dict[str, Any] = detail.get("ctx", {})
    cure = f"For example:{_example(path)}"
    match kind:
        case "wrong":
            wrong, cure = context["wrong"], context["cure"]
        case "missing":
            wrong, cure = f"{path[-1]} is missing.", f"Add it, for example:{_example(path)}"
        case "extra_forbidden":
            wrong, cure = _unknown(path)
        case "literal_error":
            wrong, cure = _choice(path, value)
        case "string_too_long" | "too_long":
            unit = "characters" if kind == "string_too_long" else "items"
            wrong, cure = f"It has {len(value)} {unit}; {context['max_length']} are allowed.", "Shorten it."
        case "string_too_short" | "too_short":
            wrong = "It is empty."
        case _ if kind in WANTED:
            wanted = WANTED[kind]
            wrong = f"{quoted(value)} is {KINDS.get(type(value), 'something else')}; {wanted} is wanted here."
            cure = 'Put it in quotes: "…"' if wanted == "a text" and not isinstance(value, dict | list) else cure
        case _:
            wrong = f"{quoted(value)} does not fit: {detail['msg']}."
    return Error(path, wrong, cure, missing=kind == "missing", about_key=kind in {"missing", "extra_forbidden"})


def _unknown(path: Path_) -> tuple[str, str]:
    known = list(_fields(path[:-1]))
    near = nearest(str(path[-1]), known)
    return f"{quoted(str(path[-1]))} is no key here.", f"Did you mean {near}?" if near else f"Write {listed(known)}."


def _choice(path: Path_, value: object) -> tuple[str, str]:
    choices = tuple(str(choice) for choice in get_args(Entry.model_fields[str(path[0])].annotation))
    near = nearest(value, choices) if isinstance(value, str) else ""
    cure = f"Did you mean {near}?" if near else f"Write {listed(choices)}."
    if path[0] == "instance_size" and not near:
        cure = f"Write {listed(choices)}: a server with 4, 8 or 16 GB of memory."
    return f"{quoted(value)} is not known here.", cure


def field(host: str, path: Path_) -> str:
    """Return how a person names the place in an entry: `tides: instance_rules, item 2, text`."""
    words = [f"item {step + 1}" if isinstance(step, int) else step for step in path]
    text = ", ".join(words)
    return ": ".join(filter(None, [host, text]))


def parts(value: object) -> Iterator[tuple[str | int, object]]:
    """Yield the parts of a list or mapping, each with its step; nothing for a plain value."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def any_part(value: object, holds: Callable[[object], bool]) -> bool:
    """Say whether something holds for a value or for any part of it."""
    return holds(value) or any(any_part(part, holds) for _, part in parts(value))


def _fields(path: Path_) -> dict[str, Any]:
    """Return the model's fields at a path."""
    model: type[BaseModel] = Entry
    for step in path:
        if isinstance(step, int):
            continue
        found = model_in(model.model_fields[step].annotation)
        if found is None:
            return {}
        model = found
    return dict(model.model_fields)


def model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model that a field's type is, or holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)


def _example(path: Path_) -> str:
    """Return the example of a field as lines of YAML."""
    steps = [step for step in path if isinstance(step, str)]
    info = _fields(tuple(steps[:-1])).get(steps[-1]) if steps else None
    if info is None or not info.examples:
        return ""
    text = yaml.safe_dump({steps[-1]: info.examples[0]}, sort_keys=False, allow_unicode=True, width=10**6).rstrip()
    lines = text.splitlines()
    return f" {lines[0]}" if len(lines) == 1 else "".join(f"\n        {line}" for line in lines)
