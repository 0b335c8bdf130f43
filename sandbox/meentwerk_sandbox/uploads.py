"""Uploaded images: checked, cleaned and stored."""

from pathlib import PurePath
from typing import Any

from starlette.datastructures import UploadFile

from . import files, images, limits
from .config import Config
from .validation import BLANK, Errors

# A blurhash of one component: a grey area. Nothing here decodes pictures.
PLACEHOLDER = "00Eyb["
SPOOFED = ("spoofed_media_type", "has contents that are not what they are reported to be")
_BY_SUFFIX = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpe": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


class Upload:
    """A good image, ready to be stored."""

    def __init__(self, content: bytes, image: images.Image) -> None:
        self.content = images.without_metadata(content, image.content_type)
        self.image = image
        self.name = files.new_name(image.content_type)

    def store(self, config: Config, path: str) -> None:
        """Write it under the media root."""
        files.write(config, path, self.content)

    def meta(self, focus: tuple[float, float] | None) -> dict[str, Any]:
        """What the API tells of the picture; the small style is the same file here."""
        width, height = self.image.width, self.image.height
        size = {
            "width": width,
            "height": height,
            "size": f"{width}x{height}",
            "aspect": width / height if height else 1.0,
        }
        meta: dict[str, Any] = {"original": size, "small": dict(size)}
        if focus is not None:
            meta["focus"] = {"x": focus[0], "y": focus[1]}
        return meta


def read(upload: UploadFile | None, attribute: str, maximum: int, found: Errors) -> Upload | None:
    """Check an upload as Paperclip does; what is wrong goes to `found`."""
    human = attribute.capitalize()
    content = upload.file.read(maximum + 1) if upload is not None else b""
    if upload is None or not content:
        found.add(attribute, BLANK)
        return None
    if len(content) > maximum:
        limit = f"must be less than {maximum // (1024 * 1024)} MB"
        found.add(f"{attribute}_file_size", ("less_than", limit), f"{human} file size")
        return None
    image = images.identify(content)
    expected = _BY_SUFFIX.get(PurePath(upload.filename or "").suffix.lower())
    if expected is not None and (image is None or image.content_type != expected):
        found.add(attribute, SPOOFED)
        return None
    if image is None:
        found.add(f"{attribute}_content_type", ("invalid", "is invalid"), f"{human} content type")
        found.add(attribute, ("invalid", "is invalid"))
        return None
    gif = image.content_type == "image/gif"
    if image.width * image.height > (images.GIF_MATRIX if gif else limits.IMAGE_MATRIX):
        kind = "GIF files" if gif else "images"
        found.add(attribute, ("dimensions", f"{image.width}x{image.height} {kind} are not supported"), "")
        return None
    return Upload(content, image)


def focus(text: str) -> tuple[float, float] | None:
    """`-0.5,0.3` as two numbers between -1 and 1."""
    parts = text.split(",")
    try:
        x, y = (max(-1.0, min(1.0, float(part))) for part in parts)
    except ValueError:
        return None
    return x, y
