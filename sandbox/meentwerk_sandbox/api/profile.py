"""One's own account: verify_credentials, update_credentials, preferences, markers."""

from typing import Any

from sqlalchemy import select
from starlette.datastructures import UploadFile
from starlette.responses import Response

from .. import accounts, domains, files, limits, relations, uploads, urls, verification
from ..clock import iso
from ..context import Context
from ..http import reply
from ..models import Account, FollowRequest, Marker, User
from ..params import boolean, to_i
from ..serializers import accounts as shown
from ..serializers.statuses import QUOTE_POLICIES
from ..validation import Errors
from .routing import Endpoint

TIMELINES = ("home", "notifications")
PRIVACIES = ("public", "unlisted", "private")


def verify_credentials(context: Context) -> Response:
    """GET /api/v1/accounts/verify_credentials."""
    context.require_scopes("profile", "read", "read:accounts")
    return reply(shown.credential(context, context.require_account()))


def profile(context: Context) -> Response:
    """GET /api/v1/profile."""
    context.require_scopes("profile", "read", "read:accounts")
    return reply(shown.profile(context, context.require_account()))


def update_profile(context: Context) -> Response:
    """PATCH /api/v1/profile."""
    return reply(shown.profile(context, _update(context)))


def update_credentials(context: Context) -> Response:
    """PATCH /api/v1/accounts/update_credentials."""
    return reply(shown.credential(context, _update(context)))


def _update(context: Context) -> Account:
    """All of it is stored, or nothing."""
    context.require_scopes("write", "write:accounts")
    user = context.require_user()
    account = user.account
    changes = _changes(context, account)
    found = accounts.profile_errors(account, changes)
    pictures = {
        kind: uploads.read(context.params.upload(kind), kind, limits.AVATAR_BYTES, found)
        for kind in ("avatar", "header")
        if isinstance(context.params.get(kind), UploadFile)
    }
    _check_attribution(changes, found)
    found.raise_if_any(details=True)
    was_locked = account.locked
    for name, value in changes.items():
        setattr(account, name, value)
    for kind, picture in pictures.items():
        if picture is not None:
            _replace(context, account, kind, picture)
    _preferences(context, user)
    if was_locked and not account.locked:
        _let_in(context, account)
    if any(not field["verified_at"] and verification.verifiable(field["value"]) for field in account.fields):
        context.enqueue("VerifyAccountLinksWorker", account.id)
    context.session.flush()
    return account


def _changes(context: Context, account: Account) -> dict[str, Any]:
    params = context.params
    changes: dict[str, Any] = {}
    for name in ("display_name", "note", "avatar_description", "header_description"):
        if params.has(name) and not isinstance(params[name], UploadFile):
            changes[name] = params.text(name)
    for name in ("locked", "indexable"):
        if params.has(name):
            changes[name] = params.truthy(name)
    for name in ("discoverable", "hide_collections"):
        if params.has(name):
            changes[name] = boolean(params[name])
    if params.has("bot"):
        changes["actor_type"] = "Service" if params.truthy("bot") else "Person"
    if params.has("attribution_domains"):
        changes["attribution_domains"] = _attribution(params.items_of("attribution_domains"))
    if isinstance(params.get("fields_attributes"), list | dict):
        changes["fields"] = _fields(params.items_of("fields_attributes"), account)
    return changes


def _fields(items: list[Any], account: Account) -> list[dict[str, Any]]:
    """Fields without empty ones; an unchanged value keeps when it was verified (Account#fields_attributes=)."""
    fields = []
    for item in items:
        if not isinstance(item, dict):
            continue
        name = str(item.get("name") or "").strip()[: limits.FIELD]
        value = str(item.get("value") or "").strip()[: limits.FIELD]
        if not name and not value:
            continue
        previous = next((field for field in account.fields if field.get("value") == value), None)
        fields.append({"name": name, "value": value, "verified_at": previous.get("verified_at") if previous else None})
    return fields


def _attribution(items: list[Any]) -> list[str]:
    """Domains without scheme and repetition (Account::AttributionDomains)."""
    cleaned = []
    for item in items:
        text = str(item).strip().removeprefix("http://").removeprefix("https://").removeprefix("*.")
        if text:
            cleaned.append(text)
    return list(dict.fromkeys(cleaned))


def _check_attribution(changes: dict[str, Any], found: Errors) -> None:
    wanted = changes.get("attribution_domains", [])
    for domain in wanted:
        if not domains.valid(domain):
            error = ("invalid_domain_on_line", f"{domain} is not a valid domain name")
            found.add("attribution_domains", error)
    if len(wanted) > limits.ATTRIBUTION_DOMAINS:
        message = f"is too long (maximum is {limits.ATTRIBUTION_DOMAINS} characters)"
        found.add("attribution_domains", ("too_long", message))


