"""Timelines, an account's posts, favourites, bookmarks, search, notifications."""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, delete, select
from starlette.responses import Response

from .. import errors, feeds, paging, policy
from ..context import Context
from ..http import empty, reply
from ..models import (
    PRIVATE,
    PUBLIC,
    UNLISTED,
    Account,
    Bookmark,
    Favourite,
    Marker,
    Media,
    Notification,
    Pin,
    Status,
    StatusTag,
    Tag,
    User,
)
from ..params import to_i
from ..serializers import accounts as shown_accounts
from ..serializers import statuses as shown
from . import accounts
from .routing import Endpoint

LIMIT = 20
NOTIFICATIONS = 40
UNREAD, MAX_UNREAD = 100, 1000
READ = ("read", "read:statuses")


def _present() -> Select[tuple[Status]]:
    """Posts that are there, by accounts that are."""
    return (
        select(Status)
        .join(Account, Account.id == Status.account_id)
        .where(Status.deleted_at.is_(None), Account.suspended_at.is_(None), Account.requested_deletion_at.is_(None))
    )


def _page(
    context: Context, path: str, keep: tuple[str, ...], found: list[Status], wanted: paging.Page, *, full: bool = False
) -> Response:
    ids = [item.id for item in found]
    more = len(ids) == wanted.limit if full else True
    header = paging.link_header(context.url(path), context.params, keep, ids, more=more)
    return reply([shown.status(context, item) for item in found], headers={"Link": header} if header else None)


def home(context: Context) -> Response:
    """GET /api/v1/timelines/home."""
    context.require_scopes(*READ)
    account = context.require_account()
    feeds.populate(context.session, context.valkey, account.id)
    wanted = paging.page(context.params, LIMIT)
    ids = feeds.home(context.valkey, account.id, wanted.limit, wanted.max_id, wanted.since_id, wanted.min_id)
    query = _present().where(Status.id.in_(ids), policy.visible(account)).order_by(Status.id.desc())
    found = list(context.session.scalars(query).unique())
    return _page(context, "/api/v1/timelines/home", ("local", "limit"), found, wanted)


def _require_reader(context: Context, kind: str) -> None:
    """Feeds that the settings keep for members (`live_feed` or `topic_feed`)."""
    local, remote = (context.settings[f"{side}_{kind}_access"] for side in ("local", "remote"))
    if kind == "live_feed" and context.params.truthy("local"):
        closed = local != "public"
    elif kind == "live_feed" and context.params.truthy("remote"):
        closed = remote != "public"
    elif context.params.truthy("local"):
        closed = local != "public"
    else:
        closed = local != "public" or remote != "public"
    if closed:
        context.require_user()


def _own_words() -> ColumnElement[bool]:
    """No shares, and replies only to oneself."""
    return (~Status.reply | (Status.in_reply_to_account_id == Status.account_id)) & Status.reblog_of_id.is_(None)


def public(context: Context) -> Response:
    """GET /api/v1/timelines/public."""
    context.require_scopes_if_token(*READ)
    _require_reader(context, "live_feed")
    wanted = paging.page(context.params, LIMIT)
    query = _present().where(Status.visibility == PUBLIC, Account.silenced_at.is_(None), _own_words())
    query = _narrow(context, query)
    found = paging.rows(context.session, query, Status.id, wanted)
    keep = ("local", "remote", "limit", "only_media")
    return _page(context, "/api/v1/timelines/public", keep, found, wanted)


def _narrow(context: Context, query: Select[tuple[Status]]) -> Select[tuple[Status]]:
    params = context.params
    if params.truthy("remote") and not params.truthy("local"):
        query = query.where(Account.domain.is_not(None))
    if params.truthy("local") and not params.truthy("remote"):
        query = query.where(Account.domain.is_(None))
    if params.truthy("only_media"):
        query = query.where(Status.id.in_(select(Media.status_id).where(Media.status_id.is_not(None))))
    return query


