"""Site settings: Mastodon's names, defaults (config/settings.yml) and what values they take."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .kinds import Json
from .models import Setting

FEED_ACCESS = ("public", "authenticated", "disabled")
TOPIC_FEED_ACCESS = ("public", "authenticated")
AUDIENCE = ("disabled", "users", "all")

DEFAULTS: dict[str, Any] = {
    "site_title": "Mastodon",
    "site_short_description": "",
    "site_description": "",
    "site_extended_description": "",
    "site_terms": "",
    "site_contact_username": "",
    "site_contact_email": "",
    "registrations_mode": "none",
    "profile_directory": True,
    "closed_registrations_message": "",
    "local_live_feed_access": "public",
    "remote_live_feed_access": "public",
    "local_topic_feed_access": "public",
    "remote_topic_feed_access": "public",
    "show_staff_badge": True,
    "preview_sensitive_media": False,
    "noindex": False,
    "thumbnail_description": "",
    "trends": True,
    "trendable_by_default": False,
    "disallowed_hashtags": "",
    "bootstrap_timeline_accounts": "",
    "activity_api_enabled": True,
    "peers_api_enabled": True,
    "show_domain_blocks": "disabled",
    "show_domain_blocks_rationale": "disabled",
    "require_invite_text": False,
    "min_age": None,
    "backups_retention_period": 7,
    "media_cache_retention_period": None,
    "content_cache_retention_period": None,
    "captcha_enabled": False,
    "allow_referrer_origin": False,
    "landing_page": "trends",
    "status_page_url": "",
    "custom_css": "",
    "theme": "system",
    "authorized_fetch": False,
    "wrapstodon": True,
    "email_subscriptions": False,
}

CHOICES: dict[str, tuple[str, ...]] = {
    "registrations_mode": ("open", "approved", "none"),
    "local_live_feed_access": FEED_ACCESS,
    "remote_live_feed_access": FEED_ACCESS,
    "local_topic_feed_access": TOPIC_FEED_ACCESS,
    "remote_topic_feed_access": TOPIC_FEED_ACCESS,
    "show_domain_blocks": AUDIENCE,
    "show_domain_blocks_rationale": AUDIENCE,
    "landing_page": ("trends", "overview", "local_feed", "about"),
}

_NUMBERS = {"min_age", "backups_retention_period", "media_cache_retention_period", "content_cache_retention_period"}


def problem(name: str, value: Json) -> str | None:
    """Why `value` cannot be stored under `name`; None when it can."""
    if name not in DEFAULTS:
        return f"unknown setting {name!r}"
    if name in CHOICES:
        return None if value in CHOICES[name] else f"{name} must be one of {', '.join(CHOICES[name])}"
    if name in _NUMBERS:
        ok = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
        return None if ok else f"{name} must be a whole number or null"
    expected = type(DEFAULTS[name])
    return None if isinstance(value, expected) else f"{name} must be {'true or false' if expected is bool else 'text'}"


class Settings:
    """The settings as one request sees them: read once."""

    def __init__(self, session: Session) -> None:
        self._values = {**DEFAULTS, **{row.var: row.value for row in session.scalars(select(Setting))}}

    def __getitem__(self, name: str) -> Json:
        return self._values[name]

    def text(self, name: str) -> str:
        """A setting that is text."""
        return str(self._values[name] or "")


def store(session: Session, name: str, value: Json) -> None:
    """Write one setting; `problem` has said it is good."""
    row = session.scalars(select(Setting).where(Setting.var == name)).first()
    if row is None:
        session.add(Setting(var=name, value=value))
    else:
        row.value = value
