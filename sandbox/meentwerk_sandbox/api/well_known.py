"""How other servers find accounts: WebFinger, host-meta, nodeinfo, OAuth metadata, actors."""

import re
from html import escape
from urllib.parse import urlsplit

from starlette.responses import Response

from .. import lookup, release, scopes, urls
from ..context import Context
from ..http import page, redirect, reply
from ..models import Account
from ..serializers import actors, instances
from .routing import Endpoint

THREE_DAYS = {"Cache-Control": "max-age=259200, public", "Vary": "Origin"}
THREE_MINUTES = {"Cache-Control": "max-age=180, public"}
JRD = "application/jrd+json; charset=utf-8"
ACTIVITY = "application/activity+json; charset=utf-8"
ACTIVITY_TYPES = ("application/activity+json", "application/ld+json", "application/json")


class _BadRequestError(Exception):
    """A resource that names no account in any known form."""


def webfinger(context: Context) -> Response:
    """GET /.well-known/webfinger (RFC 7033), rules of WebfingerResource."""
    try:
        found = _resource(context, context.params.text("resource"))
    except _BadRequestError:
        return Response(b"", 400, THREE_MINUTES)
    if found is None:
        return Response(b"", 404, THREE_MINUTES)
    if found.requested_deletion_at is not None:
        return Response(b"", 410, THREE_MINUTES)
    config = context.config
    profile, uri = urls.account_url(config, found), urls.account_uri(config, found)
    links: list[dict[str, str | None]] = [
        {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": profile},
        {"rel": "self", "type": "application/activity+json", "href": uri},
        {
            "rel": "http://ostatus.org/schema/1.0/subscribe",
            "template": context.url("/authorize_interaction?uri={uri}"),
        },
    ]
    if found.avatar_file_name and not (config.disallow_unauthenticated or config.limited_federation):
        avatar = urls.asset(config, urls.profile_file("avatars", found.id, found.avatar_file_name))
        links.append({"rel": "http://webfinger.net/rel/avatar", "type": found.avatar_content_type, "href": avatar})
    subject = f"acct:{found.username}@{config.local_domain}"
    return reply({"subject": subject, "aliases": [profile, uri], "links": links}, headers=THREE_DAYS, content_type=JRD)


def _resource(context: Context, resource: str) -> Account | None:
    if not resource.strip():
        raise _BadRequestError
    if re.match(r"https?", resource, re.IGNORECASE):
        try:
            parts = urlsplit(resource)
        except ValueError:
            return None
        if match := re.fullmatch(r"/(?:@|users/)([^/@]+)/?", parts.path):
            return lookup.find(context.session, match.group(1))
        if match := re.fullmatch(r"/ap/users/(\d{1,19})/?", parts.path):
            return local_by_id(context, match.group(1))
        return None
    if "@" not in resource:
        raise _BadRequestError
    name, *_, domain = resource.removeprefix("acct:").split("@")
    if not context.config.is_own_domain(domain):
        return None
    return lookup.find(context.session, name)


def local_by_id(context: Context, identifier: str) -> Account | None:
    """A local account by number."""
    number = int(identifier)
    found = context.session.get(Account, number) if number < 1 << 63 else None
    return found if found is not None and found.local else None


def host_meta(context: Context) -> Response:
    """GET /.well-known/host-meta (RFC 6415), XRD or JSON by Accept."""
    template = context.url("/.well-known/webfinger?resource={uri}")
    if context.request.url.path.endswith(".json") or "application/json" in context.request.headers.get("accept", ""):
        return reply({"links": [{"rel": "lrdd", "template": template}]}, headers=THREE_DAYS)
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">\n'
        f'  <Link rel="lrdd" template="{escape(template)}"/>\n</XRD>\n'
    )
    return Response(body, 200, {"Content-Type": "application/xrd+xml; charset=utf-8", **THREE_DAYS})


