"""Accounts as REST::AccountSerializer and its kin show them."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from .. import lookup, text, urls
from ..clock import iso, midnight
from ..models import Account, Follow, FollowRequest, Role, User, role_permissions
from ..view import View


def account(view: View, shown: Account) -> dict[str, Any]:
    """Anyone, as everybody may see them."""
    hidden = shown.unavailable
    user = shown.user
    stat = shown.stat
    profile = lookup.profile_links(view.session, view.config)
    result: dict[str, Any] = {
        "id": str(shown.id),
        "username": shown.username,
        "acct": shown.acct,
        "display_name": "" if hidden else shown.display_name,
        "locked": False if hidden else shown.locked,
        "bot": False if hidden else shown.bot,
        "discoverable": False if hidden else shown.discoverable,
        "indexable": False if hidden else shown.indexable,
        "group": shown.actor_type == "Group",
        "created_at": iso(midnight(shown.created_at)),
        "note": "" if hidden else text.to_html(shown.note, base_url=view.config.base_url, mention=profile),
        "url": urls.account_url(view.config, shown),
        "uri": urls.account_uri(view.config, shown),
        "avatar": picture(view, shown, "avatars"),
        "avatar_static": picture(view, shown, "avatars"),
        "avatar_description": "" if hidden else shown.avatar_description,
        "header": picture(view, shown, "headers"),
        "header_static": picture(view, shown, "headers"),
        "header_description": "" if hidden else shown.header_description,
        "followers_count": stat.followers_count if stat else 0,
        "following_count": stat.following_count if stat else 0,
        "statuses_count": stat.statuses_count if stat else 0,
        "last_status_at": stat.last_status_at.date().isoformat() if stat and stat.last_status_at else None,
        "hide_collections": shown.hide_collections,
        "show_media": True,
        "show_media_replies": True,
        "show_featured": True,
    }
    if hidden:
        result["suspended"] = True
    if shown.silenced_at is not None:
        result["limited"] = True
    if shown.local:
        result["noindex"] = bool(user.setting("noindex", view.settings["noindex"])) if user else False
    if shown.memorial:
        result["memorial"] = True
    result["feature_approval"] = feature_approval(view, shown)
    result["emojis"] = []
    if shown.local:
        result["roles"] = [] if hidden else _badges(user)
    result["fields"] = [] if hidden else [_field(view, item, profile) for item in shown.fields]
    return result


def picture(view: View, shown: Account, kind: str) -> str:
    """The address of an avatar or header."""
    name = shown.avatar_file_name if kind == "avatars" else shown.header_file_name
    if shown.unavailable or not name:
        return urls.missing(view.config, kind)
    return urls.asset(view.config, urls.profile_file(kind, shown.id, name))


def feature_approval(view: View, shown: Account) -> dict[str, Any]:
    """Who may feature a local account in a collection (Account::InteractionPolicyConcern)."""
    viewer = view.account
    if not shown.discoverable:
        return {"automatic": [], "manual": [], "current_user": "denied"}
    allowed = viewer is not None and (not shown.locked or viewer.id == shown.id or _follows(view, viewer, shown))
    return {
        "automatic": ["followers" if shown.locked else "public"],
        "manual": [],
        "current_user": "automatic" if allowed else "denied",
    }


def _follows(view: View, one: Account, other: Account) -> bool:
    query = select(Follow.id).where(Follow.account_id == one.id, Follow.target_account_id == other.id)
    return view.session.scalars(query).first() is not None


def _badges(user: User | None) -> list[dict[str, Any]]:
    if user is None or user.own_role is None or not user.own_role.highlighted:
        return []
    own = user.own_role
    return [{"id": str(own.id), "name": own.name, "color": own.color}]


def _field(view: View, item: dict[str, Any], profile: Callable[[str], str | None]) -> dict[str, Any]:
    value = text.to_html(
        str(item.get("value", "")), base_url=view.config.base_url, mention=profile, multiline=False, rel_me=True
    )
    return {"name": item.get("name", ""), "value": value, "verified_at": item.get("verified_at")}


def role(view: View, shown: Role) -> dict[str, Any]:
    """A role with the permissions it really gives."""
    return {
        "id": str(shown.id),
        "name": shown.name,
        "permissions": str(role_permissions(shown, view.everyone)),
        "color": shown.color,
        "highlighted": shown.highlighted,
        "collection_limit": shown.collection_limit,
    }


def credential(view: View, shown: Account) -> dict[str, Any]:
    """The caller's own account, with source and role."""
    user = shown.user
    if user is None:
        raise TypeError("only a local account has credentials")
    result = account(view, shown)
    requests = view.session.scalar(
        select(func.count()).select_from(FollowRequest).where(FollowRequest.target_account_id == shown.id)
    )
    source = {
        "privacy": user.default_privacy,
        "sensitive": bool(user.setting("default_sensitive", False)),
        "language": user.setting("default_language"),
        "note": shown.note,
        "fields": [
            {"name": item.get("name", ""), "value": item.get("value", ""), "verified_at": item.get("verified_at")}
            for item in shown.fields
        ],
        "follow_requests_count": min(requests or 0, 40),
        "hide_collections": shown.hide_collections,
        "discoverable": shown.discoverable,
        "indexable": shown.indexable,
        "attribution_domains": list(shown.attribution_domains),
        "quote_policy": user.setting("default_quote_policy") or "public",
    }
    # Attributes come before associations, as ActiveModel::Serializer writes them.
    tail = {name: result.pop(name) for name in ("emojis", "roles", "fields")}
    return {**result, "source": source, **tail, "role": role(view, view.role_of(user))}


def profile(view: View, shown: Account) -> dict[str, Any]:
    """The caller's own profile, plain and formatted (REST::ProfileSerializer)."""
    seen = account(view, shown)

    def own(kind: str, name: str | None) -> str | None:
        return seen[kind] if name else None

    return {
        "id": seen["id"],
        "display_name": shown.display_name,
        "note": shown.note,
        "fields": [
            {"name": item.get("name", ""), "value": item.get("value", ""), "verified_at": item.get("verified_at")}
            for item in shown.fields
        ],
        "formatted_note": seen["note"],
        "formatted_fields": seen["fields"],
        "avatar": own("avatar", shown.avatar_file_name),
        "avatar_static": own("avatar", shown.avatar_file_name),
        "avatar_description": shown.avatar_description,
        "header": own("header", shown.header_file_name),
        "header_static": own("header", shown.header_file_name),
        "header_description": shown.header_description,
        "locked": shown.locked,
        "bot": shown.bot,
        "hide_collections": shown.hide_collections,
        "discoverable": shown.discoverable,
        "indexable": shown.indexable,
        "show_media": True,
        "show_media_replies": True,
        "show_featured": True,
        "attribution_domains": list(shown.attribution_domains),
        "featured_tags": [],
    }
