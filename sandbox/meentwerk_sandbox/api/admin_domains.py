"""Other servers: /api/v1/admin/domain_blocks and /api/v1/admin/domain_allows."""

from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from .. import domains, errors, moderation
from ..context import Context
from ..http import empty, reply
from ..models import DomainAllow, DomainBlock
from ..params import boolean
from ..roles import Permission
from ..serializers import admin as shown
from ..validation import BLANK, INVALID_DOMAIN, NOT_IN_LIST, TAKEN, Errors
from . import admin_records
from .routing import Endpoint

MAX_LIMIT = 500
BLOCKS, ALLOWS = "domain_blocks", "domain_allows"
FEDERATION = Permission.MANAGE_FEDERATION
FLAGS = ("reject_media", "reject_reports", "obfuscate")
COMMENTS = ("private_comment", "public_comment")
INVALID_SEVERITY = -1


def _severity(context: Context) -> int:
    name = context.params.text("severity")
    return shown.SEVERITIES.index(name) if name in shown.SEVERITIES else INVALID_SEVERITY


def _assign(context: Context, block: DomainBlock) -> None:
    params = context.params
    for name in FLAGS:
        if params.has(name):
            setattr(block, name, boolean(params[name]) is True)
    for name in COMMENTS:
        if params.has(name):
            setattr(block, name, None if params[name] is None else params.text(name))


def list_blocks(context: Context) -> Response:
    """GET /api/v1/admin/domain_blocks."""
    return admin_records.page(context, DomainBlock, BLOCKS, shown.domain_block, FEDERATION, MAX_LIMIT)


def show_block(context: Context) -> Response:
    """GET /api/v1/admin/domain_blocks/ID."""
    return admin_records.show(context, DomainBlock, BLOCKS, shown.domain_block, FEDERATION)


def create_block(context: Context) -> Response:
    """POST /api/v1/admin/domain_blocks.

    422 with the existing block when there is one for the domain, or a parent's that is not weaker.
    """
    admin_records.may(context, "write", BLOCKS)
    moderator = context.authorize(FEDERATION)
    given = context.params.text("domain")
    block = DomainBlock(severity=_severity(context) if context.params.has("severity") else moderation.SILENCE)
    block.reject_media = block.reject_reports = block.obfuscate = False
    _assign(context, block)
    domain = _normalized(given)
    if given.strip() and domain is not None:
        existing = moderation.rule_for(context, domains.variants(domain))
        if existing is not None and (existing.domain == domain or not moderation.stricter(block, existing)):
            message = f"You have already imposed stricter limits on {existing.domain}."
            raise errors.ApiError(422, {"error": message, "existing_domain_block": shown.domain_block(existing)})
    found = Errors()
    if block.severity == INVALID_SEVERITY:
        found.add("severity", NOT_IN_LIST)
    _check_domain(given, found)
    found.raise_if_any()
    block.domain = domain or ""
    admin_records.store(context, moderator, block, "domain")
    context.enqueue("DomainBlockWorker", block.id)
    return reply(shown.domain_block(block))


def _normalized(given: str) -> str | None:
    try:
        return domains.normalize(given)
    except domains.InvalidDomain:
        return None


def _check_domain(given: str, found: Errors) -> None:
    if not given.strip():
        found.add("domain", BLANK)
    elif not domains.valid(given):
        found.add("domain", INVALID_DOMAIN)


def update_block(context: Context) -> Response:
    """PUT /api/v1/admin/domain_blocks/ID; the domain cannot change."""
    admin_records.may(context, "write", BLOCKS)
    block = admin_records.find(context, DomainBlock)
    moderator = context.authorize(FEDERATION)
    if context.params.has("severity"):
        severity = _severity(context)
        if severity == INVALID_SEVERITY:
            found = Errors()
            found.add("severity", NOT_IN_LIST)
            found.raise_if_any()
        block.severity = severity
    _assign(context, block)
    context.session.flush()
    moderation.log(context, moderator, "update", "DomainBlock", block.id, block.domain)
    context.enqueue("DomainBlockWorker", block.id)
    return reply(shown.domain_block(block))


def destroy_block(context: Context) -> Response:
    """DELETE /api/v1/admin/domain_blocks/ID."""
    admin_records.may(context, "write", BLOCKS)
    block = admin_records.find(context, DomainBlock)
    moderator = context.authorize(FEDERATION)
    moderation.log(context, moderator, "destroy", "DomainBlock", block.id, block.domain)
    moderation.lift(context, block)
    return empty()


def list_allows(context: Context) -> Response:
    """GET /api/v1/admin/domain_allows."""
    return admin_records.page(context, DomainAllow, ALLOWS, shown.domain_allow, FEDERATION, MAX_LIMIT)


def show_allow(context: Context) -> Response:
    """GET /api/v1/admin/domain_allows/ID."""
    return admin_records.show(context, DomainAllow, ALLOWS, shown.domain_allow, FEDERATION)


def create_allow(context: Context) -> Response:
    """POST /api/v1/admin/domain_allows: the same spelling again gives the one that exists."""
    admin_records.may(context, "write", ALLOWS)
    moderator = context.authorize(FEDERATION)
    given = context.params.text("domain")
    existing = context.session.scalars(select(DomainAllow).where(DomainAllow.domain == given)).first()
    if existing is not None:
        return reply(shown.domain_allow(existing))
    found = Errors()
    _check_domain(given, found)
    domain = _normalized(given) or ""
    query = select(DomainAllow.id).where(DomainAllow.domain == domain)
    if domain and context.session.scalars(query).first() is not None:
        found.add("domain", TAKEN)
    found.raise_if_any()
    made = DomainAllow(domain=domain)
    admin_records.store(context, moderator, made, "domain")
    return reply(shown.domain_allow(made))


def destroy_allow(context: Context) -> Response:
    """DELETE /api/v1/admin/domain_allows/ID; in limited federation the domain's accounts are suspended."""
    admin_records.may(context, "write", ALLOWS)
    allow = admin_records.find(context, DomainAllow)
    moderator = context.authorize(FEDERATION)
    moderation.log(context, moderator, "destroy", "DomainAllow", allow.id, allow.domain)
    moderation.disallow(context.session, allow, limited=context.config.limited_federation)
    return empty()


_BLOCKS, _ALLOWS = "/api/v1/admin/domain_blocks", "/api/v1/admin/domain_allows"
_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", _BLOCKS, list_blocks),
    ("POST", _BLOCKS, create_block),
    ("GET", _BLOCKS + "/{id:int}", show_block),
    ("PUT", _BLOCKS + "/{id:int}", update_block),
    ("PATCH", _BLOCKS + "/{id:int}", update_block),
    ("DELETE", _BLOCKS + "/{id:int}", destroy_block),
    ("GET", _ALLOWS, list_allows),
    ("POST", _ALLOWS, create_allow),
    ("GET", _ALLOWS + "/{id:int}", show_allow),
    ("DELETE", _ALLOWS + "/{id:int}", destroy_allow),
)

ENDPOINTS = tuple(Endpoint(method, path, handler) for method, path, handler in _ROUTES)
