"""What pydantic found, in the words of the person who wrote the entry."""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meentwerk.entries import values
from meentwerk.entries.document import Path_
from meentwerk.entries.model import DEMO_ONLY, Entry
from meentwerk.entries.problem import listed, nearest, quoted, shortened

KINDS = {
    str: "a text", bool: "yes or no", int: "a number", float: "a number", datetime.date: "a date",
    datetime.datetime: "a date", type(None): "nothing",
}  # fmt: skip
WANTED = {
    "string_type": "a text", "list_type": "a list", "model_type": "a group of keys", "dict_type": "a group of keys",
    "bool_type": "true or false",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Error:
    """A value that does not fit the model, by its path in the entry."""

    path: Path_
    wrong: str
    cure: str
    missing: bool = False
    about_key: bool = False


def errors(data: dict[str, Any], written: Mapping[Path_, str] | None = None) -> list[Error]:
    """Hold the values of one entry against the model; every error at once, none that crashes.

    `written` says by path how a value stands in its file that YAML does not read as text, such as 0301 or yes.
    """
    details = _details(data)
    found = [_error(detail, data, written or {}) for detail in details]
    return [error for error in found if not _is_typo(error, details)]


def _details(data: dict[str, Any]) -> list[ErrorDetails]:
    try:
        Entry.model_validate(data)
    except ValidationError as found:
        return found.errors(include_url=False)
    return []


def _is_typo(error: Error, details: list[ErrorDetails]) -> bool:
    """Say whether a missing key stands there after all, misspelt: then the misspelling is the one thing to say."""
    around = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    return error.missing and any(
        loc[:-1] == error.path[:-1] and nearest(str(loc[-1]), list(_fields(error.path[:-1]))) == error.path[-1]
        for loc in around
    )


def _error(detail: ErrorDetails, data: dict[str, Any], written: Mapping[Path_, str]) -> Error:
    path: Path_ = tuple(detail["loc"])
    kind, value = detail["type"], detail["input"]
    text = written.get(path, "")
    context: dict[str, Any] = detail.get("ctx", {})
    cure = f"For example:{_example(path)}"
    match kind:
        case "wrong":
            wrong, cure = context["wrong"], context["cure"]
            path += (context["item"],) if "item" in context else ()
        case "missing":
            wrong, cure = f"{path[-1]} is missing.", f"Add it, for example:{_example(path)}"
        case "extra_forbidden":
            wrong, cure = _unknown(path)
        case "literal_error":
            wrong, cure = _choice(path, text or value)
        case "string_too_long" | "too_long":
            unit = "characters" if isinstance(value, str) else "items"
            wrong, cure = f"It has {len(value)} {unit}; {context['max_length']} are allowed.", "Shorten it."
        case "string_too_short" | "too_short":
            wrong = "It is empty."
        case _ if kind in WANTED:
            wrong, cure = _kind(path, value, text, WANTED[kind], data)
        case _:
            wrong = f"{_shown(value, text)} does not fit: {detail['msg']}."
    # What is said of a whole list or group is said at its key
    about_key = kind in {"missing", "extra_forbidden"} or (isinstance(value, dict | list) and path == detail["loc"])
    return Error(path, wrong, cure, missing=kind == "missing", about_key=about_key)


def _shown(value: object, text: str) -> str:
    """Quote a plain value as it stands in its file. What is in a list or group is not repeated: it may be secret."""
    return values.kind(value) if isinstance(value, dict | list) else quoted(text or value)


def _kind(path: Path_, value: object, text: str, wanted: str, data: dict[str, Any]) -> tuple[str, str]:
    """Say that a value is of another kind than wanted; where it is a text without quotes, whether it would be right."""
    if isinstance(value, dict | list):
        return f"{values.kind(value)} stands here; {wanted} is wanted.", f"For example:{_example(path)}"
    if wanted == "a text" and text:
        return _as_text(path, value, text, data)
    wrong = f"{_shown(value, text)} is {KINDS.get(type(value), 'something else')}; {wanted} is wanted here."
    cure = f"For example:{_example(path)}"
    if wanted == "a list" and isinstance(value, str):
        if value.lstrip().startswith("-"):
            cure = "Write a space behind each hyphen."
        elif not model_in(Entry.model_fields[str(path[0])].annotation):
            items = ", ".join(filter(None, re.split(r"[,;\s]+", value)))
            cure = f"Put it in brackets: [{quoted(items)[1:-1]}]"
    return wrong, cure


def _as_text(path: Path_, value: object, text: str, data: dict[str, Any]) -> tuple[str, str]:
    changed = deepcopy(data)
    part: Any = changed
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = text
    for detail in _details(changed):
        if tuple(detail["loc"]) == path and detail["type"] == "wrong":
            return detail["ctx"]["wrong"], detail["ctx"]["cure"]
    wrong = f"{quoted(text)} is read as {KINDS.get(type(value), 'something else')}, not as text."
    return wrong, f'Put it in quotes: "{quoted(text)[1:-1]}"'


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
    return f"{_shown(value, '')} is none of the choices.", cure


def near_key(key: str) -> str:
    """Return the key of an entry that was probably meant, or nothing. The prefix all keys have says nothing."""
    bare = {name.partition("_")[2]: name for name in Entry.model_fields if not name.startswith(DEMO_ONLY)}
    if key in Entry.model_fields or not key:
        return ""
    plain = re.sub(r"^(instance|ansible)[_-]", "", key.lower()).replace("-", "_")
    found = bare.get(plain) or bare.get(nearest(plain, list(bare)), "")
    return found or ("" if key.startswith(("instance_", "ansible_")) else nearest(key, list(Entry.model_fields)))


def is_required(path: Path_) -> bool:
    """Say whether a key of the entry has to be there."""
    info = _fields(path[:-1]).get(str(path[-1])) if path and isinstance(path[-1], str) else None
    return bool(info and info.is_required())


def inner_keys(name: str) -> set[str]:
    """Return the keys that belong below a key of the entry; none where it holds a plain value."""
    model = model_in(Entry.model_fields[name].annotation) if name in Entry.model_fields else None
    return set(model.model_fields) if model else set()


def field(host: str, path: Path_) -> str:
    """Return how a person names the place in an entry: `tides: instance_rules, item 2, text`."""
    words = [f"item {step + 1}" if isinstance(step, int) else shortened(step) for step in path]
    return ": ".join(filter(None, [shortened(host), ", ".join(words)]))


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
        info = model.model_fields.get(step)
        found = model_in(info.annotation) if info else None
        if found is None:
            return {}
        model = found
    return dict(model.model_fields)


def model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model that a field's type is, or holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)


class _Dumper(yaml.SafeDumper):
    """Writes lists as entries here do: indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # PyYAML's name
        super().increase_indent(flow, False)


def example(path: Path_) -> str:
    """Return the example of a field as lines of YAML, each indented, or behind a space where it is one."""
    return _example(path)


def _example(path: Path_) -> str:
    """Return the example of a field as lines of YAML."""
    steps = [step for step in path if isinstance(step, str)]
    info = _fields(tuple(steps[:-1])).get(steps[-1]) if steps else None
    if info is None or not info.examples:
        return ""
    value = {steps[-1]: info.examples[0]}
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6).rstrip()
    lines = text.splitlines()
    return f" {lines[0]}" if len(lines) == 1 else "".join(f"\n        {line}" for line in lines)
