"""Moderating accounts: /api/v1/admin/accounts and /api/v2/admin/accounts."""

import ipaddress
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, false, func, select
from starlette.responses import Response

from .. import errors, moderation, paging
from ..context import Context
from ..http import empty, reply
from ..kinds import Column, Json
from ..models import Account, Role, Token, User, role_permissions
from ..params import to_i
from ..roles import Permission, can
from ..serializers import admin as shown
from .routing import Endpoint

LIMIT = 100
READ = ("admin:read", "admin:read:accounts")
WRITE = ("admin:write", "admin:write:accounts")
V1_FILTERS = (
    *("local", "remote", "by_domain", "active", "pending", "disabled", "sensitized", "silenced", "suspended"),
    *("username", "display_name", "email", "ip", "staff"),
)
V2_FILTERS = (
    *("origin", "status", "permissions", "username", "by_domain", "display_name", "email", "ip", "invited_by"),
    "role_ids",
)


def find(context: Context) -> Account:
    """The account of the path, or 404; moderators see suspended and pending ones."""
    number = to_i(str(context.params["id"]))
    found = context.session.get(Account, number) if number < 1 << 63 else None
    if found is None:
        raise errors.record_not_found()
    return found


def _local(account: Account) -> User:
    if not account.local or account.user is None:
        raise errors.plain(403)
    return account.user


def _staff(context: Context) -> list[int]:
    roles = context.session.scalars(select(Role))
    able = [role for role in roles if can(role_permissions(role, context.everyone), Permission.MANAGE_REPORTS)]
    return [role.id for role in able]


def _list(context: Context, path: str, keep: tuple[str, ...], filters: dict[str, Any]) -> Response:
    context.require_scopes_if_token(*READ)
    context.authorize(Permission.MANAGE_USERS)
    query = select(Account).join(User, isouter=True).where(Account.id > 0)
    for name, value in filters.items():
        if value not in (None, "", []):
            query = query.where(_condition(name, value))
    wanted = paging.page(context.params, LIMIT)
    found = paging.rows(context.session, query, Account.id, wanted)
    ids = [item.id for item in found]
    header = paging.link_header(context.url(path), context.params, ("limit", *keep), ids, more=len(ids) == wanted.limit)
    return reply([shown.account(context, item) for item in found], headers={"Link": header} if header else None)


def _starts(column: Column, value: str) -> ColumnElement[bool]:
    result: ColumnElement[bool] = func.lower(column).startswith(value.strip().lower(), autoescape=True)
    return result


def _condition(name: str, value: Json) -> ColumnElement[bool]:
    """AccountFilter#scope_for."""
    if name == "role_ids":
        return User.role_id.in_([to_i(str(item)) for item in (value if isinstance(value, list) else [value])])
    text = str(value).strip()
    conditions: dict[str, Callable[[], ColumnElement[bool]]] = {
        "origin": lambda: _origin(text),
        "status": lambda: _status(text),
        "by_domain": lambda: Account.domain == text,
        "ip": lambda: _address(text),
        "username": lambda: _starts(Account.username, text.removeprefix("@")),
        "display_name": lambda: _starts(Account.display_name, text),
        "email": lambda: _starts(User.email, text),
        "invited_by": false,  # nobody is
    }
    return conditions[name]()


def _origin(value: str) -> ColumnElement[bool]:
    if value not in {"local", "remote"}:
        raise errors.said(400, f"Unknown origin: {value}")
    return Account.domain.is_(None) if value == "local" else Account.domain.is_not(None)


def _status(value: str) -> ColumnElement[bool]:
    states: dict[str, ColumnElement[bool]] = {
        "active": Account.suspended_at.is_(None),
        "pending": User.approved.is_(False),
        "suspended": Account.suspended_at.is_not(None),
        "disabled": User.disabled.is_(True) & Account.suspended_at.is_(None),
        "silenced": Account.silenced_at.is_not(None),
        "sensitized": Account.sensitized_at.is_not(None),
    }
    if value not in states:
        raise errors.said(400, f"Unknown status: {value}")
    return states[value]


def _address(value: str) -> ColumnElement[bool]:
    try:
        network = str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return false()
    inside = Token.last_used_ip.op("<<=")(func.inet(network))
    used = select(Token.resource_owner_id).where(inside)
    return User.sign_up_ip.op("<<=")(func.inet(network)) | User.id.in_(used)


def list_v1(context: Context) -> Response:
    """GET /api/v1/admin/accounts: local and active unless told otherwise."""
    params = context.params
    filters: dict[str, Any] = {"origin": "local", "status": "active"}
    for name in ("username", "by_domain", "display_name", "email", "ip"):
        filters[name] = params.optional(name)
    if params.present("remote"):
        filters["origin"] = None if filters["by_domain"] else "remote"
    for name in ("active", "pending", "disabled", "silenced", "suspended"):
        if params.present(name):
            filters["status"] = name
    if params.present("staff"):
        filters["role_ids"] = _staff(context)
    return _list(context, "/api/v1/admin/accounts", V1_FILTERS, filters)


