"""Who may sign up: /api/v1/admin/email_domain_blocks, ip_blocks, canonical_email_blocks."""

import ipaddress
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from starlette.responses import Response

from .. import blocks, domains, errors, moderation
from ..clock import now
from ..context import Context
from ..http import reply
from ..models import CanonicalEmailBlock, EmailDomainBlock, IpBlock
from ..roles import Permission
from ..serializers import admin as shown
from ..validation import BLANK, INVALID_DOMAIN, NOT_IN_LIST, TAKEN, Errors
from . import admin_records
from .routing import Endpoint

BLOCKS = Permission.MANAGE_BLOCKS
CENTURY = 100 * 365 * 86_400


# --- e-mail providers

_EMAIL = "email_domain_blocks"


def list_email(context: Context) -> Response:
    """GET /api/v1/admin/email_domain_blocks."""
    return admin_records.page(context, EmailDomainBlock, _EMAIL, shown.email_domain_block, BLOCKS)


def show_email(context: Context) -> Response:
    """GET /api/v1/admin/email_domain_blocks/ID."""
    return admin_records.show(context, EmailDomainBlock, _EMAIL, shown.email_domain_block, BLOCKS)


def create_email(context: Context) -> Response:
    """POST /api/v1/admin/email_domain_blocks. There is no update: replace the block."""
    admin_records.may(context, "write", _EMAIL)
    moderator = context.authorize(BLOCKS)
    given = context.params.text("domain")
    found = Errors()
    domain = ""
    if not given.strip():
        found.add("domain", BLANK)
    elif not domains.valid(given):
        found.add("domain", INVALID_DOMAIN)
    else:
        domain = domains.normalize(given)
        query = select(EmailDomainBlock.id).where(EmailDomainBlock.domain == domain)
        if context.session.scalars(query).first() is not None:
            found.add("domain", TAKEN)
    found.raise_if_any()
    made = EmailDomainBlock(domain=domain, allow_with_approval=context.params.truthy("allow_with_approval"))
    admin_records.store(context, moderator, made, "domain")
    return reply(shown.email_domain_block(made))


def destroy_email(context: Context) -> Response:
    """DELETE /api/v1/admin/email_domain_blocks/ID."""
    return admin_records.destroy(context, EmailDomainBlock, _EMAIL, "domain", BLOCKS)


# --- addresses

_IP = "ip_blocks"


def list_ip(context: Context) -> Response:
    """GET /api/v1/admin/ip_blocks."""
    return admin_records.page(context, IpBlock, _IP, shown.ip_block, BLOCKS)


def show_ip(context: Context) -> Response:
    """GET /api/v1/admin/ip_blocks/ID."""
    return admin_records.show(context, IpBlock, _IP, shown.ip_block, BLOCKS)


