"""A local account as an ActivityPub actor (ActivityPub::ActorSerializer)."""

from typing import Any

from .. import lookup, text, urls
from ..clock import iso_seconds, midnight
from ..models import Account
from ..view import View

PUBLIC_COLLECTION = "https://www.w3.org/ns/activitystreams#Public"
CONTEXT: list[Any] = [
    "https://www.w3.org/ns/activitystreams",
    "https://w3id.org/security/v1",
    {
        "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
        "toot": "http://joinmastodon.org/ns#",
        "featured": {"@id": "toot:featured", "@type": "@id"},
        "featuredTags": {"@id": "toot:featuredTags", "@type": "@id"},
        "schema": "http://schema.org#",
        "PropertyValue": "schema:PropertyValue",
        "value": "schema:value",
        "discoverable": "toot:discoverable",
        "suspended": "toot:suspended",
        "memorial": "toot:memorial",
        "indexable": "toot:indexable",
        "attributionDomains": {"@id": "toot:attributionDomains", "@type": "@id"},
    },
]


def actor(view: View, shown: Account) -> dict[str, Any]:
    """The actor document of a local account."""
    uri = urls.account_uri(view.config, shown)
    hidden = shown.unavailable
    profile = lookup.profile_links(view.session, view.config)

    def html(content: str, *, multiline: bool = True) -> str:
        return text.to_html(
            content, base_url=view.config.base_url, mention=profile, multiline=multiline, rel_me=not multiline
        )

    result: dict[str, Any] = {
        "@context": CONTEXT,
        "id": uri,
        "webfinger": f"{shown.username}@{view.config.local_domain}",
        "type": "Service" if shown.bot else "Group" if shown.actor_type == "Group" else "Person",
        "following": f"{uri}/following",
        "followers": f"{uri}/followers",
        "inbox": f"{uri}/inbox",
        "outbox": f"{uri}/outbox",
        "featured": f"{uri}/collections/featured",
        "featuredTags": f"{uri}/collections/tags",
        "preferredUsername": shown.username,
        "name": shown.username if hidden else shown.display_name or shown.username,
        "summary": "" if hidden else html(shown.note),
        "url": urls.account_url(view.config, shown),
        "manuallyApprovesFollowers": False if hidden else shown.locked,
        "discoverable": False if hidden else bool(shown.discoverable),
        "indexable": False if hidden else shown.indexable,
        "published": iso_seconds(midnight(shown.created_at)),
        "memorial": shown.memorial,
    }
    if shown.suspended_at is not None:
        result["suspended"] = True
    if shown.attribution_domains:
        result["attributionDomains"] = list(shown.attribution_domains)
    result |= {
        "publicKey": {"id": f"{uri}#main-key", "owner": uri, "publicKeyPem": shown.public_key},
        "tag": [],
        "attachment": []
        if hidden
        else [
            {
                "type": "PropertyValue",
                "name": item.get("name", ""),
                "value": html(str(item.get("value", "")), multiline=False),
            }
            for item in shown.fields
        ],
        "endpoints": {"sharedInbox": view.url("/inbox")},
    }
    if not hidden and shown.avatar_file_name:
        result["icon"] = _image(view, shown, "avatars", shown.avatar_content_type, shown.avatar_description)
    if not hidden and shown.header_file_name:
        result["image"] = _image(view, shown, "headers", shown.header_content_type, shown.header_description)
    return result


def _image(view: View, shown: Account, kind: str, media_type: str | None, description: str) -> dict[str, Any]:
    name = shown.avatar_file_name if kind == "avatars" else shown.header_file_name
    url = urls.asset(view.config, urls.profile_file(kind, shown.id, name or ""))
    image = {"type": "Image", "mediaType": media_type, "url": url}
    return {**image, "summary": description} if description else image
