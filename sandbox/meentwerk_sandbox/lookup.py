"""Finding accounts the ways the API lets people name them."""

from collections.abc import Callable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from . import urls
from .config import Config
from .domains import InvalidDomain, normalize
from .models import Account


def find(session: Session, username: str, domain: str | None = None) -> Account | None:
    """The account of that name, without regard to case."""
    query = select(Account).where(func.lower(Account.username) == username.lower())
    if domain is None:
        query = query.where(Account.domain.is_(None))
    else:
        query = query.where(func.lower(Account.domain) == domain.lower())
    return session.scalars(query).unique().first()


def by_handle(session: Session, config: Config, handle: str) -> Account | None:
    """`name`, `@name`, `name@domain`; this instance's own domains mean here."""
    username, _, domain = handle.strip().removeprefix("@").partition("@")
    if not username:
        return None
    if not domain or config.is_own_domain(domain):
        return find(session, username)
    try:
        return find(session, username, normalize(domain))
    except InvalidDomain:
        return None


def profile_links(session: Session, config: Config) -> Callable[[str], str | None]:
    """For text.to_html: the profile address behind a mention, asked once per name."""
    known: dict[str, str | None] = {}

    def profile(handle: str) -> str | None:
        if handle not in known:
            account = by_handle(session, config, handle)
            known[handle] = urls.account_url(config, account) if account else None
        return known[handle]

    return profile
