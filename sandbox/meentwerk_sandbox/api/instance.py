"""What the instance says of itself: /api/v1/instance, /api/v2/instance and what lies below."""

import time
from datetime import timedelta

from sqlalchemy import func, select
from starlette.responses import Response

from .. import domains, errors, text
from ..clock import ago, iso_seconds
from ..context import Context
from ..http import cached, reply
from ..models import Account, DomainBlock, Setting, Status, User
from ..serializers import instances
from .routing import Endpoint

PUBLIC = {"Cache-Control": cached(300), "Vary": "Accept, Origin"}
WEEKS = 12
# `head 404` of a part that the settings switch off: no body, not even JSON.
OFF_HEADERS = {"Content-Type": "text/html"}
SECONDS_PER_WEEK = 7 * 24 * 3600
SILENCE, SUSPEND = 0, 1
SEVERITIES = ("silence", "suspend", "noop")


def _off() -> Response:
    return Response(b"", 404, OFF_HEADERS)


def v1(context: Context) -> Response:
    """GET /api/v1/instance (deprecated, still used)."""
    return reply(instances.v1(context), headers=PUBLIC)


def v2(context: Context) -> Response:
    """GET /api/v2/instance."""
    return reply(instances.v2(context), headers=PUBLIC)


def rules(context: Context) -> Response:
    """GET /api/v1/instance/rules."""
    return reply(instances.rules(context), headers=PUBLIC)


def extended_description(context: Context) -> Response:
    """GET /api/v1/instance/extended_description."""
    row = context.session.scalars(select(Setting).where(Setting.var == "site_extended_description")).first()
    if row is None or not row.value:
        return reply({"updated_at": None, "content": ""}, headers=PUBLIC)
    content = {"updated_at": iso_seconds(row.updated_at), "content": text.simple_markdown(str(row.value))}
    return reply(content, headers=PUBLIC)


def privacy_policy(context: Context) -> Response:
    """GET /api/v1/instance/privacy_policy."""
    content = context.settings.text("site_terms") or "This rehearsal server has no privacy policy."
    return reply({"updated_at": "2022-10-07T00:00:00+00:00", "content": text.simple_markdown(content)}, headers=PUBLIC)


def terms_of_service(_context: Context) -> Response:
    """GET /api/v1/instance/terms_of_service: none was ever published."""
    raise errors.record_not_found()


def peers(context: Context) -> Response:
    """GET /api/v1/instance/peers: domains known; 404 without a body when switched off."""
    if not context.settings["peers_api_enabled"] or context.config.limited_federation:
        return _off()
    query = select(Account.domain).where(Account.domain.is_not(None)).distinct().order_by(Account.domain)
    return reply(list(context.session.scalars(query)), headers=PUBLIC)


def activity(context: Context) -> Response:
    """GET /api/v1/instance/activity: twelve weeks, newest first."""
    if not context.settings["activity_api_enabled"] or context.config.limited_federation:
        return _off()
    weeks = []
    for index in range(WEEKS):
        end = ago(weeks=index)
        start = end - timedelta(weeks=1)

        def total(column: object, since: object = start, until: object = end) -> str:
            query = select(func.count()).where(column > since, column <= until)  # type: ignore[operator]
            return str(context.session.scalar(query) or 0)

        weeks.append(
            {
                "week": str(int(time.time()) - index * SECONDS_PER_WEEK),
                "statuses": total(Status.created_at),
                "logins": total(User.current_sign_in_at),
                "registrations": total(User.created_at),
            }
        )
    return reply(weeks, headers=PUBLIC)


def domain_blocks(context: Context) -> Response:
    """GET /api/v1/instance/domain_blocks, for whom the settings say."""
    audience = context.settings["show_domain_blocks"]
    member = context.user is not None and context.user.confirmed and context.user.approved
    if audience != "all" and not (audience == "users" and member):
        return _off()
    reasons = context.settings["show_domain_blocks_rationale"]
    with_comment = reasons == "all" or (reasons == "users" and member)
    query = (
        select(DomainBlock)
        .where(DomainBlock.severity.in_((SILENCE, SUSPEND)))
        .order_by(DomainBlock.severity, DomainBlock.domain)
    )
    blocks = [
        {
            "domain": domains.obfuscated(block.domain) if block.obfuscate else block.domain,
            "digest": domains.digest(block.domain),
            "severity": SEVERITIES[block.severity],
            "comment": block.public_comment if with_comment else None,
        }
        for block in context.session.scalars(query)
    ]
    return reply(blocks, headers=PUBLIC if audience == "all" else None)


def translation_languages(_context: Context) -> Response:
    """GET /api/v1/instance/translation_languages: no translation service."""
    return reply({}, headers=PUBLIC)


def custom_emojis(_context: Context) -> Response:
    """GET /api/v1/custom_emojis: none."""
    return reply([], headers=PUBLIC)


_BELOW = tuple(
    Endpoint("GET", path, handler, open_unless_limited=True)
    for path, handler in (
        ("/api/v1/instance/rules", rules),
        ("/api/v1/instance/extended_description", extended_description),
        ("/api/v1/instance/privacy_policy", privacy_policy),
        ("/api/v1/instance/terms_of_service", terms_of_service),
        ("/api/v1/instance/peers", peers),
        ("/api/v1/instance/activity", activity),
        ("/api/v1/instance/domain_blocks", domain_blocks),
        ("/api/v1/instance/translation_languages", translation_languages),
        ("/api/v1/custom_emojis", custom_emojis),
    )
)
ENDPOINTS = (
    *_BELOW,
    Endpoint("GET", "/api/v1/instance", v1, open_always=True),
    Endpoint("GET", "/api/v2/instance", v2, open_always=True),
)
