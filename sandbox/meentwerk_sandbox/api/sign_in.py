"""Pages on which a person signs in and lets an application in."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sqlalchemy import func, select
from starlette.responses import Response

from .. import cookies, scopes, security
from ..clock import now
from ..context import Context
from ..http import PAGE_POLICY, page, redirect
from ..models import Application, Grant, User
from .apps import NATIVE
from .oauth import INVALID_CLIENT, INVALID_SCOPE
from .routing import Endpoint

CODE_SECONDS = 600
WRONG = "Invalid E-mail address or password."
# The answer to a consent leads to the application, so the form's target cannot be limited to this server.
CONSENT_POLICY = PAGE_POLICY.replace("; form-action 'self'", "")
BAD_REDIRECT = "The redirect uri included is not valid."


def form(context: Context, problem: str = "", status: int = 200) -> Response:
    """GET /auth/sign_in."""
    secret, csrf = cookies.csrf(context)
    response = page(
        context.config,
        "sign_in.html",
        status,
        csrf=csrf,
        problem=problem,
        return_to=_local(context.params.text("return_to")),
    )
    cookies.set_cookie(response, cookies.CSRF, secret, cookies.FORM_SECONDS)
    return response


def show_form(context: Context) -> Response:
    """GET /auth/sign_in."""
    return form(context)


def sign_in(context: Context) -> Response:
    """POST /auth/sign_in."""
    if not cookies.csrf_good(context):
        return form(context, "Security verification failed. Are you blocking cookies?", 422)
    given = context.params.get("user")
    given = given if isinstance(given, dict) else {}
    email, password = str(given.get("email", "")).strip(), str(given.get("password", ""))
    query = select(User).where(func.lower(User.email) == email.lower())
    user = context.session.scalars(query).unique().first()
    # Both branches hash a password: the time taken tells nobody which addresses exist.
    if not security.password_matches(user.encrypted_password if user else "", password) or user is None:
        return form(context, WRONG, 422)
    problem = _unusable(user)
    if problem:
        return form(context, problem, 422)
    user.last_sign_in_at, user.current_sign_in_at = user.current_sign_in_at or now(), now()
    user.sign_in_count += 1
    response = redirect(_local(context.params.text("return_to")), 303)
    cookies.sign_in(context, response, user)
    return response


def _unusable(user: User) -> str | None:
    if not user.confirmed:
        return "You have to confirm your e-mail address before continuing."
    if not user.approved:
        return "Your application is pending review by our staff."
    if user.disabled or user.account.unavailable:
        return "Your account was suspended or disabled."
    return None


def sign_out(context: Context) -> Response:
    """POST /auth/sign_out."""
    if not cookies.csrf_good(context):
        return form(context, "Security verification failed. Are you blocking cookies?", 422)
    response = redirect("/", 303)
    cookies.sign_out(response)
    return response


def _local(target: str) -> str:
    """A place on this server to go to, never another site."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    good = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc
    return target if good and "\\" not in target else "/"


def authorize(context: Context) -> Response:
    """GET /oauth/authorize: sign in first, then ask for consent."""
    user = cookies.signed_in(context)
    if user is None or context.params.truthy("force_login"):
        query = [pair for pair in parse_qsl(context.request.url.query) if pair[0] != "force_login"]
        return redirect("/auth/sign_in?" + urlencode({"return_to": f"/oauth/authorize?{urlencode(query)}"}))
    refused = _refuse(context)
    if refused is not None:
        return refused
    application = _application(context)
    wanted = _scopes(context)
    secret, csrf = cookies.csrf(context)
    names = ("client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method")
    hidden = {name: context.params.text(name) for name in names if context.params.present(name)}
    response = page(
        context.config,
        "authorize.html",
        headers={"Content-Security-Policy": CONSENT_POLICY},
        client=application.name if application else "",
        username=user.account.username,
        scopes=wanted,
        csrf=csrf,
        hidden={**hidden, "scope": " ".join(wanted)},
    )
    cookies.set_cookie(response, cookies.CSRF, secret, cookies.FORM_SECONDS)
    return response


def decide(context: Context) -> Response:
    """POST /oauth/authorize: the person's answer."""
    user = cookies.signed_in(context)
    if user is None or not cookies.csrf_good(context):
        return _problem(context, "Security verification failed. Are you blocking cookies?", 422)
    refused = _refuse(context)
    if refused is not None:
        return refused
    params = context.params
    if params.text("_method") == "delete":
        description = "The resource owner or authorization server denied the request."
        return _answer(context, error="access_denied", error_description=description)
    application = _application(context)
    if application is None or _unusable(user):
        return _problem(context, _unusable(user) or INVALID_CLIENT, 403)
    grant = Grant(
        token=security.random_token(),
        expires_in=CODE_SECONDS,
        redirect_uri=params.text("redirect_uri"),
        scopes=" ".join(_scopes(context)),
        resource_owner_id=user.id,
        application_id=application.id,
        code_challenge=params.optional("code_challenge"),
        code_challenge_method=params.optional("code_challenge_method"),
    )
    context.session.add(grant)
    return _answer(context, code=grant.token)


def native(context: Context) -> Response:
    """GET /oauth/authorize/native: the code for applications without an address of their own."""
    return page(context.config, "code.html", code=context.params.text("code"))


def _application(context: Context) -> Application | None:
    query = select(Application).where(Application.uid == context.params.text("client_id"))
    return context.session.scalars(query).first()


def _scopes(context: Context) -> list[str]:
    return scopes.split(context.params.text("scope")) or [scopes.DEFAULT]


def _refuse(context: Context) -> Response | None:
    """Doorkeeper's PreAuthorization: what the application must not be told goes to the person."""
    params = context.params
    application = _application(context)
    if application is None:
        return _problem(context, INVALID_CLIENT, 401)
    if params.text("redirect_uri") not in application.redirect_uri.split():
        return _problem(context, BAD_REDIRECT, 400)
    if params.text("response_type") != "code":
        description = "The authorization server does not support this response type."
        return _answer(context, error="unsupported_response_type", error_description=description)
    wanted = _scopes(context)
    if not scopes.all_supported(wanted) or not scopes.covers(scopes.split(application.scopes), wanted):
        return _answer(context, error="invalid_scope", error_description=INVALID_SCOPE)
    if params.present("code_challenge") and params.text("code_challenge_method") != "S256":
        description = "The code_challenge_method must be S256."
        return _answer(context, error="invalid_code_challenge_method", error_description=description)
    return None


def _problem(context: Context, message: str, status: int) -> Response:
    return page(context.config, "text.html", status, title="An error has occurred", content=message)


def _answer(context: Context, **values: str) -> Response:
    """Back to the application, by its redirect URI; or to the page that shows the code."""
    target = context.params.text("redirect_uri")
    if target == NATIVE:
        if "error" in values:
            return _problem(context, values["error_description"], 400)
        return redirect("/oauth/authorize/native?" + urlencode(values), 303)
    if context.params.present("state"):
        values["state"] = context.params.text("state")
    parts = urlsplit(target)
    query = "&".join(part for part in (parts.query, urlencode(values)) if part)
    return redirect(urlunsplit(parts._replace(query=query)), 303)


ENDPOINTS = tuple(
    Endpoint(method, path, handler, api=False)
    for method, path, handler in (
        ("GET", "/auth/sign_in", show_form),
        ("POST", "/auth/sign_in", sign_in),
        ("POST", "/auth/sign_out", sign_out),
        ("GET", "/oauth/authorize", authorize),
        ("POST", "/oauth/authorize", decide),
        ("GET", "/oauth/authorize/native", native),
    )
)
