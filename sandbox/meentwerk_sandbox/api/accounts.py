"""Accounts: signing up, looking up, following, one's own profile."""

from typing import Any

from sqlalchemy import or_, select
from starlette.responses import Response

from .. import accounts, blocks, errors, lookup, paging, relations
from ..clock import now
from ..context import Context
from ..http import empty, reply
from ..models import Account, Follow, FollowRequest, Invite, User
from ..params import to_i
from ..serializers import accounts as shown
from . import oauth
from .routing import Endpoint

DEFAULT_LIMIT = 40
READ = ("read", "read:accounts")
WRITE_FOLLOWS = ("follow", "write", "write:follows")
MAX_ID = 1 << 63


def find(context: Context, name: str = "id") -> Account:
    """The account of the path, or 404."""
    number = to_i(str(context.params.get(name, "")))
    found = context.session.get(Account, number) if 0 < number < MAX_ID else None
    if found is None or found.requested_deletion_at is not None:
        raise errors.record_not_found()
    return found


def find_presentable(context: Context) -> Account:
    """As find, without those who are pending or unconfirmed."""
    found = find(context)
    if found.local and (found.user is None or not (found.user.approved and found.user.confirmed)):
        raise errors.record_not_found()
    return found


def create(context: Context) -> Response:
    """POST /api/v1/accounts: sign up with an application's token."""
    context.require_scopes("write", "write:accounts")
    token = context.token
    if token is None or token.application is None:
        raise errors.invalid_token()
    if token.resource_owner_id is not None:
        raise errors.said(403, "This method requires an client credentials authentication")
    params = context.params
    invite = _invite(context)
    closed = context.settings["registrations_mode"] == "none" and invite is None
    blocked = blocks.address_has(context.session, context.address, blocks.SIGN_UP_BLOCK)
    if context.config.omniauth_only or closed or blocked:
        raise errors.plain(403)
    wanted = accounts.SignUp(
        username=" ".join(params.text("username").split()),
        email=params.text("email").strip(),
        password=params.text("password"),
        agreement=params.text("agreement"),
        locale=params.optional("locale"),
        time_zone=params.optional("time_zone"),
        reason=params.text("reason"),
        address=context.address,
        application=token.application,
        invite_id=invite.id if invite else None,
    )
    accounts.check(context.session, context.config, context.settings, wanted).raise_if_any(details=True)
    user = accounts.create(context.session, context.settings, wanted)
    if invite is not None:
        invite.uses += 1
    made, _ = accounts.token_for(context.session, token.application, user, token.application.scopes)
    return reply(oauth.token_body(made))


def _invite(context: Context) -> Invite | None:
    code = context.params.text("invite_code")
    found = context.session.scalars(select(Invite).where(Invite.code == code)).first() if code else None
    if found is None or (found.expires_at is not None and found.expires_at <= now()):
        return None
    return found if found.max_uses is None or found.uses < found.max_uses else None


def show(context: Context) -> Response:
    """GET /api/v1/accounts/ID."""
    context.require_scopes_if_token(*READ)
    return reply(shown.account(context, find_presentable(context)))


def show_many(context: Context) -> Response:
    """GET /api/v1/accounts?id[]=."""
    context.require_scopes_if_token(*READ)
    numbers = list(dict.fromkeys(to_i(str(item)) for item in context.params.items_of("id")))
    if len(numbers) > DEFAULT_LIMIT:
        raise errors.said(422, "Mastodon::ValidationError")
    query = select(Account).where(Account.id.in_(numbers), Account.requested_deletion_at.is_(None))
    return reply([shown.account(context, item) for item in context.session.scalars(query).unique()])


def lookup_one(context: Context) -> Response:
    """GET /api/v1/accounts/lookup?acct=."""
    context.require_scopes_if_token(*READ)
    found = lookup.by_handle(context.session, context.config, context.params.text("acct"))
    if found is None or found.requested_deletion_at is not None:
        raise errors.record_not_found()
    return reply(shown.account(context, found))


def search(context: Context) -> Response:
    """GET /api/v1/accounts/search?q=."""
    context.require_scopes(*READ)
    account = context.require_account()
    return reply([shown.account(context, item) for item in matching(context, account)])


def matching(context: Context, viewer: Account | None) -> list[Account]:
    """Accounts whose name or display name begins with or holds the words."""
    params = context.params
    words = params.text("q").strip().removeprefix("@")
    if not words:
        return []
    name = words.split("@")[0]
    query = (
        select(Account)
        .join(User, isouter=True)
        .where(
            or_(
                Account.username.icontains(name, autoescape=True), Account.display_name.icontains(name, autoescape=True)
            ),
            Account.suspended_at.is_(None),
            or_(Account.domain.is_not(None), User.approved & User.confirmed_at.is_not(None)),
        )
        .order_by(Account.username)
        .limit(paging.limit(params, DEFAULT_LIMIT))
        .offset(max(params.integer("offset"), 0))
    )
    if params.truthy("following") and viewer is not None:
        query = query.where(Account.id.in_(select(Follow.target_account_id).where(Follow.account_id == viewer.id)))
    return list(context.session.scalars(query).unique())


def _relationship(context: Context, viewer: Account, target: Account) -> Response:
    return reply(relations.relationships(context.session, viewer.id, [target.id])[0])


def follow(context: Context) -> Response:
    """POST /api/v1/accounts/ID/follow."""
    context.require_scopes(*WRITE_FOLLOWS)
    viewer = context.require_account()
    target = find_presentable(context)
    if viewer.id == target.id:
        raise errors.said(403, "Following your own account is not allowed")
    relations.follow(context, viewer, target, relations.follow_options(context))
    return _relationship(context, viewer, target)


