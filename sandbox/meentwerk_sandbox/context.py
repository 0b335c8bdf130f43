"""One request: its parameters, database session and caller, and the checks Mastodon's controllers begin with."""

import ipaddress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from starlette.requests import Request

from . import errors, roles, scopes
from .cache import Valkey
from .clock import ago, now
from .config import Config
from .kinds import Json
from .models import Account, Token, User, role_permissions
from .params import Params
from .roles import Permission
from .view import View

ACCESS_RECORDED_EVERY_HOURS = 24
SIGN_IN_RECORDED_EVERY_HOURS = 24


@dataclass
class Services:
    """What a process shares between requests."""

    config: Config
    sessions: sessionmaker[Session]
    valkey: Valkey


class Context(View):
    """The request a handler answers. Handlers run in a thread; nothing here is shared with others."""

    def __init__(
        self,
        services: Services,
        request: Request,
        params: Params,
        session: Session,
        *,
        address: str,
        token: Token | None,
    ) -> None:
        super().__init__(services.config, session)
        self.services = services
        self.request = request
        self.params = params
        self.address = address
        self.token = token
        self.valkey = services.valkey
        self.headers: dict[str, str] = {}
        self.after_commit: list[tuple[str, list[Any]]] = []

    @property
    def user(self) -> User | None:
        """Who the token speaks for; None for an application alone."""
        return self.token.user if self.token else None

    @property
    def account(self) -> Account | None:
        """The account of the token's user."""
        return self.user.account if self.user else None

    @property
    def token_application_id(self) -> int | None:
        """Which application the token was given to."""
        return self.token.application_id if self.token else None

    def enqueue(self, job: str, *args: Json) -> None:
        """Queue a job when the request's changes are committed, never before."""
        self.after_commit.append((job, list(args)))

    # --- who may

    def require_scopes(self, *any_of: str) -> None:
        """doorkeeper_authorize!: a good token with one of the scopes."""
        if self.token is None:
            raise errors.invalid_token()
        if self.token.revoked_at is not None:
            raise errors.invalid_token("The access token was revoked")
        if not scopes.allows(scopes.split(self.token.scopes), any_of):
            raise errors.outside_scopes()

    def require_scopes_if_token(self, *any_of: str) -> None:
        """authorize_if_got_token!: nothing to show is fine, a token without the scope is not."""
        if self.token is not None:
            self.require_scopes(*any_of)

    def require_not_suspended(self) -> None:
        """Every API request: a suspended account's token opens nothing."""
        if self.account is not None and self.account.unavailable:
            raise errors.said(403, "Your login is currently disabled")

    def require_authenticated(self) -> User:
        """require_authenticated_user!: 401 without a user."""
        if self.user is None:
            raise errors.said(401, "This method requires an authenticated user")
        return self.user

    def require_user(self) -> User:
        """require_user!: a user who may use the service."""
        user = self.user
        if user is None:
            raise errors.said(422, "This method requires an authenticated user")
        if not user.confirmed:
            raise errors.said(403, "Your login is missing a confirmed e-mail address")
        if not user.approved:
            raise errors.said(403, "Your login is currently pending approval")
        missing_2fa = self.role_of(user).require_2fa and not user.otp_required_for_login
        if user.disabled or user.account.unavailable or user.account.memorial or missing_2fa:
            raise errors.said(403, "Your login is currently disabled")
        return user

    def require_account(self) -> Account:
        """The account of require_user."""
        return self.require_user().account

    # --- roles

    def permissions(self) -> int:
        """What the caller may do; nothing without a user."""
        return 0 if self.user is None else role_permissions(self.role_of(self.user), self.everyone)

    def can(self, *any_of: Permission) -> bool:
        """Whether the caller has one of these permissions."""
        return roles.can(self.permissions(), *any_of)

    def authorize(self, *any_of: Permission) -> User:
        """403 unless the caller's role has one of these permissions."""
        if self.user is None or not self.can(*any_of):
            raise errors.not_permitted()
        return self.user

    # --- traces of use

    def record_use(self) -> None:
        """Note when token and user were last active, at most once a day, as Mastodon does."""
        if self.token is None:
            return
        if self.token.last_used_at is None or self.token.last_used_at < ago(hours=ACCESS_RECORDED_EVERY_HOURS):
            self.token.last_used_at = now()
            self.token.last_used_ip = self.address
        user = self.user
        if user is not None and (
            user.current_sign_in_at is None or user.current_sign_in_at < ago(hours=SIGN_IN_RECORDED_EVERY_HOURS)
        ):
            user.last_sign_in_at = user.current_sign_in_at or now()
            user.current_sign_in_at = now()


def find_token(session: Session, text: str | None) -> Token | None:
    """The token with this text, revoked ones too."""
    if not text:
        return None
    return session.scalars(select(Token).where(Token.token == text)).unique().first()


def bearer_of(request: Request) -> str | None:
    """The token of a request: header, or the parameters Doorkeeper accepts."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text.strip():
        return text.strip()
    return request.query_params.get("access_token") or request.query_params.get("bearer_token")


def client_address(request: Request, config: Config) -> str:
    """Whose request it is: the last address of X-Forwarded-For that is no trusted proxy.

    Only a trusted peer may say so; a peer on the unix socket is nginx.
    """
    peer = request.client.host if request.client else ""
    if peer and not _trusted(peer, config):
        return peer
    forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",") if part.strip()]
    for address in reversed(forwarded):
        if _is_address(address) and not _trusted(address, config):
            return address
    return next((address for address in forwarded if _is_address(address)), peer or "127.0.0.1")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _trusted(text: str, config: Config) -> bool:
    return _is_address(text) and any(ipaddress.ip_address(text) in network for network in config.trusted_proxies)
