"""bin/batch states: what many local accounts are like, as bin/batch of the real application tells it."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .batch_items import result
from .config import Config
from .models import Account, Application, Identity, User

EVERY = "*"
PLAIN = (
    *("username", "display_name", "note", "locked", "discoverable", "indexable", "attribution_domains", "bot"),
    *("avatar_description", "header_description"),
)


def states(session: Session, _config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read accounts by name; the name * stands for every local account. Changes nothing."""
    names = [item["username"] for item in items]
    query = select(Account).where(Account.domain.is_(None), Account.id > 0).order_by(Account.id)
    if EVERY not in names:
        query = query.where(func.lower(Account.username).in_([name.lower() for name in names]))
    found = {account.username.lower(): account for account in session.scalars(query).unique()}
    makers, identities = _makers(session), _identities(session)
    wanted = [name for name in names if name != EVERY]
    if EVERY in names:
        wanted += [account.username for account in found.values() if account.username not in wanted]
    results = []
    for name in wanted:
        account = found.get(name.lower())
        if account is None:
            results.append(result(name, "absent"))
        else:
            results.append(result(name, "found", state=_profile(account) | _user(account.user, makers, identities)))
    return results


def _makers(session: Session) -> dict[int, str]:
    return {row.id: row.name for row in session.execute(select(Application.id, Application.name))}


def _identities(session: Session) -> dict[int, list[dict[str, str]]]:
    found: dict[int, list[dict[str, str]]] = {}
    for row in session.scalars(select(Identity).order_by(Identity.id)):
        found.setdefault(row.user_id, []).append({"provider": row.provider, "uid": row.uid})
    return found


def _profile(account: Account) -> dict[str, Any]:
    stat = account.stat
    return {
        **{name: getattr(account, name) for name in PLAIN},
        "fields": [
            {"name": field.get("name"), "value": field.get("value"), "verified_at": field.get("verified_at")}
            for field in account.fields
        ],
        "avatar": account.avatar_file_name,
        "header": account.header_file_name,
        "suspended": account.suspended_at is not None,
        "statuses_count": stat.statuses_count if stat else 0,
        "last_status_at": _moment(stat.last_status_at) if stat else None,
        "created_at": _moment(account.created_at),
    }


def _user(user: User | None, makers: dict[int, str], identities: dict[int, list[dict[str, str]]]) -> dict[str, Any]:
    """A deleted account keeps its name and has no user."""
    if user is None:
        return {"email": None}
    role = user.own_role
    return {
        "email": user.email,
        "confirmed": user.confirmed,
        "approved": user.approved,
        "disabled": user.disabled,
        "locale": user.locale,
        "role": role.name if role else None,
        "role_requires_2fa": role.require_2fa if role else False,
        "two_factor": user.otp_required_for_login,
        "signed_in": user.sign_in_count > 0,
        "reset_sent_at": _moment(user.reset_password_sent_at),
        "created_by": makers.get(user.created_by_application_id or 0),
        "identities": identities.get(user.id, []),
    }


def _moment(time: datetime | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None
