"""What the lists that administrators keep have in common: finding, paging, storing, deleting one."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import select
from starlette.responses import Response

from .. import errors, moderation, paging
from ..context import Context
from ..http import empty, reply
from ..models import CanonicalEmailBlock, DomainAllow, DomainBlock, EmailDomainBlock, IpBlock, User
from ..params import to_i
from ..roles import Permission

Record = TypeVar("Record", DomainBlock, DomainAllow, EmailDomainBlock, IpBlock, CanonicalEmailBlock)
Serializer = Callable[[Record], dict[str, Any]]
LIMIT = 100


def may(context: Context, verb: str, name: str) -> None:
    """The token's scope; `verb` is read or write, `name` the list's name in the address."""
    context.require_scopes_if_token(f"admin:{verb}", f"admin:{verb}:{name}")


def find(context: Context, table: type[Record]) -> Record:
    """The record of the path, or 404."""
    number = to_i(str(context.params["id"]))
    found = context.session.get(table, number) if number < 1 << 63 else None
    if found is None:
        raise errors.record_not_found()
    return found


def page(
    context: Context,
    table: type[Record],
    name: str,
    serialize: Serializer[Record],
    permission: Permission,
    maximum: int = 2 * LIMIT,
) -> Response:
    """One page of a list."""
    may(context, "read", name)
    context.authorize(permission)
    wanted = paging.page(context.params, LIMIT, maximum)
    found = paging.rows(context.session, select(table), table.id, wanted)
    ids = [item.id for item in found]
    url = context.url(f"/api/v1/admin/{name}")
    header = paging.link_header(url, context.params, ("limit",), ids, more=len(ids) == wanted.limit)
    return reply([serialize(item) for item in found], headers={"Link": header} if header else None)


def show(
    context: Context, table: type[Record], name: str, serialize: Serializer[Record], permission: Permission
) -> Response:
    """One record."""
    may(context, "read", name)
    found = find(context, table)
    context.authorize(permission)
    return reply(serialize(found))


def store(context: Context, moderator: User, made: Record, label: str) -> None:
    """Keep a new record and note who made it."""
    context.session.add(made)
    context.session.flush()
    moderation.log(context, moderator, "create", type(made).__name__, made.id, str(getattr(made, label)))


def destroy(context: Context, table: type[Record], name: str, label: str, permission: Permission) -> Response:
    """Delete a record and note who did."""
    may(context, "write", name)
    found = find(context, table)
    moderator = context.authorize(permission)
    moderation.log(context, moderator, "destroy", table.__name__, found.id, str(getattr(found, label)))
    context.session.delete(found)
    return empty()
