"""Numbers about other servers: POST /api/v1/admin/measures, for the keys that a rehearsal server can count."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from .. import errors, moderation
from ..context import Context
from ..http import reply
from ..models import Account
from ..params import boolean
from ..roles import Permission
from .routing import Endpoint

MOST_DAYS = 2 * 366  # BaseMeasure looks back two years at most


def _accounts(session: Session, domain: str, *, below: bool) -> int:
    there = or_(Account.domain == domain, Account.domain.like(f"%.{domain}")) if below else Account.domain == domain
    return session.scalar(select(func.count()).select_from(Account).where(there)) or 0


def _follows(session: Session, domain: str, *, below: bool) -> int:
    return moderation.follows_with(session, domain, inwards=False, below=below)


def _followers(session: Session, domain: str, *, below: bool) -> int:
    return moderation.follows_with(session, domain, outwards=False, below=below)


# Keys that a real server knows besides are left out of the answer, as a real one leaves out those that it does not know
_KEYS: dict[str, Callable[..., int]] = {
    "instance_accounts": _accounts,
    "instance_follows": _follows,
    "instance_followers": _followers,
}


def measures(context: Context) -> Response:
    """Totals of now; what was new on each day is not kept, and said to be none."""
    context.require_scopes_if_token("admin:read")
    params = context.params
    for name in ("keys", "start_at", "end_at"):
        if name == "keys" and params.items_of(name):
            continue
        if not params.present(name):
            raise errors.missing_parameter(name)
    keys = [key for key in params.items_of("keys") if key in _KEYS]
    for key in keys:
        if not isinstance(params.get(key), dict):
            raise errors.missing_parameter(key)
    context.authorize(Permission.VIEW_DASHBOARD)
    days = _days(params.text("start_at"), params.text("end_at"))
    return reply([_measure(context, key, days) for key in keys])


def _days(first: str, last: str) -> list[date]:
    try:
        start, end = date.fromisoformat(first[:10]), date.fromisoformat(last[:10])
    except ValueError:
        raise errors.plain(500) from None
    number = min((end - start).days + 1, MOST_DAYS)
    return [end - timedelta(days=back) for back in reversed(range(max(number, 0)))]


def _measure(context: Context, key: str, days: list[date]) -> dict[str, Any]:
    about = context.params[key]
    total = _KEYS[key](
        context.session, str(about.get("domain", "")), below=boolean(about.get("include_subdomains")) is True
    )
    data = [{"date": day.isoformat(), "value": "0"} for day in days]
    return {"key": key, "unit": None, "total": str(total), "data": data}


ENDPOINTS = (Endpoint("POST", "/api/v1/admin/measures", measures),)
