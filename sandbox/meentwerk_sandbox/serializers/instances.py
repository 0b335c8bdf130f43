"""The instance as REST::InstanceSerializer (v2) and REST::V1::InstanceSerializer show it."""

from typing import Any

from sqlalchemy import func, select

from .. import limits, lookup, release, text
from ..clock import ago
from ..models import Account, AccountStat, Rule, User
from ..roles import Permission
from ..view import View
from . import accounts

THUMBNAIL_DESCRIPTION = "A plain blue area"
ICON_SIZES = (36, 48, 72, 96, 144, 192, 256, 384, 512)


def rule(shown: Rule) -> dict[str, Any]:
    """A server rule with its translations."""
    return {
        "id": str(shown.id),
        "text": shown.text,
        "hint": shown.hint,
        "translations": {item.language: {"text": item.text, "hint": item.hint} for item in shown.translations},
    }


def rules(view: View) -> list[dict[str, Any]]:
    """All rules in order."""
    query = select(Rule).where(Rule.deleted_at.is_(None)).order_by(Rule.priority, Rule.id)
    return [rule(item) for item in view.session.scalars(query)]


def v2(view: View) -> dict[str, Any]:
    """GET /api/v2/instance."""
    config, settings = view.config, view.settings
    return {
        "domain": config.local_domain,
        "title": settings.text("site_title"),
        "version": release.MASTODON_VERSION,
        "source_url": release.UPSTREAM,
        "description": settings.text("site_short_description"),
        "usage": {"users": {"active_month": 0 if config.limited_federation else active_users(view, 4)}},
        "thumbnail": {
            "url": view.url("/preview.png"),
            "description": settings.text("thumbnail_description") or THUMBNAIL_DESCRIPTION,
        },
        "icon": [{"src": view.url("/icon.png"), "size": f"{size}x{size}"} for size in ICON_SIZES],
        "languages": [config.default_locale],
        "configuration": {
            "urls": {
                "streaming": config.streaming_url,
                "status": settings["status_page_url"] or None,
                "about": view.url("/about"),
                "privacy_policy": view.url("/privacy-policy"),
                "terms_of_service": None,
            },
            "vapid": {"public_key": config.vapid_public_key},
            "accounts": {
                "max_display_name_length": limits.DISPLAY_NAME,
                "max_note_length": limits.NOTE,
                "max_avatar_description_length": limits.AVATAR_DESCRIPTION,
                "max_header_description_length": limits.AVATAR_DESCRIPTION,
                "max_featured_tags": 10,
                "max_pinned_statuses": 5,
                "max_profile_fields": limits.FIELDS,
                "profile_field_name_limit": limits.FIELD,
                "profile_field_value_limit": limits.FIELD,
            },
            "statuses": _statuses(),
            "media_attachments": {"description_limit": limits.MEDIA_DESCRIPTION, **_media()},
            "polls": _polls(),
            "translation": {"enabled": False},
            "timelines_access": {
                "live_feeds": {
                    "local": settings["local_live_feed_access"],
                    "remote": settings["remote_live_feed_access"],
                },
                **{
                    feed: {
                        "local": settings["local_topic_feed_access"],
                        "remote": settings["remote_topic_feed_access"],
                    }
                    for feed in ("hashtag_feeds", "trending_link_feeds")
                },
            },
            "limited_federation": config.limited_federation,
        },
        "registrations": _registrations(view),
        "api_versions": {"mastodon": release.API_VERSION},
        "wrapstodon": None,
        "contact": {"email": settings.text("site_contact_email"), "account": _contact(view)},
        "rules": rules(view),
    }


def v1(view: View) -> dict[str, Any]:
    """GET /api/v1/instance."""
    config, settings = view.config, view.settings
    return {
        "uri": config.local_domain,
        "title": settings.text("site_title"),
        "short_description": settings.text("site_short_description"),
        "description": settings.text("site_description"),
        "email": settings.text("site_contact_email"),
        "version": release.MASTODON_VERSION,
        "urls": {"streaming_api": config.streaming_url},
        "stats": {
            "user_count": user_count(view),
            "status_count": status_count(view),
            "domain_count": domain_count(view),
        },
        "thumbnail": view.url("/preview.png"),
        "languages": [config.default_locale],
        "registrations": settings["registrations_mode"] != "none",
        "approval_required": settings["registrations_mode"] == "approved",
        "invites_enabled": bool(view.everyone.permissions & Permission.INVITE_USERS),
        "configuration": {
            "accounts": {"max_featured_tags": 10},
            "statuses": _statuses(),
            "media_attachments": _media(),
            "polls": _polls(),
        },
        "contact_account": _contact(view),
        "rules": rules(view),
    }


def _registrations(view: View) -> dict[str, Any]:
    settings = view.settings
    mode = settings["registrations_mode"]
    message = settings.text("closed_registrations_message")
    return {
        "enabled": mode != "none",
        "approval_required": mode == "approved",
        "reason_required": mode == "approved" and bool(settings["require_invite_text"]),
        "message": text.simple_markdown(message) if mode == "none" and message else None,
        "min_age": settings["min_age"],
        "url": None,
    }


def _statuses() -> dict[str, Any]:
    return {
        "max_characters": text.MAX_STATUS,
        "max_media_attachments": limits.ATTACHMENTS,
        "characters_reserved_per_url": text.URL_LENGTH,
    }


def _media() -> dict[str, Any]:
    return {
        "image_matrix_limit": limits.IMAGE_MATRIX,
        "image_size_limit": limits.IMAGE_BYTES,
        "supported_mime_types": list(limits.IMAGE_TYPES),
        "video_frame_rate_limit": 120,
        "video_matrix_limit": 8_294_400,
        "video_size_limit": 103_809_024,
    }


def _polls() -> dict[str, Any]:
    return {"max_options": 4, "max_characters_per_option": 50, "min_expiration": 300, "max_expiration": 2_629_746}


def _contact(view: View) -> dict[str, Any] | None:
    handle = view.settings.text("site_contact_username").strip()
    found = lookup.by_handle(view.session, view.config, handle) if handle else None
    return accounts.account(view, found) if found else None


def user_count(view: View) -> int:
    """Confirmed users whose account is not suspended."""
    query = (
        select(func.count())
        .select_from(User)
        .join(Account, Account.id == User.account_id)
        .where(User.confirmed_at.is_not(None), Account.suspended_at.is_(None))
    )
    return view.session.scalar(query) or 0


def active_users(view: View, weeks: int) -> int:
    """Users who were active in the last weeks."""
    query = select(func.count()).select_from(User).where(User.current_sign_in_at > ago(weeks=weeks))
    return view.session.scalar(query) or 0


def status_count(view: View) -> int:
    """Posts by local accounts."""
    query = (
        select(func.coalesce(func.sum(AccountStat.statuses_count), 0))
        .join(Account, Account.id == AccountStat.account_id)
        .where(Account.domain.is_(None))
    )
    return int(view.session.scalar(query) or 0)


def domain_count(view: View) -> int:
    """Other servers known."""
    query = select(func.count(Account.domain.distinct())).where(Account.domain.is_not(None))
    return view.session.scalar(query) or 0
