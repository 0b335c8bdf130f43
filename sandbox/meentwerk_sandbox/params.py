"""Request parameters as Rails reads them: query, form, multipart and JSON in one nested mapping."""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from .errors import said
from .kinds import Json

MAX_FIELDS = 500
MAX_BIGINT = (1 << 63) - 1
FALSE_VALUES = {"0", "f", "F", "false", "FALSE", "off", "OFF"}
_SEGMENT = re.compile(r"\[([^\[\]]*)\]")
# Bodies without files stay small; nginx limits the others.
MAX_BODY = 2 * 1024 * 1024


class Params(dict[str, Any]):
    """Parameters with Rails' ideas of text, truth and number."""

    def has(self, name: str) -> bool:
        """Whether the parameter was given at all, be it empty."""
        return name in self

    def text(self, name: str, default: str = "") -> str:
        """The parameter as text; lists, mappings and null count as absent."""
        value = self.get(name)
        return _scalar(value, default)

    def optional(self, name: str) -> str | None:
        """The parameter as text, or None when it is absent or blank."""
        return self.text(name) if self.present(name) else None

    def present(self, name: str) -> bool:
        """Whether the parameter has a value that is not blank."""
        return bool(self.text(name).strip())

    def truthy(self, name: str) -> bool:
        """ActiveModel::Type::Boolean of the parameter; absent and empty are false."""
        return boolean(self.get(name)) is True

    def integer(self, name: str) -> int:
        """Ruby's String#to_i."""
        return to_i(self.text(name))

    def items_of(self, name: str) -> list[Any]:
        """A list parameter (`name[]=`), also when only one value or a numbered mapping was given."""
        value = self.get(name)
        if isinstance(value, list):
            return value
        if isinstance(value, dict):
            return list(value.values())
        return [] if value in (None, "") else [value]

    def upload(self, name: str) -> UploadFile | None:
        """An uploaded file."""
        value = self.get(name)
        return value if isinstance(value, UploadFile) else None


def boolean(value: Json) -> bool | None:
    """Rails' cast: None for absent and empty, else whether it is none of the words for false."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    return str(value) not in FALSE_VALUES


def to_i(text: str) -> int:
    """Leading digits as a number, 0 when there are none; never beyond what a bigint holds."""
    match = re.match(r"\s*([+-]?[0-9]{1,20})", text)
    return max(-MAX_BIGINT, min(int(match.group(1)), MAX_BIGINT)) if match else 0


def _scalar(value: Json, default: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    return default


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """`a[b][]=1` as Rack::QueryParser reads it."""
    result: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs):
        if count >= MAX_FIELDS:
            raise said(400, "Too many parameters")
        head, bracket, _ = name.partition("[")
        path = _SEGMENT.findall(name[len(head) :]) if bracket else []
        if head:
            _put(result, [head, *path], value)
    return result


def _put(target: dict[str, Any], path: list[str], value: Json) -> None:
    key, rest = path[0], path[1:]
    if not rest:
        target[key] = value
    elif rest[0] == "":
        items = target.get(key)
        if not isinstance(items, list):
            items = target[key] = []
        if len(rest) == 1:
            items.append(value)
            return
        # `a[][x]=1&a[][y]=2` fills one mapping until a key repeats.
        if not items or not isinstance(items[-1], dict) or rest[1] in items[-1]:
            items.append({})
        _put(items[-1], rest[1:], value)
    else:
        inner = target.get(key)
        if not isinstance(inner, dict):
            inner = target[key] = {}
        _put(inner, rest, value)


async def read(request: Request) -> Params:
    """All parameters of a request; path parameters win."""
    params = Params(nested(parse_qsl(request.url.query, keep_blank_values=True)))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        params.update(_json(await _body(request)))
    elif kind == "application/x-www-form-urlencoded":
        body = (await _body(request)).decode("utf-8", "replace")
        params.update(nested(parse_qsl(body, keep_blank_values=True)))
    elif kind == "multipart/form-data":
        try:
            form = await request.form(max_files=10, max_fields=MAX_FIELDS)
        except (MultiPartException, FormParserError) as error:
            raise said(400, "Bad Request") from error
        params.update(nested(form.multi_items()))
    params.update(request.path_params)
    _check(params)
    return params


def _check(value: Json) -> None:
    """Refuse text that is no text: null bytes and lone surrogates, which PostgreSQL cannot store."""
    if isinstance(value, str):
        if "\x00" in value or (not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)):
            raise said(400, "Bad Request")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check(name)
            _check(item)
    elif isinstance(value, list):
        for item in value:
            _check(item)


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise said(413, "Content Too Large")
        chunks.append(chunk)
    return b"".join(chunks)


def _json(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        content = json.loads(body)
    except ValueError as error:
        raise said(400, "Bad Request") from error
    return content if isinstance(content, dict) else {}