def tag(context: Context) -> Response:
    """GET /api/v1/timelines/tag/NAME."""
    context.require_scopes_if_token(*READ)
    _require_reader(context, "topic_feed")
    name = context.params.text("tag").lower()
    wanted = paging.page(context.params, LIMIT)
    tagged = select(StatusTag.status_id).join(Tag, Tag.id == StatusTag.tag_id).where(Tag.name == name)
    query = _narrow(context, _present().where(Status.visibility == PUBLIC, Status.id.in_(tagged)))
    found = paging.rows(context.session, query, Status.id, wanted)
    return _page(context, f"/api/v1/timelines/tag/{name}", ("local", "limit", "only_media"), found, wanted)


def of_account(context: Context) -> Response:
    """GET /api/v1/accounts/ID/statuses."""
    context.require_scopes_if_token(*READ)
    account = accounts.find_presentable(context)
    params = context.params
    wanted = paging.page(params, LIMIT)
    if account.unavailable:
        return reply([])
    query = _present().where(Status.account_id == account.id, policy.visible(context.account))
    if context.account is None:
        query = query.where(Status.visibility.in_((PUBLIC, UNLISTED)))
    if params.truthy("exclude_direct"):
        query = query.where(Status.visibility.in_((PUBLIC, UNLISTED, PRIVATE)))
    if params.truthy("exclude_replies"):
        query = query.where(~Status.reply | (Status.in_reply_to_account_id == Status.account_id))
    if params.truthy("exclude_reblogs"):
        query = query.where(Status.reblog_of_id.is_(None))
    if params.truthy("only_media"):
        query = query.where(Status.id.in_(select(Media.status_id).where(Media.status_id.is_not(None))))
    if params.truthy("pinned"):
        query = query.where(Status.id.in_(select(Pin.status_id).where(Pin.account_id == account.id)))
    if params.present("tagged"):
        name = params.text("tagged").lower()
        tagged = select(StatusTag.status_id).join(Tag, Tag.id == StatusTag.tag_id).where(Tag.name == name)
        query = query.where(Status.id.in_(tagged))
    found = paging.rows(context.session, query, Status.id, wanted)
    keep = ("limit", "pinned", "tagged", "only_media", "exclude_replies", "exclude_reblogs")
    return _page(context, f"/api/v1/accounts/{account.id}/statuses", keep, found, wanted, full=True)


Mark = TypeVar("Mark", Favourite, Bookmark)


def _kept(context: Context, table: type[Mark], name: str) -> Response:
    context.require_scopes("read", f"read:{name}")
    account = context.require_account()
    wanted = paging.page(context.params, LIMIT)
    marks = paging.rows(context.session, select(table).where(table.account_id == account.id), table.id, wanted)
    found = [context.session.get(Status, mark.status_id) for mark in marks]
    ids = [mark.id for mark in marks]
    url = context.url(f"/api/v1/{name}")
    header = paging.link_header(url, context.params, ("limit",), ids, more=len(ids) == wanted.limit)
    seen = [shown.status(context, item) for item in found if item is not None and policy.may_see(context, item)]
    return reply(seen, headers={"Link": header} if header else None)


def favourites(context: Context) -> Response:
    """GET /api/v1/favourites."""
    return _kept(context, Favourite, "favourites")


def bookmarks(context: Context) -> Response:
    """GET /api/v1/bookmarks."""
    return _kept(context, Bookmark, "bookmarks")