def _replace(context: Context, account: Account, kind: str, picture: uploads.Upload) -> None:
    folder = f"{kind}s"
    old = getattr(account, f"{kind}_file_name")
    picture.store(context.config, urls.profile_file(folder, account.id, picture.name))
    setattr(account, f"{kind}_file_name", picture.name)
    setattr(account, f"{kind}_content_type", picture.image.content_type)
    if old:
        files.remove(context.config, urls.profile_file(folder, account.id, old))


def _preferences(context: Context, user: User) -> None:
    source = context.params.get("source")
    if not isinstance(source, dict) or not source:
        return
    settings = dict(user.settings)
    choices = {"privacy": PRIVACIES, "quote_policy": tuple(QUOTE_POLICIES)}
    for name, allowed in choices.items():
        if source.get(name) and source[name] in allowed:
            settings[f"default_{name}"] = source[name]
    if boolean(source.get("sensitive")) is not None:
        settings["default_sensitive"] = boolean(source["sensitive"])
    if source.get("language"):
        settings["default_language"] = str(source["language"])
    user.settings = settings


def _let_in(context: Context, account: Account) -> None:
    """Who waited at a door that is open now, is in."""
    query = select(FollowRequest.account_id).where(FollowRequest.target_account_id == account.id)
    for source in list(context.session.scalars(query)):
        relations.answer(context, source, account.id, accept=True)


def _remove_picture(context: Context, kind: str) -> Response:
    context.require_scopes("write", "write:accounts")
    account = context.require_account()
    old = getattr(account, f"{kind}_file_name")
    if old:
        files.remove(context.config, urls.profile_file(f"{kind}s", account.id, old))
    setattr(account, f"{kind}_file_name", None)
    setattr(account, f"{kind}_content_type", None)
    context.session.flush()
    return reply(shown.credential(context, account))


def remove_avatar(context: Context) -> Response:
    """DELETE /api/v1/profile/avatar."""
    return _remove_picture(context, "avatar")


def remove_header(context: Context) -> Response:
    """DELETE /api/v1/profile/header."""
    return _remove_picture(context, "header")


def preferences(context: Context) -> Response:
    """GET /api/v1/preferences."""
    context.require_scopes("read", "read:accounts")
    user = context.require_user()
    return reply(
        {
            "posting:default:visibility": user.default_privacy,
            "posting:default:sensitive": bool(user.setting("default_sensitive", default=False)),
            "posting:default:language": user.setting("default_language")
            or user.locale
            or context.config.default_locale,
            "posting:default:quote_policy": user.setting("default_quote_policy") or "public",
            "reading:expand:media": "default",
            "reading:expand:spoilers": False,
            "reading:autoplay:gifs": False,
        }
    )


def _marker(found: Marker) -> dict[str, Any]:
    return {
        "last_read_id": str(found.last_read_id),
        "version": found.lock_version,
        "updated_at": iso(found.updated_at),
    }


def markers(context: Context) -> Response:
    """GET /api/v1/markers."""
    context.require_scopes("read", "read:statuses")
    user = context.require_user()
    names = [str(item) for item in context.params.items_of("timeline")]
    query = select(Marker).where(Marker.user_id == user.id, Marker.timeline.in_(names))
    return reply({found.timeline: _marker(found) for found in context.session.scalars(query)})


def set_markers(context: Context) -> Response:
    """POST /api/v1/markers."""
    context.require_scopes("write", "write:statuses")
    user = context.require_user()
    result = {}
    for name in TIMELINES:
        given = context.params.get(name)
        if not isinstance(given, dict) or "last_read_id" not in given:
            continue
        number = to_i(str(given["last_read_id"]))
        query = select(Marker).where(Marker.user_id == user.id, Marker.timeline == name)
        found = context.session.scalars(query.with_for_update()).first()
        if found is None:
            found = Marker(user_id=user.id, timeline=name, last_read_id=number, lock_version=0)
            context.session.add(found)
        else:
            found.last_read_id = number
            found.lock_version += 1
        context.session.flush()
        result[name] = _marker(found)
    return reply(result)


ENDPOINTS = (
    Endpoint("GET", "/api/v1/accounts/verify_credentials", verify_credentials),
    Endpoint("PATCH", "/api/v1/accounts/update_credentials", update_credentials),
    Endpoint("GET", "/api/v1/profile", profile),
    Endpoint("PATCH", "/api/v1/profile", update_profile),
    Endpoint("PUT", "/api/v1/profile", update_profile),
    Endpoint("DELETE", "/api/v1/profile/avatar", remove_avatar),
    Endpoint("DELETE", "/api/v1/profile/header", remove_header),
    Endpoint("GET", "/api/v1/preferences", preferences),
    Endpoint("GET", "/api/v1/markers", markers),
    Endpoint("POST", "/api/v1/markers", set_markers),
)
