"""Posts: one, its context, writing, changing, deleting, sharing, liking, keeping."""

from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from starlette.responses import Response

from .. import errors, paging, policy, posting, ratelimit
from ..clock import iso, now
from ..context import Context
from ..http import reply
from ..models import DIRECT, PRIVATE, Account, Bookmark, Favourite, Pin, Status
from ..params import to_i
from ..serializers import accounts as shown_accounts
from ..serializers import statuses as shown
from ..validation import Errors
from .routing import Endpoint

READ = ("read", "read:statuses")
WRITE = ("write", "write:statuses")
MAX_ID = 1 << 63
LIMIT = 20
PEOPLE = 40
PINS = 5
ANCESTORS, DESCENDANTS, DEPTH = 40, 60, 20  # for nobody in particular
MEMBER_LIMIT = 4096
IDEMPOTENCY_SECONDS = 3600


def find(context: Context, name: str = "id") -> Status:
    """The post of the path when the caller may see it, or 404."""
    number = to_i(str(context.params.get(name, "")))
    found = context.session.get(Status, number) if 0 < number < MAX_ID else None
    if found is None or not policy.may_see(context, found):
        raise errors.plain(404)
    return found


def _own(context: Context) -> Status:
    account = context.require_account()
    number = to_i(str(context.params.get("id", "")))
    found = context.session.get(Status, number) if 0 < number < MAX_ID else None
    if found is None or found.account_id != account.id or found.deleted_at is not None:
        raise errors.record_not_found()
    return found


def show(context: Context) -> Response:
    """GET /api/v1/statuses/ID."""
    context.require_scopes_if_token(*READ)
    return reply(shown.status(context, find(context)))


def show_many(context: Context) -> Response:
    """GET /api/v1/statuses?id[]=."""
    context.require_scopes_if_token(*READ)
    numbers = list(dict.fromkeys(to_i(str(item)) for item in context.params.items_of("id")))
    if len(numbers) > LIMIT:
        raise errors.said(422, "Mastodon::ValidationError")
    query = select(Status).where(Status.id.in_(numbers))
    found = [item for item in context.session.scalars(query).unique() if policy.may_see(context, item)]
    return reply([shown.status(context, item) for item in found])


def create(context: Context) -> Response:
    """POST /api/v1/statuses; the same Idempotency-Key within an hour gives the same post."""
    context.require_scopes(*WRITE)
    user = context.require_user()
    _limit(context, user.account_id)
    key = context.request.headers.get("idempotency-key")
    if not key:
        return reply(shown.status(context, posting.create(context, user)))
    name = f"idempotency:status:{user.account_id}:{key}"
    with context.valkey.lock(f"{name}:lock", timeout=30, blocking_timeout=10):
        known = context.valkey.get(name)
        if known is not None:
            found = context.session.get(Status, int(known))
            if found is None:
                raise errors.record_not_found()
            return reply(shown.status(context, found))
        made = posting.create(context, user)
        context.session.commit()  # known to others only once it is stored
        context.valkey.set(name, made.id, ex=IDEMPOTENCY_SECONDS)
        return reply(shown.status(context, made))


def _limit(context: Context, account: int) -> None:
    usage = ratelimit.record(context.valkey, "statuses", account)
    if usage.exceeded:
        raise errors.said(429, "Too many requests")
    remaining = usage.rule.limit - usage.count
    if remaining <= int(context.headers.get("X-RateLimit-Remaining", remaining)):
        context.headers.update(usage.headers())


def update(context: Context) -> Response:
    """PUT /api/v1/statuses/ID."""
    context.require_scopes(*WRITE)
    found = _own(context)
    posting.change(context, found)
    return reply(shown.status(context, found))


def destroy(context: Context) -> Response:
    """DELETE /api/v1/statuses/ID: answers with the text, so that it can be written anew."""
    context.require_scopes(*WRITE)
    found = _own(context)
    seen = shown.status(context, found, source=True)
    posting.discard(context, found, keep_media=not context.params.truthy("delete_media"))
    return reply(seen)