def list_v2(context: Context) -> Response:
    """GET /api/v2/admin/accounts."""
    params = context.params
    names = ("origin", "status", "username", "by_domain", "display_name", "email", "ip", "invited_by")
    filters: dict[str, Any] = {name: params.optional(name) for name in names}
    filters["role_ids"] = params.items_of("role_ids")
    if filters["origin"] == "remote" and filters["by_domain"]:
        filters["origin"] = None
    if params.text("permissions") == "staff":
        filters["role_ids"] = _staff(context)
    return _list(context, "/api/v2/admin/accounts", V2_FILTERS, filters)


def show(context: Context) -> Response:
    """GET /api/v1/admin/accounts/ID."""
    context.require_scopes_if_token(*READ)
    account = find(context)
    context.authorize(Permission.MANAGE_USERS)
    return reply(shown.account(context, account))


def _change(context: Context, account: Account, moderator: User, action: str, target: str = "Account") -> Response:
    moderation.log(context, moderator, action, target, account.id, account.acct)
    context.session.flush()
    return reply(shown.account(context, account))


def enable(context: Context) -> Response:
    """POST /api/v1/admin/accounts/ID/enable."""
    context.require_scopes_if_token(*WRITE)
    account = find(context)
    user = _local(account)
    moderator = context.authorize(Permission.MANAGE_USERS)
    user.disabled = False
    return _change(context, account, moderator, "enable", "User")


def approve(context: Context) -> Response:
    """POST /api/v1/admin/accounts/ID/approve; 403 for somebody who is approved."""
    context.require_scopes_if_token(*WRITE)
    account = find(context)
    user = _local(account)
    moderator = context.authorize(Permission.MANAGE_USERS)
    if user.approved:
        raise errors.not_permitted()
    user.approved = True
    return _change(context, account, moderator, "approve", "User")


def reject(context: Context) -> Response:
    """POST /api/v1/admin/accounts/ID/reject: the account and its name are free again."""
    context.require_scopes_if_token(*WRITE)
    account = find(context)
    user = _local(account)
    moderator = context.authorize(Permission.MANAGE_USERS)
    if user.approved:
        raise errors.not_permitted()
    moderation.log(context, moderator, "reject", "User", account.id, account.acct)
    context.session.flush()
    moderation.erase(context, account)
    return empty()


def unsensitive(context: Context) -> Response:
    """POST /api/v1/admin/accounts/ID/unsensitive."""
    context.require_scopes_if_token(*WRITE)
    account = find(context)
    moderator = context.authorize(Permission.MANAGE_USERS)
    account.sensitized_at = None
    return _change(context, account, moderator, "unsensitive")


def unsilence(context: Context) -> Response:
    """POST /api/v1/admin/accounts/ID/unsilence."""
    context.require_scopes_if_token(*WRITE)
    account = find(context)
    moderator = context.authorize(Permission.MANAGE_USERS)
    account.silenced_at = None
    return _change(context, account, moderator, "unsilence")


def unsuspend(context: Context) -> Response:
    """POST /api/v1/admin/accounts/ID/unsuspend; 403 for somebody who is not suspended here."""
    context.require_scopes_if_token(*WRITE)
    account = find(context)
    moderator = context.authorize(Permission.MANAGE_USERS)
    if not account.suspended_locally:
        raise errors.not_permitted()
    moderation.unsuspend(context, account)
    return _change(context, account, moderator, "unsuspend")


def action(context: Context) -> Response:
    """POST /api/v1/admin/accounts/ID/action. No mail is sent, whatever send_email_notification says."""
    context.require_scopes_if_token(*WRITE)
    account = find(context)
    moderator = context.authorize(Permission.MANAGE_USERS)
    moderation.act(context, moderator, account)
    return empty()


def destroy(context: Context) -> Response:
    """DELETE /api/v1/admin/accounts/ID: only a suspended account."""
    context.require_scopes_if_token(*WRITE)
    account = find(context)
    moderator = context.authorize(Permission.DELETE_USER_DATA)
    if account.suspended_at is None or account.requested_deletion_at is not None:
        raise errors.not_permitted()
    moderation.log(context, moderator, "destroy", "Account", account.id, account.acct)
    context.enqueue("Admin::AccountDeletionWorker", account.id)
    return empty()


def reports(context: Context) -> Response:
    """GET /api/v1/admin/reports: the sandbox takes no reports."""
    context.require_scopes_if_token("admin:read", "admin:read:reports")
    context.authorize(Permission.MANAGE_REPORTS)
    return reply([])


def report(context: Context) -> Response:
    """GET /api/v1/admin/reports/ID."""
    context.require_scopes_if_token("admin:read", "admin:read:reports")
    raise errors.record_not_found()


_ID = "/api/v1/admin/accounts/{id:int}"
_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/v1/admin/accounts", list_v1),
    ("GET", "/api/v2/admin/accounts", list_v2),
    ("GET", _ID, show),
    ("DELETE", _ID, destroy),
    ("POST", f"{_ID}/action", action),
    ("POST", f"{_ID}/enable", enable),
    ("POST", f"{_ID}/approve", approve),
    ("POST", f"{_ID}/reject", reject),
    ("POST", f"{_ID}/unsensitive", unsensitive),
    ("POST", f"{_ID}/unsilence", unsilence),
    ("POST", f"{_ID}/unsuspend", unsuspend),
    ("GET", "/api/v1/admin/reports", reports),
    ("GET", "/api/v1/admin/reports/{id:int}", report),
)

ENDPOINTS = tuple(Endpoint(method, path, handler) for method, path, handler in _ROUTES)