def _network(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return None


def _ip_errors(context: Context, block: IpBlock, network: str | None, severity: int | None) -> Errors:
    """What IpBlock's validations find, in their order."""
    found = Errors()
    if severity is None:
        found.add("severity", NOT_IN_LIST)
    if network is None:
        found.add("ip", BLANK)
    if severity is None and not context.params.present("severity"):
        found.add("severity", BLANK)
    query = select(IpBlock.id).where(IpBlock.ip == func.inet(network))
    if block.id is not None:
        query = query.where(IpBlock.id != block.id)
    if network is not None and context.session.scalars(query).first() is not None:
        found.add("ip", TAKEN)
    return found


def _assign_ip(context: Context, block: IpBlock) -> Errors:
    params = context.params
    network = _network(params.text("ip")) if params.has("ip") else str(block.ip) if block.ip else None
    severity = blocks.SEVERITIES.get(params.text("severity")) if params.has("severity") else block.severity
    found = _ip_errors(context, block, network, severity)
    if found or severity is None:
        return found
    block.ip, block.severity = network, severity
    if params.has("comment"):
        block.comment = params.text("comment")
    if params.has("expires_in"):
        seconds = max(-CENTURY, min(params.integer("expires_in"), CENTURY))
        block.expires_at = now() + timedelta(seconds=seconds) if params.present("expires_in") else None
    return found


def create_ip(context: Context) -> Response:
    """POST /api/v1/admin/ip_blocks."""
    admin_records.may(context, "write", _IP)
    moderator = context.authorize(BLOCKS)
    made = IpBlock(comment="")
    _assign_ip(context, made).raise_if_any()
    admin_records.store(context, moderator, made, "ip")
    context.session.refresh(made)
    return reply(shown.ip_block(made))


def update_ip(context: Context) -> Response:
    """PUT /api/v1/admin/ip_blocks/ID: invalid input changes nothing and is answered with 200, as in 4.6."""
    admin_records.may(context, "write", _IP)
    block: IpBlock = admin_records.find(context, IpBlock)
    moderator = context.authorize(BLOCKS)
    if not _assign_ip(context, block):
        moderation.log(context, moderator, "update", "IpBlock", block.id, str(block.ip))
        context.session.flush()
        context.session.refresh(block)
    return reply(shown.ip_block(block))


def destroy_ip(context: Context) -> Response:
    """DELETE /api/v1/admin/ip_blocks/ID."""
    return admin_records.destroy(context, IpBlock, _IP, "ip", BLOCKS)


# --- hashes of addresses

_HASH = "canonical_email_blocks"


def list_hash(context: Context) -> Response:
    """GET /api/v1/admin/canonical_email_blocks."""
    return admin_records.page(context, CanonicalEmailBlock, _HASH, shown.canonical_email_block, BLOCKS)


def show_hash(context: Context) -> Response:
    """GET /api/v1/admin/canonical_email_blocks/ID."""
    return admin_records.show(context, CanonicalEmailBlock, _HASH, shown.canonical_email_block, BLOCKS)


def test_hash(context: Context) -> Response:
    """POST /api/v1/admin/canonical_email_blocks/test: which block meets this address."""
    admin_records.may(context, "read", _HASH)
    if not context.params.present("email"):
        raise errors.missing_parameter("email")
    context.authorize(BLOCKS)
    digest = blocks.email_hash(context.params.text("email"))
    query = select(CanonicalEmailBlock).where(CanonicalEmailBlock.canonical_email_hash == digest)
    return reply([shown.canonical_email_block(item) for item in context.session.scalars(query)])


def create_hash(context: Context) -> Response:
    """POST /api/v1/admin/canonical_email_blocks with an address or its hash."""
    admin_records.may(context, "write", _HASH)
    moderator = context.authorize(BLOCKS)
    params = context.params
    digest = blocks.email_hash(params.text("email")) if params.present("email") else params.text("canonical_email_hash")
    found = Errors()
    if not digest.strip():
        found.add("canonical_email_hash", BLANK)
    query = select(CanonicalEmailBlock.id).where(CanonicalEmailBlock.canonical_email_hash == digest)
    if context.session.scalars(query).first() is not None:
        found.add("canonical_email_hash", TAKEN)
    found.raise_if_any()
    made = CanonicalEmailBlock(canonical_email_hash=digest)
    admin_records.store(context, moderator, made, "canonical_email_hash")
    return reply(shown.canonical_email_block(made))


def destroy_hash(context: Context) -> Response:
    """DELETE /api/v1/admin/canonical_email_blocks/ID."""
    return admin_records.destroy(context, CanonicalEmailBlock, _HASH, "canonical_email_hash", BLOCKS)


def _routes(name: str, *handlers: tuple[str, str, Any]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(method, f"/api/v1/admin/{name}{path}", handler) for method, path, handler in handlers)


ENDPOINTS = (
    *_routes(
        _EMAIL,
        ("GET", "", list_email),
        ("POST", "", create_email),
        ("GET", "/{id:int}", show_email),
        ("DELETE", "/{id:int}", destroy_email),
    ),
    *_routes(
        _IP,
        ("GET", "", list_ip),
        ("POST", "", create_ip),
        ("GET", "/{id:int}", show_ip),
        ("PUT", "/{id:int}", update_ip),
        ("PATCH", "/{id:int}", update_ip),
        ("DELETE", "/{id:int}", destroy_ip),
    ),
    *_routes(
        _HASH,
        ("GET", "", list_hash),
        ("POST", "", create_hash),
        ("POST", "/test", test_hash),
        ("GET", "/{id:int}", show_hash),
        ("DELETE", "/{id:int}", destroy_hash),
    ),
)