def context_of(context: Context) -> Response:
    """GET /api/v1/statuses/ID/context."""
    context.require_scopes_if_token(*READ)
    found = find(context)
    member = context.account is not None
    up = _ancestors(context, found, MEMBER_LIMIT if member else ANCESTORS)
    down = _descendants(context, found, MEMBER_LIMIT if member else DESCENDANTS, MEMBER_LIMIT if member else DEPTH)
    return reply(
        {
            "ancestors": [shown.status(context, item) for item in up],
            "descendants": [shown.status(context, item) for item in down],
        }
    )


def _ancestors(context: Context, status: Status, limit: int) -> list[Status]:
    found: list[Status] = []
    parent = status.in_reply_to_id
    while parent is not None and len(found) < limit:
        above = context.session.get(Status, parent)
        if above is None:
            break
        if policy.may_see(context, above):
            found.append(above)
        parent = above.in_reply_to_id
    return found[::-1]


def _descendants(context: Context, status: Status, limit: int, depth: int) -> list[Status]:
    """Replies below each post right after it, oldest first."""
    query = select(Status).where(Status.in_reply_to_id == status.id, Status.deleted_at.is_(None)).order_by(Status.id)
    found: list[Status] = []
    for below in context.session.scalars(query.limit(limit)).unique():
        if policy.may_see(context, below):
            found.append(below)
        if depth > 1:
            found += _descendants(context, below, limit, depth - 1)
    return found[:limit]


def source(context: Context) -> Response:
    """GET /api/v1/statuses/ID/source."""
    context.require_scopes(*READ)
    found = find(context)
    return reply({"id": str(found.id), "text": found.text, "spoiler_text": found.spoiler_text})


def history(context: Context) -> Response:
    """GET /api/v1/statuses/ID/history: the sandbox keeps the present version only."""
    context.require_scopes_if_token(*READ)
    found = find(context)
    seen = shown.status(context, found)
    return reply(
        [
            {
                "content": seen["content"],
                "spoiler_text": seen["spoiler_text"],
                "sensitive": seen["sensitive"],
                "created_at": iso(found.edited_at or found.created_at),
                "account": shown_accounts.account(context, found.account),
                "media_attachments": seen["media_attachments"],
                "emojis": [],
            }
        ]
    )


def reblog(context: Context) -> Response:
    """POST /api/v1/statuses/ID/reblog."""
    context.require_scopes(*WRITE)
    account = context.require_account()
    found = find(context)
    original = found.reblog or found
    if original.visibility == DIRECT or (original.visibility == PRIVATE and original.account_id != account.id):
        raise errors.not_permitted()
    _limit(context, account.id)
    return reply(shown.status(context, posting.reblog(context, account, original)))


def unreblog(context: Context) -> Response:
    """POST /api/v1/statuses/ID/unreblog."""
    context.require_scopes(*WRITE)
    account = context.require_account()
    original = find(context)
    query = select(Status).where(
        Status.account_id == account.id, Status.reblog_of_id == original.id, Status.deleted_at.is_(None)
    )
    share = context.session.scalars(query).unique().first()
    if share is not None:
        posting.discard(context, share, keep_media=False)
        context.session.flush()
    return reply(shown.status(context, original))


def _mark(context: Context, table: type[Favourite] | type[Bookmark], scope: str, *, on: bool) -> Response:
    context.require_scopes("write", scope)
    account = context.require_account()
    found = find(context)
    if on:
        values = {"account_id": account.id, "status_id": found.id, "created_at": now(), "updated_at": now()}
        made = context.session.scalar(insert(table).values(values).on_conflict_do_nothing().returning(table.id))
        if made is not None and table is Favourite:
            context.enqueue("LocalNotificationWorker", found.account_id, account.id, "favourite", found.id)
    else:
        context.session.execute(delete(table).where(table.account_id == account.id, table.status_id == found.id))
    return reply(shown.status(context, found))


def favourite(context: Context) -> Response:
    """POST /api/v1/statuses/ID/favourite."""
    return _mark(context, Favourite, "write:favourites", on=True)


def unfavourite(context: Context) -> Response:
    """POST /api/v1/statuses/ID/unfavourite."""
    return _mark(context, Favourite, "write:favourites", on=False)


def bookmark(context: Context) -> Response:
    """POST /api/v1/statuses/ID/bookmark."""
    return _mark(context, Bookmark, "write:bookmarks", on=True)


