"""What moderators see (REST::Admin::*)."""

import time
from typing import Any

from sqlalchemy import select

from .. import domains
from ..clock import iso
from ..models import (
    Account,
    CanonicalEmailBlock,
    DomainAllow,
    DomainBlock,
    EmailDomainBlock,
    IpBlock,
    Token,
)
from ..view import View
from . import accounts

SEVERITIES = ("silence", "suspend", "noop")
IP_SEVERITIES = {5000: "sign_up_requires_approval", 5500: "sign_up_block", 9999: "no_access"}
DAY = 86_400
HISTORY_DAYS = 7


def account(view: View, shown: Account) -> dict[str, Any]:
    """An account with what its login tells."""
    user = shown.user
    ips = _ips(view, shown)
    result: dict[str, Any] = {
        "id": str(shown.id),
        "username": shown.username,
        "domain": shown.domain,
        "created_at": iso(shown.created_at),
        "email": user.email if user else None,
        "ip": ips[0]["ip"] if ips else None,
        "confirmed": user.confirmed if user else None,
        "suspended": shown.suspended_at is not None,
        "silenced": shown.silenced_at is not None,
        "sensitized": shown.sensitized_at is not None,
        "disabled": user.disabled if user else None,
        "approved": user.approved if user else None,
        "locale": user.locale if user else None,
        "invite_request": user.invite_request.text if user and user.invite_request else None,
    }
    if user is not None and user.created_by_application_id is not None:
        result["created_by_application_id"] = str(user.created_by_application_id)
    return result | {
        "ips": ips,
        "account": accounts.account(view, shown),
        "role": accounts.role(view, view.role_of(user)) if user else None,
    }


def _ips(view: View, shown: Account) -> list[dict[str, Any]]:
    """Where somebody signed up and used tokens from, the latest first (the view user_ips upstream)."""
    user = shown.user
    if user is None:
        return []
    used: dict[str, Any] = {}
    if user.sign_up_ip is not None:
        used[user.sign_up_ip] = user.created_at
    query = select(Token.last_used_ip, Token.last_used_at).where(
        Token.resource_owner_id == user.id, Token.last_used_ip.is_not(None)
    )
    for address, moment in view.session.execute(query):
        if moment is not None and (address not in used or used[address] < moment):
            used[address] = moment
    latest = sorted(used.items(), key=lambda item: item[1], reverse=True)
    return [{"ip": address.partition("/")[0], "used_at": iso(moment)} for address, moment in latest]


def domain_block(shown: DomainBlock) -> dict[str, Any]:
    """A limit on another server."""
    return {
        "id": str(shown.id),
        "domain": shown.domain,
        "digest": domains.digest(shown.domain),
        "created_at": iso(shown.created_at),
        "severity": SEVERITIES[shown.severity],
        "reject_media": shown.reject_media,
        "reject_reports": shown.reject_reports,
        "private_comment": shown.private_comment,
        "public_comment": shown.public_comment,
        "obfuscate": shown.obfuscate,
    }


def domain_allow(shown: DomainAllow) -> dict[str, Any]:
    """A server that is allowed."""
    return {"id": str(shown.id), "domain": shown.domain, "created_at": iso(shown.created_at)}


def email_domain_block(shown: EmailDomainBlock) -> dict[str, Any]:
    """A blocked provider; the history of attempts is not counted here."""
    today = int(time.time()) // DAY * DAY
    history = [{"day": str(today - index * DAY), "accounts": "0", "uses": "0"} for index in range(HISTORY_DAYS)]
    return {
        "id": str(shown.id),
        "domain": shown.domain,
        "created_at": iso(shown.created_at),
        "history": history,
        "allow_with_approval": shown.allow_with_approval,
    }


def ip_block(shown: IpBlock) -> dict[str, Any]:
    """Blocked addresses, always with their prefix length."""
    address = str(shown.ip)
    if "/" not in address:
        address += "/128" if ":" in address else "/32"
    return {
        "id": str(shown.id),
        "ip": address,
        "severity": IP_SEVERITIES[shown.severity],
        "comment": shown.comment,
        "created_at": iso(shown.created_at),
        "expires_at": iso(shown.expires_at),
    }


def canonical_email_block(shown: CanonicalEmailBlock) -> dict[str, Any]:
    """The hash of a blocked address."""
    return {"id": str(shown.id), "canonical_email_hash": shown.canonical_email_hash}