def unfollow(context: Context) -> Response:
    """POST /api/v1/accounts/ID/unfollow."""
    context.require_scopes(*WRITE_FOLLOWS)
    viewer = context.require_account()
    target = find_presentable(context)
    relations.unfollow(context, viewer.id, target.id)
    return _relationship(context, viewer, target)


def remove_from_followers(context: Context) -> Response:
    """POST /api/v1/accounts/ID/remove_from_followers."""
    context.require_scopes(*WRITE_FOLLOWS)
    viewer = context.require_account()
    target = find_presentable(context)
    relations.unfollow(context, target.id, viewer.id)
    return _relationship(context, viewer, target)


def relationships(context: Context) -> Response:
    """GET /api/v1/accounts/relationships?id[]=."""
    context.require_scopes("read", "read:follows")
    viewer = context.require_account()
    numbers = [to_i(str(item)) for item in context.params.items_of("id")]
    query = select(Account.id).where(Account.id.in_(numbers), Account.requested_deletion_at.is_(None))
    if not context.params.truthy("with_suspended"):
        query = query.where(Account.suspended_at.is_(None))
    return reply(relations.relationships(context.session, viewer.id, sorted(context.session.scalars(query))))


def _connected(context: Context, which: str) -> Response:
    context.require_scopes_if_token(*READ)
    account = find_presentable(context)
    own, other = (
        (Follow.target_account_id, Follow.account_id)
        if which == "followers"
        else (Follow.account_id, Follow.target_account_id)
    )
    viewer = context.account
    if account.unavailable or (account.hide_collections and (viewer is None or viewer.id != account.id)):
        return reply([])
    wanted = paging.page(context.params, DEFAULT_LIMIT)
    links = paging.rows(context.session, select(Follow).where(own == account.id), Follow.id, wanted)
    found = [context.session.get_one(Account, getattr(link, other.key)) for link in links]
    url = context.url(f"/api/v1/accounts/{account.id}/{which}")
    ids = [link.id for link in links]
    header = paging.link_header(url, context.params, ("limit",), ids, more=len(ids) == wanted.limit, prev="since_id")
    return reply([shown.account(context, item) for item in found], headers={"Link": header} if header else None)


def followers(context: Context) -> Response:
    """GET /api/v1/accounts/ID/followers."""
    return _connected(context, "followers")


def following(context: Context) -> Response:
    """GET /api/v1/accounts/ID/following."""
    return _connected(context, "following")


def follow_requests(context: Context) -> Response:
    """GET /api/v1/follow_requests."""
    context.require_scopes("follow", "read", "read:follows")
    viewer = context.require_account()
    wanted = paging.page(context.params, DEFAULT_LIMIT)
    query = select(FollowRequest).where(FollowRequest.target_account_id == viewer.id)
    found = paging.rows(context.session, query, FollowRequest.id, wanted)
    ids = [item.id for item in found]
    url = context.url("/api/v1/follow_requests")
    header = paging.link_header(url, context.params, ("limit",), ids, more=len(ids) == wanted.limit, prev="since_id")
    people = [context.session.get_one(Account, item.account_id) for item in found]
    return reply([shown.account(context, item) for item in people], headers={"Link": header} if header else None)


def _decide(context: Context, *, accept: bool) -> Response:
    context.require_scopes(*WRITE_FOLLOWS)
    viewer = context.require_account()
    source = find(context)
    relations.answer(context, source.id, viewer.id, accept=accept)
    return _relationship(context, viewer, source)


def authorize_request(context: Context) -> Response:
    """POST /api/v1/follow_requests/ID/authorize."""
    return _decide(context, accept=True)


def reject_request(context: Context) -> Response:
    """POST /api/v1/follow_requests/ID/reject."""
    return _decide(context, accept=False)


def confirmations(context: Context) -> Response:
    """POST /api/v1/emails/confirmations: the sandbox sends no mail, so this only checks who asks."""
    context.require_scopes("write", "write:accounts")
    user = context.user
    if user is None or user.created_by_application_id != context.token_application_id:
        raise errors.said(403, "This method is only available to the application the user originally signed-up with")
    if user.confirmed:
        raise errors.said(403, "This method is only available while the e-mail is awaiting confirmation")
    return empty()


def ignored(context: Context) -> Response:
    """Lists that are always empty here: mutes, blocks, lists, filters, conversations."""
    context.require_scopes("read")
    context.require_user()
    return reply([])


_ID = "/api/v1/accounts/{id:int}"
_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/v1/accounts", show_many),
    ("GET", "/api/v1/accounts/lookup", lookup_one),
    ("GET", "/api/v1/accounts/search", search),
    ("GET", "/api/v1/accounts/relationships", relationships),
    ("GET", _ID, show),
    ("POST", f"{_ID}/follow", follow),
    ("POST", f"{_ID}/unfollow", unfollow),
    ("POST", f"{_ID}/remove_from_followers", remove_from_followers),
    ("GET", f"{_ID}/followers", followers),
    ("GET", f"{_ID}/following", following),
    ("GET", "/api/v1/follow_requests", follow_requests),
    ("POST", "/api/v1/follow_requests/{id:int}/authorize", authorize_request),
    ("POST", "/api/v1/follow_requests/{id:int}/reject", reject_request),
    ("POST", "/api/v1/emails/confirmations", confirmations),
    ("GET", "/api/v1/mutes", ignored),
    ("GET", "/api/v1/blocks", ignored),
    ("GET", "/api/v1/lists", ignored),
    ("GET", "/api/v2/filters", ignored),
    ("GET", "/api/v1/conversations", ignored),
)

ENDPOINTS = (
    Endpoint("POST", "/api/v1/accounts", create, open_always=True),
    *(Endpoint(method, path, handler) for method, path, handler in _ROUTES),
)