def unbookmark(context: Context) -> Response:
    """POST /api/v1/statuses/ID/unbookmark."""
    return _mark(context, Bookmark, "write:bookmarks", on=False)


def pin(context: Context) -> Response:
    """POST /api/v1/statuses/ID/pin: at most five of one's own."""
    context.require_scopes("write", "write:accounts")
    account = context.require_account()
    found = find(context)
    problems = Errors()
    if found.reblog_of_id is not None:
        problems.add("base", ("reblog", "A boost cannot be pinned"), "")
    if found.account_id != account.id:
        problems.add("base", ("ownership", "Someone else's post cannot be pinned"), "")
    if found.visibility == DIRECT:
        problems.add("base", ("direct", "Posts that are only visible to mentioned users cannot be pinned"), "")
    count = context.session.scalar(select(func.count()).select_from(Pin).where(Pin.account_id == account.id)) or 0
    if count >= PINS:
        problems.add("base", ("limit", "You have already pinned the maximum number of posts"), "")
    problems.raise_if_any()
    values = {"account_id": account.id, "status_id": found.id, "created_at": now(), "updated_at": now()}
    context.session.execute(insert(Pin).values(values).on_conflict_do_nothing())
    return reply(shown.status(context, found))


def unpin(context: Context) -> Response:
    """POST /api/v1/statuses/ID/unpin."""
    context.require_scopes("write", "write:accounts")
    account = context.require_account()
    found = find(context)
    context.session.execute(delete(Pin).where(Pin.account_id == account.id, Pin.status_id == found.id))
    return reply(shown.status(context, found))


def favourited_by(context: Context) -> Response:
    """GET /api/v1/statuses/ID/favourited_by."""
    context.require_scopes_if_token("read", "read:accounts")
    found = find(context)
    wanted = paging.page(context.params, PEOPLE)
    marks = paging.rows(context.session, select(Favourite).where(Favourite.status_id == found.id), Favourite.id, wanted)
    return _people(context, "favourited_by", [(mark.id, mark.account_id) for mark in marks], wanted.limit)


def reblogged_by(context: Context) -> Response:
    """GET /api/v1/statuses/ID/reblogged_by."""
    context.require_scopes_if_token("read", "read:accounts")
    found = find(context)
    wanted = paging.page(context.params, PEOPLE)
    query = select(Status).where(Status.reblog_of_id == found.id, Status.deleted_at.is_(None))
    shares = paging.rows(context.session, query, Status.id, wanted)
    return _people(context, "reblogged_by", [(share.id, share.account_id) for share in shares], wanted.limit)


def _people(context: Context, name: str, marks: list[tuple[int, int]], limit: int) -> Response:
    ids = [mark for mark, _ in marks]
    url = context.url(f"/api/v1/statuses/{context.params['id']}/{name}")
    header = paging.link_header(url, context.params, ("limit",), ids, more=len(ids) == limit, prev="since_id")
    people = [context.session.get_one(Account, account) for _, account in marks]
    seen = [shown_accounts.account(context, account) for account in people]
    return reply(seen, headers={"Link": header} if header else None)


_ID = "/api/v1/statuses/{id:int}"
_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/v1/statuses", show_many),
    ("POST", "/api/v1/statuses", create),
    ("GET", _ID, show),
    ("PUT", _ID, update),
    ("PATCH", _ID, update),
    ("DELETE", _ID, destroy),
    ("GET", f"{_ID}/context", context_of),
    ("GET", f"{_ID}/source", source),
    ("GET", f"{_ID}/history", history),
    ("POST", f"{_ID}/reblog", reblog),
    ("POST", f"{_ID}/unreblog", unreblog),
    ("POST", f"{_ID}/favourite", favourite),
    ("POST", f"{_ID}/unfavourite", unfavourite),
    ("GET", f"{_ID}/favourited_by", favourited_by),
    ("GET", f"{_ID}/reblogged_by", reblogged_by),
    ("POST", f"{_ID}/pin", pin),
    ("POST", f"{_ID}/unpin", unpin),
    ("POST", f"{_ID}/bookmark", bookmark),
    ("POST", f"{_ID}/unbookmark", unbookmark),
)

ENDPOINTS = tuple(Endpoint(method, path, handler) for method, path, handler in _ROUTES)
