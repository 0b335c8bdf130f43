"""Who may not sign up: e-mail providers, addresses, hashes of e-mail addresses."""

import hashlib
import re

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .clock import now
from .config import Config
from .domains import InvalidDomain, canonical_email, email_domain, normalize, variants
from .models import CanonicalEmailBlock, EmailDomainBlock, IpBlock

REQUIRES_APPROVAL, SIGN_UP_BLOCK, NO_ACCESS = 5000, 5500, 9999
SEVERITIES = {
    "sign_up_requires_approval": REQUIRES_APPROVAL,
    "sign_up_block": SIGN_UP_BLOCK,
    "no_access": NO_ACCESS,
}


def email_domain_blocked(session: Session, email: str, *, allow_with_approval: bool = False) -> bool:
    """Whether the provider or a parent of its domain is blocked; a domain that is none counts as blocked."""
    try:
        host = normalize(email_domain(email))
    except InvalidDomain:
        return True
    query = select(EmailDomainBlock.id).where(
        EmailDomainBlock.domain.in_(variants(host)), EmailDomainBlock.allow_with_approval == allow_with_approval
    )
    return session.scalars(query).first() is not None


def email_configuration_allows(config: Config, email: str) -> bool:
    """EMAIL_DOMAIN_ALLOWLIST and EMAIL_DOMAIN_DENYLIST of the environment."""

    def matches(domains: tuple[str, ...], end: str) -> bool:
        pattern = "|".join(re.escape(domain) for domain in domains)
        return re.search(rf"@(.+\.)?({pattern}){end}", email, re.IGNORECASE) is not None

    if config.email_domain_denylist and matches(config.email_domain_denylist, ""):
        return False
    return not config.email_domain_allowlist or matches(config.email_domain_allowlist, "$")


def email_hash(email: str) -> str:
    """The hash under which an address is blocked."""
    return hashlib.sha256(canonical_email(email).encode()).hexdigest()


def canonical_email_blocked(session: Session, email: str) -> bool:
    """Whether the address, in its canonical form, may not sign up again."""
    query = select(CanonicalEmailBlock.id).where(CanonicalEmailBlock.canonical_email_hash == email_hash(email))
    return session.scalars(query).first() is not None


def address_has(session: Session, address: str, severity: int) -> bool:
    """Whether an IP block of exactly this severity holds the address."""
    query = select(IpBlock.id).where(
        IpBlock.severity == severity,
        IpBlock.ip.op(">>=")(func.inet(address)),
        (IpBlock.expires_at.is_(None)) | (IpBlock.expires_at > now()),
    )
    return session.scalars(query).first() is not None
