"""Uploading files for posts. Images only, and ready at once."""

from starlette.responses import Response

from .. import errors, limits, tasks, uploads, urls
from ..context import Context
from ..http import empty, reply
from ..models import Media
from ..params import to_i
from ..serializers.statuses import media as shown
from ..validation import Errors, too_long
from .routing import Endpoint

WRITE = ("write", "write:media")


def create(context: Context) -> Response:
    """POST /api/v2/media and /api/v1/media."""
    context.require_scopes(*WRITE)
    account = context.require_account()
    found = Errors()
    upload = uploads.read(context.params.upload("file"), "file", limits.IMAGE_BYTES, found)
    description = context.params.optional("description")
    _check(description, found)
    found.raise_if_any()
    if upload is None:
        raise errors.said(422, "Validation failed: File can't be blank")
    made = Media(
        account_id=account.id,
        file_file_name=upload.name,
        file_content_type=upload.image.content_type,
        file_file_size=len(upload.content),
        file_meta=upload.meta(uploads.focus(context.params.text("focus"))),
        description=description,
        blurhash=uploads.PLACEHOLDER,
    )
    context.session.add(made)
    context.session.flush()
    for style in ("original", "small"):
        upload.store(context.config, urls.media_file(style, made))
    return reply(shown(context, made))


def _check(description: str | None, found: Errors) -> None:
    if description is not None and len(description) > limits.MEDIA_DESCRIPTION:
        found.add("description", too_long(limits.MEDIA_DESCRIPTION))


def _own(context: Context) -> Media:
    account = context.require_account()
    found = context.session.get(Media, to_i(str(context.params["id"])))
    if found is None or found.account_id != account.id:
        raise errors.record_not_found()
    return found


def _unattached(context: Context) -> Media:
    context.require_scopes(*WRITE)
    found = _own(context)
    if found.status_id is not None:
        raise errors.record_not_found()
    return found


def show(context: Context) -> Response:
    """GET /api/v1/media/ID."""
    return reply(shown(context, _unattached(context)))


def update(context: Context) -> Response:
    """PUT /api/v1/media/ID: description and focus."""
    media = _unattached(context)
    found = Errors()
    if context.params.has("description"):
        _check(context.params.text("description"), found)
        found.raise_if_any()
        media.description = context.params.optional("description")
    focus = uploads.focus(context.params.text("focus"))
    if focus is not None:
        media.file_meta = {**(media.file_meta or {}), "focus": {"x": focus[0], "y": focus[1]}}
    context.session.flush()
    return reply(shown(context, media))


def destroy(context: Context) -> Response:
    """DELETE /api/v1/media/ID."""
    context.require_scopes(*WRITE)
    found = _own(context)
    if found.status_id is not None:
        raise errors.said(422, "Media attachment is currently used by a status")
    tasks.remove_media(context.services, context.session, found)
    return empty()


ENDPOINTS = (
    Endpoint("POST", "/api/v1/media", create),
    Endpoint("POST", "/api/v2/media", create),
    Endpoint("GET", "/api/v1/media/{id:int}", show),
    Endpoint("PUT", "/api/v1/media/{id:int}", update),
    Endpoint("DELETE", "/api/v1/media/{id:int}", destroy),
)