def nodeinfo_index(context: Context) -> Response:
    """GET /.well-known/nodeinfo: schema 2.0, the one Mastodon has."""
    link = {"rel": "http://nodeinfo.diaspora.software/ns/schema/2.0", "href": context.url("/nodeinfo/2.0")}
    return reply({"links": [link]}, headers=THREE_DAYS)


def nodeinfo(context: Context) -> Response:
    """GET /nodeinfo/2.0."""
    settings = context.settings
    users = {
        "total": instances.user_count(context),
        "activeMonth": instances.active_users(context, 4),
        "activeHalfyear": instances.active_users(context, 24),
    }
    content = {
        "version": "2.0",
        "software": {"name": "mastodon", "version": release.MASTODON_VERSION},
        "protocols": ["activitypub"],
        "services": {"outbound": [], "inbound": []},
        "usage": {"users": users, "localPosts": instances.status_count(context)},
        "openRegistrations": settings["registrations_mode"] != "none",
        "metadata": {
            "nodeName": settings.text("site_title"),
            "nodeDescription": settings.text("site_short_description"),
        },
    }
    return reply(content, headers={"Cache-Control": "max-age=1800, public", "Vary": "Accept, Origin"})


def oauth_metadata(context: Context) -> Response:
    """GET /.well-known/oauth-authorization-server (RFC 8414)."""
    content = {
        "issuer": context.url("/"),
        "authorization_endpoint": context.url("/oauth/authorize"),
        "token_endpoint": context.url("/oauth/token"),
        "revocation_endpoint": context.url("/oauth/revoke"),
        "userinfo_endpoint": context.url("/oauth/userinfo"),
        "scopes_supported": list(scopes.SUPPORTED),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "service_documentation": "https://docs.joinmastodon.org/",
        "app_registration_endpoint": context.url("/api/v1/apps"),
    }
    return reply(content, headers={"Cache-Control": "max-age=0, private, must-revalidate", "Vary": "Origin"})


def wants_activity(context: Context) -> bool:
    """Whether an actor document was asked for: by suffix, or by the first type of Accept that is known."""
    if context.request.url.path.endswith(".json"):
        return True
    for entry in context.request.headers.get("accept", "").split(","):
        kind = entry.partition(";")[0].strip().lower()
        if kind in ACTIVITY_TYPES:
            return True
        if kind in {"text/html", "*/*"}:
            return False
    return False


def actor_reply(context: Context, found: Account) -> Response:
    """The actor document."""
    headers = {"Cache-Control": "max-age=180, public", "Vary": "Accept, Accept-Language, Cookie, Origin"}
    return reply(actors.actor(context, found), headers=headers, content_type=ACTIVITY)


def by_number(context: Context) -> Response:
    """GET /ap/users/ID: the actor's own address."""
    found = local_by_id(context, context.params.text("id"))
    if found is None or not _presentable(found):
        return page(context.config, "error.html", 404, title="Not found", status=404)
    if wants_activity(context):
        return actor_reply(context, found)
    return redirect(urls.account_url(context.config, found))


def by_name(context: Context) -> Response:
    """GET /users/NAME: the actor document, or the profile page for browsers."""
    name = context.params.text("name").removesuffix(".json")
    if not wants_activity(context):
        return redirect(context.url(f"/@{name}"), 301)
    found = lookup.find(context.session, name)
    if found is None or not _presentable(found):
        return reply({"error": "Not Found"}, 404)
    return actor_reply(context, found)


def _presentable(found: Account) -> bool:
    return found.user is None or (found.user.confirmed and found.user.approved)


ENDPOINTS = tuple(
    Endpoint("GET", path, handler, api=False)
    for path, handler in (
        ("/.well-known/webfinger", webfinger),
        ("/.well-known/host-meta", host_meta),
        ("/.well-known/host-meta.json", host_meta),
        ("/.well-known/nodeinfo", nodeinfo_index),
        ("/.well-known/oauth-authorization-server", oauth_metadata),
        ("/nodeinfo/2.0", nodeinfo),
        ("/nodeinfo/2.0.json", nodeinfo),
        (r"/ap/users/{id:int}", by_number),
        ("/users/{name}", by_name),
    )
)
