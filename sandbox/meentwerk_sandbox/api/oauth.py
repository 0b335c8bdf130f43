"""The token endpoint: /oauth/token, /oauth/revoke, /oauth/userinfo (Doorkeeper as Mastodon configures it)."""

import base64
import binascii
import secrets
from datetime import timedelta

from sqlalchemy import select
from starlette.responses import Response

from .. import accounts, clock, errors, feeds, scopes, security
from ..clock import now
from ..context import Context
from ..http import reply
from ..models import Application, Grant, Token, User
from ..serializers import accounts as shown
from .routing import Endpoint

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache", "Vary": "Accept, Origin"}
INVALID_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, or unsupported"
    " authentication method."
)
INVALID_GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the"
    " authorization request, or was issued to another client."
)
INVALID_SCOPE = "The requested scope is invalid, unknown, or malformed."
UNSUPPORTED_GRANT = "The authorization grant type is not supported by the authorization server."


def missing(name: str) -> errors.ApiError:
    """A required parameter is missing."""
    return errors.oauth("invalid_request", f"Missing required parameter: {name}.")


def token_body(token: Token) -> dict[str, object]:
    """Doorkeeper::OAuth::TokenResponse."""
    return {
        "access_token": token.token,
        "token_type": "Bearer",
        "scope": token.scopes or "",
        "created_at": clock.epoch(token.created_at),
    }


def token(context: Context) -> Response:
    """POST /oauth/token."""
    kind = context.params.text("grant_type")
    if not kind:
        raise missing("grant_type")
    if kind == "client_credentials":
        made = _client_credentials(context)
    elif kind == "authorization_code":
        made = _authorization_code(context)
    else:
        raise errors.oauth("unsupported_grant_type", UNSUPPORTED_GRANT)
    return reply(token_body(made), headers=NO_STORE)


def client(context: Context) -> Application:
    """The application that asks: HTTP Basic, or client_id and client_secret."""
    uid, secret = context.params.text("client_id"), context.params.text("client_secret")
    scheme, _, encoded = context.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            uid, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            uid = secret = ""
    found = context.session.scalars(select(Application).where(Application.uid == uid)).first()
    if found is None or not secrets.compare_digest(found.secret.encode(), secret.encode()):
        raise errors.oauth("invalid_client", INVALID_CLIENT, 401)
    return found


def _client_credentials(context: Context) -> Token:
    application = client(context)
    wanted = scopes.split(context.params.text("scope")) or [scopes.DEFAULT]
    if not scopes.all_supported(wanted) or not scopes.covers(scopes.split(application.scopes), wanted):
        raise errors.oauth("invalid_scope", INVALID_SCOPE)
    return accounts.token_for(context.session, application, None, " ".join(wanted))[0]


def _authorization_code(context: Context) -> Token:
    params = context.params
    application = client(context)
    for name in ("code", "redirect_uri"):
        if not params.present(name):
            raise missing(name)
    grant = context.session.scalars(select(Grant).where(Grant.token == params.text("code")).with_for_update()).first()
    if (
        grant is None
        or grant.application_id != application.id
        or grant.revoked_at is not None
        or grant.created_at + timedelta(seconds=grant.expires_in) < now()
        or grant.redirect_uri != params.text("redirect_uri")
        or not _verifier_fits(grant, params.text("code_verifier"))
    ):
        raise errors.oauth("invalid_grant", INVALID_GRANT)
    grant.revoked_at = now()
    user = context.session.get(User, grant.resource_owner_id)
    return accounts.token_for(context.session, application, user, grant.scopes or scopes.DEFAULT)[0]


def _verifier_fits(grant: Grant, verifier: str) -> bool:
    if not grant.code_challenge:
        return not verifier
    return bool(verifier) and secrets.compare_digest(
        security.code_challenge(verifier).encode(), grant.code_challenge.encode()
    )


def revoke(context: Context) -> Response:
    """POST /oauth/revoke (RFC 7009): unknown tokens are fine, other clients' tokens are not."""
    found = context.session.scalars(select(Token).where(Token.token == context.params.text("token"))).unique().first()
    application = client(context)
    if found is not None and found.application_id != application.id:
        description = "You are not authorized to revoke this token"
        raise errors.ApiError(403, {"error": "unauthorized_client", "error_description": description})
    if found is not None and found.revoked_at is None:
        found.revoked_at = now()
        feeds.kill(context.valkey, f"timeline:access_token:{found.id}")
    return reply({}, headers=NO_STORE)


def userinfo(context: Context) -> Response:
    """GET /oauth/userinfo."""
    context.require_scopes("profile")
    account = context.require_account()
    seen = shown.account(context, account)
    return reply(
        {
            "iss": context.url("/"),
            "sub": seen["uri"],
            "name": account.display_name,
            "preferred_username": account.username,
            "profile": seen["url"],
            "picture": seen["avatar"],
        }
    )


ENDPOINTS = (
    Endpoint("POST", "/oauth/token", token, open_always=True),
    Endpoint("POST", "/oauth/revoke", revoke, open_always=True),
    Endpoint("GET", "/oauth/userinfo", userinfo),
    Endpoint("POST", "/oauth/userinfo", userinfo),
)
