"""Posts, media and notifications as REST::StatusSerializer and its kin show them."""

from typing import Any

from sqlalchemy import func, select

from .. import lookup, text, urls
from ..clock import iso
from ..kinds import Column
from ..models import (
    DIRECT,
    MEDIA_TYPES,
    PUBLIC,
    UNLISTED,
    VISIBILITIES,
    Bookmark,
    Favourite,
    Follow,
    Media,
    Notification,
    Pin,
    Status,
)
from ..view import View
from . import accounts

# InteractionPolicy: bits of the automatic policy lie 16 higher.
QUOTE_PUBLIC, QUOTE_FOLLOWERS = 1 << 17, 1 << 18
QUOTE_POLICIES = {"public": QUOTE_PUBLIC, "followers": QUOTE_FOLLOWERS, "nobody": 0}
QUOTE_KEYS = ((QUOTE_PUBLIC, "public"), (QUOTE_FOLLOWERS, "followers"))


def status(view: View, shown: Status, *, source: bool = False) -> dict[str, Any]:
    """A post; with `source` its text instead of HTML, as a deletion answers it."""
    viewer = view.account
    own = viewer is not None and viewer.id == shown.account_id
    result: dict[str, Any] = {
        "id": str(shown.id),
        "created_at": iso(shown.created_at),
        "in_reply_to_id": _text(shown.in_reply_to_id),
        "in_reply_to_account_id": _text(shown.in_reply_to_account_id),
        "sensitive": shown.sensitive if own else shown.sensitive or shown.account.sensitized_at is not None,
        "spoiler_text": shown.spoiler_text,
        "visibility": "private" if VISIBILITIES[shown.visibility] == "limited" else VISIBILITIES[shown.visibility],
        "language": shown.language,
        "uri": urls.status_uri(view.config, shown),
        "url": urls.status_url(view.config, shown),
        "replies_count": _count(view, Status.id, Status.in_reply_to_id, shown.id),
        "reblogs_count": _count(view, Status.id, Status.reblog_of_id, shown.id),
        "favourites_count": _count(view, Favourite.id, Favourite.status_id, shown.id),
        "quotes_count": 0,
        "edited_at": iso(shown.edited_at),
    }
    if viewer is not None:
        result |= {
            "favourited": _mine(view, Favourite, viewer.id, shown.id),
            "reblogged": _reblogged(view, viewer.id, shown.id),
            "muted": False,
            "bookmarked": _mine(view, Bookmark, viewer.id, shown.id),
        }
        if own and shown.reblog_of_id is None and shown.visibility != DIRECT:
            result["pinned"] = _mine(view, Pin, viewer.id, shown.id)
    if source:
        result["text"] = shown.text
    else:
        profile = lookup.profile_links(view.session, view.config)
        result["content"] = text.to_html(shown.text, base_url=view.config.base_url, mention=profile)
    if viewer is not None:
        result["filtered"] = []
    result["reblog"] = status(view, shown.reblog) if shown.reblog else None
    user = shown.account.user
    if own or (user is not None and user.setting("show_application", default=True)):
        result["application"] = (
            {"name": shown.application.name, "website": shown.application.website or None}
            if shown.application
            else None
        )
    return result | {
        "account": accounts.account(view, shown.account),
        "media_attachments": [media(view, item) for item in shown.ordered_media],
        "mentions": [
            {
                "id": str(item.account_id),
                "username": item.account.username,
                "url": urls.account_url(view.config, item.account),
                "acct": item.account.acct,
            }
            for item in shown.mentions
        ],
        "tags": [{"name": tag.name, "url": view.url(f"/tags/{tag.name}")} for tag in shown.tags],
        "emojis": [],
        "tagged_collections": [],
        "quote": None,
        "card": None,
        "poll": None,
        "quote_approval": quote_approval(view, shown),
    }


def quote_approval(view: View, shown: Status) -> dict[str, Any]:
    """Who may quote a post; private ones only their author (Status::InteractionPolicyConcern)."""
    policy = shown.quote_approval_policy if shown.visibility in {PUBLIC, UNLISTED} else 0
    viewer = view.account
    if viewer is None or shown.visibility == DIRECT or shown.reblog_of_id is not None:
        verdict = "denied"
    elif (
        viewer.id == shown.account_id
        or policy & QUOTE_PUBLIC
        or (policy & QUOTE_FOLLOWERS and follows(view, viewer.id, shown.account_id))
    ):
        verdict = "automatic"
    else:
        verdict = "denied"
    return {"automatic": [key for bit, key in QUOTE_KEYS if policy & bit], "manual": [], "current_user": verdict}


def follows(view: View, one: int, other: int) -> bool:
    """Whether account `one` follows account `other`."""
    query = select(Follow.id).where(Follow.account_id == one, Follow.target_account_id == other)
    return view.session.scalars(query).first() is not None


def media(view: View, shown: Media) -> dict[str, Any]:
    """An attachment (REST::MediaAttachmentSerializer)."""
    return {
        "id": str(shown.id),
        "type": MEDIA_TYPES[shown.type],
        "url": urls.asset(view.config, urls.media_file("original", shown)),
        "preview_url": urls.asset(view.config, urls.media_file("small", shown)),
        "remote_url": None,
        "preview_remote_url": None,
        "text_url": None,
        "meta": shown.file_meta,
        "description": shown.description,
        "blurhash": shown.blurhash,
    }


def notification(view: View, shown: Notification) -> dict[str, Any]:
    """A notification (REST::NotificationSerializer)."""
    result: dict[str, Any] = {
        "id": str(shown.id),
        "type": shown.type,
        "created_at": iso(shown.created_at),
        "group_key": f"ungrouped-{shown.id}",
        "account": accounts.account(view, shown.from_account),
    }
    if shown.status is not None:
        result["status"] = status(view, shown.status)
    return result


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _count(view: View, identifier: Column, column: Column, value: int) -> int:
    query = select(func.count(identifier)).where(column == value)
    if identifier is Status.id:
        query = query.where(Status.deleted_at.is_(None))
    return view.session.scalar(query) or 0


def _mine(view: View, table: type[Favourite] | type[Bookmark] | type[Pin], account: int, shown: int) -> bool:
    query = select(table.id).where(table.account_id == account, table.status_id == shown)
    return view.session.scalars(query).first() is not None


def _reblogged(view: View, account: int, shown: int) -> bool:
    query = select(Status.id).where(
        Status.account_id == account, Status.reblog_of_id == shown, Status.deleted_at.is_(None)
    )
    return view.session.scalars(query).first() is not None
