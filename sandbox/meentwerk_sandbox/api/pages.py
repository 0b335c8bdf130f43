"""Pages for people: the front page, about, profiles, posts."""

from typing import Any

from markupsafe import Markup
from sqlalchemy import select
from starlette.responses import Response

from .. import errors, lookup, text, urls
from ..context import Context
from ..http import page
from ..models import PUBLIC, UNLISTED, Account, Rule, Status
from ..serializers import accounts, instances
from . import well_known
from .routing import Endpoint

POSTS = 20


def front(context: Context) -> Response:
    """GET /."""
    return page(context.config, "front.html", settings=_settings(context), users=instances.user_count(context))


def about(context: Context) -> Response:
    """GET /about: description, contact, rules."""
    contact = context.settings.text("site_contact_username")
    found = lookup.by_handle(context.session, context.config, contact) if contact else None
    query = select(Rule).where(Rule.deleted_at.is_(None)).order_by(Rule.priority, Rule.id)
    return page(
        context.config,
        "about.html",
        settings=_settings(context),
        contact=found,
        description=Markup(text.simple_markdown(context.settings.text("site_extended_description"))),  # noqa: S704  (escaped there)
        rules=list(context.session.scalars(query)),
    )


def privacy_policy(context: Context) -> Response:
    """GET /privacy-policy."""
    content = context.settings.text("site_terms")
    return page(
        context.config,
        "text.html",
        title="Privacy policy",
        content=Markup(text.simple_markdown(content or "This rehearsal server has no privacy policy.")),  # noqa: S704
    )


def profile(context: Context) -> Response:
    """GET /@NAME: the profile page with rel="me" links, or the actor document by content negotiation."""
    shown = _visible(context)
    if well_known.wants_activity(context):
        return well_known.actor_reply(context, shown)
    config = context.config
    query = (
        select(Status)
        .where(
            Status.account_id == shown.id,
            Status.deleted_at.is_(None),
            Status.reblog_of_id.is_(None),
            Status.visibility.in_((PUBLIC, UNLISTED)),
        )
        .order_by(Status.id.desc())
        .limit(POSTS)
    )
    posts = [] if shown.unavailable else list(context.session.scalars(query).unique())
    acct = f"{shown.username}@{config.local_domain}"
    finger = f"{config.base_url}/.well-known/webfinger?resource=acct%3A{acct.replace('@', '%40')}"
    links = (
        f'<{finger}>; rel="lrdd"; type="application/jrd+json", '
        f'<{urls.account_uri(config, shown)}>; rel="alternate"; type="application/activity+json"'
    )
    seen = accounts.account(context, shown)
    return page(
        config,
        "profile.html",
        headers={"Link": links, "Vary": "Accept, Accept-Language, Cookie"},
        account=seen,
        acct=acct,
        note=Markup(seen["note"]),  # noqa: S704  (serialised: escaped and linked)
        fields=[{**field, "value": Markup(field["value"])} for field in seen["fields"]],  # noqa: S704
        posts=[_post(context, post) for post in posts],
        suspended=shown.unavailable,
        noindex=seen["noindex"],
    )


def post(context: Context) -> Response:
    """GET /@NAME/ID: one public post."""
    number = context.params.integer("id")
    found = context.session.get(Status, number) if number < 1 << 63 else None
    shown = _visible(context)
    if (
        found is None
        or found.account_id != shown.id
        or found.deleted_at is not None
        or found.visibility not in {PUBLIC, UNLISTED}
        or shown.unavailable
    ):
        raise errors.plain(404)
    return page(context.config, "post.html", account=shown, post=_post(context, found))


def _visible(context: Context) -> Account:
    found = lookup.find(context.session, context.params.text("name").removesuffix(".json"))
    if found is None or (found.user is not None and not (found.user.confirmed and found.user.approved)):
        raise errors.plain(404)
    if found.requested_deletion_at is not None:
        raise errors.plain(410)
    return found


def _post(context: Context, found: Status) -> dict[str, Any]:
    html = text.to_html(
        found.text,
        base_url=context.config.base_url,
        mention=lookup.profile_links(context.session, context.config),
    )
    return {
        "url": urls.status_url(context.config, found),
        "spoiler": found.spoiler_text,
        "html": Markup(html),  # noqa: S704  (escaped and linked by text.to_html)
        "language": found.language,
        "created_at": found.created_at,
        "media": [
            {
                "url": urls.asset(context.config, urls.media_file("small", item)),
                "description": item.description or "",
            }
            for item in found.ordered_media
        ],
    }


def _settings(context: Context) -> dict[str, Any]:
    names = ("site_title", "site_short_description", "site_contact_email", "registrations_mode")
    return {name: context.settings[name] for name in names}


ENDPOINTS = tuple(
    Endpoint("GET", path, handler, api=False)
    for path, handler in (
        ("/", front),
        ("/about", about),
        ("/privacy-policy", privacy_policy),
        ("/@{name}", profile),
        ("/@{name}/{id:int}", post),
    )
)