def search(context: Context) -> Response:
    """GET /api/v2/search: accounts and hashtags; there is no full-text index."""
    context.require_scopes_if_token("read", "read:search")
    params = context.params
    if not params.present("q"):
        raise errors.missing_parameter("q")
    if context.account is None and (params.integer("offset") or params.truthy("resolve")):
        raise errors.said(401, "Search queries pagination is not supported without authentication")
    kind = params.text("type")
    found = accounts.matching(context, context.account) if kind in {"", "accounts"} else []
    words = params.text("q").strip().removeprefix("#").lower()
    tags: list[Tag] = []
    if kind in {"", "hashtags"}:
        query = select(Tag).where(Tag.name.startswith(words, autoescape=True)).order_by(Tag.name)
        tags = list(context.session.scalars(query.limit(paging.limit(params, LIMIT))))
    return reply(
        {
            "accounts": [shown_accounts.account(context, item) for item in found],
            "statuses": [],
            "hashtags": [
                {"id": str(item.id), "name": item.name, "url": context.url(f"/tags/{item.name}"), "history": []}
                for item in tags
            ],
            "collections": [],
        }
    )


def notifications(context: Context) -> Response:
    """GET /api/v1/notifications."""
    context.require_scopes("read", "read:notifications")
    account = context.require_account()
    params = context.params
    query = select(Notification).where(Notification.account_id == account.id)
    if types := [str(item) for item in params.items_of("types")]:
        query = query.where(Notification.type.in_(types))
    if excluded := [str(item) for item in params.items_of("exclude_types")]:
        query = query.where(Notification.type.not_in(excluded))
    if params.present("account_id"):
        query = query.where(Notification.from_account_id == params.integer("account_id"))
    found = paging.rows(context.session, query, Notification.id, paging.page(params, NOTIFICATIONS))
    keep = ("limit", "account_id", "types", "exclude_types", "include_filtered")
    header = paging.link_header(
        context.url("/api/v1/notifications"), params, keep, [item.id for item in found], more=bool(found)
    )
    return reply([shown.notification(context, item) for item in found], headers={"Link": header} if header else None)


def _notification(context: Context, account: Account) -> Notification:
    found = context.session.get(Notification, to_i(str(context.params["id"])))
    if found is None or found.account_id != account.id:
        raise errors.record_not_found()
    return found


def notification(context: Context) -> Response:
    """GET /api/v1/notifications/ID."""
    context.require_scopes("read", "read:notifications")
    return reply(shown.notification(context, _notification(context, context.require_account())))


def unread_count(context: Context) -> Response:
    """GET /api/v1/notifications/unread_count: how many came after the marker."""
    context.require_scopes("read", "read:notifications")
    account = context.require_account()
    limit = paging.limit(context.params, UNREAD, MAX_UNREAD)
    read = (
        select(Marker.last_read_id)
        .join(User, User.id == Marker.user_id)
        .where(User.account_id == account.id, Marker.timeline == "notifications")
    )
    last = context.session.scalars(read).first() or 0
    query = select(Notification.id).where(Notification.account_id == account.id, Notification.id > last).limit(limit)
    return reply({"count": len(context.session.scalars(query).all())})


def clear(context: Context) -> Response:
    """POST /api/v1/notifications/clear."""
    context.require_scopes("write", "write:notifications")
    account = context.require_account()
    context.session.execute(delete(Notification).where(Notification.account_id == account.id))
    return empty()


def dismiss(context: Context) -> Response:
    """POST /api/v1/notifications/ID/dismiss."""
    context.require_scopes("write", "write:notifications")
    context.session.delete(_notification(context, context.require_account()))
    return empty()


_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/v1/timelines/home", home),
    ("GET", "/api/v1/timelines/public", public),
    ("GET", "/api/v1/timelines/tag/{tag}", tag),
    ("GET", "/api/v1/accounts/{id:int}/statuses", of_account),
    ("GET", "/api/v1/favourites", favourites),
    ("GET", "/api/v1/bookmarks", bookmarks),
    ("GET", "/api/v2/search", search),
    ("GET", "/api/v1/notifications", notifications),
    ("POST", "/api/v1/notifications/clear", clear),
    ("GET", "/api/v1/notifications/unread_count", unread_count),
    ("GET", "/api/v1/notifications/{id:int}", notification),
    ("POST", "/api/v1/notifications/{id:int}/dismiss", dismiss),
)

ENDPOINTS = tuple(Endpoint(method, path, handler) for method, path, handler in _ROUTES)
