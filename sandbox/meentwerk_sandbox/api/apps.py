"""OAuth applications: registering one, asking who one is."""

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from .. import errors, scopes, security
from ..context import Context
from ..http import reply
from ..models import Application
from ..validation import BLANK, Errors, too_long
from .routing import Endpoint

NATIVE = "urn:ietf:wg:oauth:2.0:oob"
NAME_LIMIT, ADDRESS_LIMIT = 60, 2000
FORBIDDEN_SCHEMES = ("data", "vbscript", "javascript")


def shown(context: Context, application: Application) -> dict[str, Any]:
    """REST::ApplicationSerializer."""
    return {
        "id": str(application.id),
        "name": application.name,
        "website": application.website or None,
        "scopes": scopes.split(application.scopes),
        "redirect_uris": application.redirect_uri.split(),
        "vapid_key": context.config.vapid_public_key,
        "redirect_uri": application.redirect_uri,
    }


def create(context: Context) -> Response:
    """POST /api/v1/apps."""
    params = context.params
    given = params.get("redirect_uris")
    uris = [str(item) for item in given] if isinstance(given, list) else params.text("redirect_uris").split()
    wanted = scopes.split(params.text("scopes")) if params.has("scopes") else [scopes.DEFAULT]
    found = Errors()
    name, website = params.text("client_name"), params.optional("website")
    if not name.strip():
        found.add("name", BLANK, "Application name")
    elif len(name) > NAME_LIMIT:
        found.add("name", too_long(NAME_LIMIT), "Application name")
    _check_uris(uris, found)
    if not scopes.all_supported(wanted):
        found.add("scopes", ("not_match_configured", "doesn't match configured on the server."))
    if website is not None and urlsplit(website).scheme not in {"http", "https"}:
        found.add("website", ("invalid", "is not a valid URL"), "Application website")
    found.raise_if_any()
    application = Application(
        name=name,
        uid=security.random_token(),
        secret=security.random_token(),
        redirect_uri="\n".join(uris),
        scopes=" ".join(wanted),
        website=website,
    )
    context.session.add(application)
    context.session.flush()
    secrets = {
        "client_id": application.uid,
        "client_secret": application.secret,
        "client_secret_expires_at": 0,
    }
    return reply({**shown(context, application), **secrets})


def _check_uris(uris: list[str], found: Errors) -> None:
    """Doorkeeper's RedirectUriValidator."""
    human = "Redirect URI"
    if not uris:
        found.add("redirect_uri", BLANK, human)
    for uri in uris:
        if uri == NATIVE:
            continue
        try:
            parts = urlsplit(uri)
        except ValueError:
            found.add("redirect_uri", ("invalid_uri", "must be a valid URI."), human)
            continue
        if parts.scheme.lower() in FORBIDDEN_SCHEMES:
            found.add("redirect_uri", ("forbidden_uri", "is forbidden by the server."), human)
        elif parts.fragment:
            found.add("redirect_uri", ("fragment_present", "cannot contain a fragment."), human)
        elif not parts.scheme or (not parts.netloc and not parts.path.strip("/")):
            found.add("redirect_uri", ("relative_uri", "must be an absolute URI."), human)
    if len("\n".join(uris)) > ADDRESS_LIMIT:
        found.add("redirect_uri", too_long(ADDRESS_LIMIT), human)


def verify_credentials(context: Context) -> Response:
    """GET /api/v1/apps/verify_credentials."""
    context.require_scopes()
    if context.token is None or context.token.application is None:
        raise errors.invalid_token()
    return reply(shown(context, context.token.application))


ENDPOINTS = (
    Endpoint("POST", "/api/v1/apps", create, open_always=True),
    Endpoint("GET", "/api/v1/apps/verify_credentials", verify_credentials),
)
