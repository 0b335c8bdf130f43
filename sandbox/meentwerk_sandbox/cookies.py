"""The browser's session: two signed cookies, nothing stored on the server."""

import hashlib
import secrets

from starlette.responses import Response

from .context import Context
from .models import User
from .security import Signer

SESSION, CSRF = "_sandbox_session", "_sandbox_csrf"
SESSION_SECONDS = 24 * 3600
FORM_SECONDS = 3600


def _fingerprint(user: User) -> str:
    """Changes with the password, so that a reset ends every session."""
    return hashlib.sha256(user.encrypted_password.encode()).hexdigest()[:16]


def _signer(context: Context, purpose: str) -> Signer:
    return Signer(context.config.secret_key_base, purpose)


def set_cookie(response: Response, name: str, value: str, lifetime: int) -> None:
    """Set a cookie that scripts and other sites cannot use."""
    response.set_cookie(name, value, max_age=lifetime, path="/", secure=True, httponly=True, samesite="lax")


def sign_in(context: Context, response: Response, user: User) -> None:
    """Begin a session."""
    value = _signer(context, "session").sign({"user": user.id, "mark": _fingerprint(user)}, lifetime=SESSION_SECONDS)
    set_cookie(response, SESSION, value, SESSION_SECONDS)


def sign_out(response: Response) -> None:
    """End the session."""
    response.delete_cookie(SESSION, path="/", secure=True, httponly=True, samesite="lax")


def signed_in(context: Context) -> User | None:
    """Who uses this browser; nobody whose password changed or who was disabled since."""
    value = _signer(context, "session").read(context.request.cookies.get(SESSION, ""))
    user = context.session.get(User, value["user"]) if value else None
    if value is None or user is None or value["mark"] != _fingerprint(user) or user.disabled:
        return None
    return user


def csrf(context: Context) -> tuple[str, str]:
    """A secret for the cookie, and the form's token that fits only it."""
    secret = context.request.cookies.get(CSRF) or secrets.token_urlsafe(16)
    return secret, _signer(context, "csrf").sign({"secret": secret}, lifetime=FORM_SECONDS)


def csrf_good(context: Context) -> bool:
    """Whether the form was sent from a page this browser got from here."""
    value = _signer(context, "csrf").read(context.params.text("authenticity_token"))
    secret = context.request.cookies.get(CSRF, "")
    return value is not None and bool(secret) and secrets.compare_digest(str(value["secret"]).encode(), secret.encode())
