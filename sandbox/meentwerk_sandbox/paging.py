"""Pages of rows by id: max_id, since_id, min_id, limit, and the Link header."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from .params import Params


class HasId(Protocol):
    """Rows that pages are made of."""

    @property
    def id(self) -> int:
        """What pages are cut by."""


Row = TypeVar("Row", bound=HasId)


@dataclass(frozen=True)
class Page:
    """What the client asked for."""

    limit: int
    max_id: int | None = None
    since_id: int | None = None
    min_id: int | None = None


def limit(params: Params, default: int, maximum: int | None = None) -> int:
    """The number of rows: absolute value, at most `maximum` (twice the default unless told)."""
    top = maximum or default * 2
    return min(abs(params.integer("limit")), top) if params.has("limit") else default


def page(params: Params, default: int, maximum: int | None = None) -> Page:
    """Read the paging parameters."""

    def identifier(name: str) -> int | None:
        return params.integer(name) if params.present(name) else None

    return Page(limit(params, default, maximum), identifier("max_id"), identifier("since_id"), identifier("min_id"))


def rows(session: Session, query: Select[tuple[Row]], column: InstrumentedAttribute[int], wanted: Page) -> list[Row]:
    """One page, newest first. `min_id` gives the rows right after it, `since_id` the newest that are younger."""
    if wanted.max_id is not None:
        query = query.where(column < wanted.max_id)
    if wanted.min_id is not None:
        found = session.scalars(query.where(column > wanted.min_id).order_by(column.asc()).limit(wanted.limit))
        return list(reversed(found.unique().all()))
    if wanted.since_id is not None:
        query = query.where(column > wanted.since_id)
    return list(session.scalars(query.order_by(column.desc()).limit(wanted.limit)).unique().all())


def link_header(
    url: str, params: Params, keep: tuple[str, ...], ids: list[int], *, more: bool, prev: str = "min_id"
) -> str | None:
    """`<url?max_id=..>; rel="next", <url?min_id=..>; rel="prev"`, parameters sorted as Rails does."""
    if not ids:
        return None
    kept: list[tuple[str, str]] = []
    for name in keep:
        value: Any = params.get(name)
        if isinstance(value, list):
            kept.extend((f"{name}[]", str(item)) for item in value)
        elif value is not None:
            kept.append((name, params.text(name)))
    links = []
    if more:
        links.append(f'<{url}?{_query([*kept, ("max_id", str(ids[-1]))])}>; rel="next"')
    links.append(f'<{url}?{_query([*kept, (prev, str(ids[0]))])}>; rel="prev"')
    return ", ".join(links)


def _query(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(pairs))
