"""Avatars and headers: what the file itself says it is, before a server says no."""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from meentwerk.accounts.limits import Limits
from meentwerk.entries.problem import Wrong, quoted

TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_SCAN = 0xDA
_HEAD = 512 * 1024  # bytes; a camera's data before the picture is shorter


@dataclass(frozen=True)
class Picture:
    """A picture that can be sent. `digest` is the SHA-256 of the file."""

    path: Path
    content_type: str
    digest: str


def read(folder: Path, name: str, limits: Limits) -> Picture:
    """Check a picture beside the list; `Wrong` when it cannot be sent. A path never leads out of the list's folder."""
    shown = quoted(name)
    if "://" in name:
        raise Wrong(f"{shown} is an address.", "Save the picture beside the list and give its file name.")
    root, path = folder.resolve(), (folder / name.replace("\\", "/")).resolve()
    if not path.is_relative_to(root):
        raise Wrong(f"{shown} lies outside the list's folder.", "Put the picture beside the list.")
    if not path.is_file():
        raise Wrong(f"There is no file {shown}.", "Put it beside the list; upper and lower case count.")
    expected = TYPES.get(path.suffix.lower())
    if expected is None:
        raise Wrong(f"{shown} is no picture by its name.", "Give a .jpg, .png, .gif or .webp file.")
    size = path.stat().st_size
    if size >= limits.picture_bytes:
        most = limits.picture_bytes // (1024 * 1024)
        raise Wrong(f"{shown} has {size / 1024 / 1024:.1f} MB.", f"It must be less than {most} MB: save it smaller.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Wrong(f"{shown} cannot be read: {error.strerror}.", "Check its owner and mode.") from None
    _judge(shown, content, expected, limits)
    return Picture(path, expected, hashlib.sha256(content).hexdigest())


def _judge(shown: str, content: bytes, expected: str, limits: Limits) -> None:
    found = identify(content)
    if found is None:
        raise Wrong(f"{shown} is no picture, or a damaged one.", "Save it anew as PNG or JPEG.")
    kind, width, height = found
    if kind != expected:
        raise Wrong(f"{shown} is {kind.removeprefix('image/').upper()} inside.", "Give it the name of its kind.")
    most = limits.gif_pixels if kind == "image/gif" else limits.picture_pixels
    if not 0 < width * height <= most:
        raise Wrong(f"{shown} has {width} x {height} pixels.", f"{most} in all are allowed: save it smaller.")


def identify(content: bytes) -> tuple[str, int, int] | None:
    """Return type, width and height by the file's own words, or none."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
            # A download that was cut off lacks the end
            return ("image/png", *struct.unpack(">II", content[16:24])) if b"IEND" in content[-16:] else None
        if content[:6] in {b"GIF87a", b"GIF89a"}:
            return "image/gif", *struct.unpack("<HH", content[6:10])
        if content.startswith(b"\xff\xd8\xff"):
            return _jpeg(content[:_HEAD])
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except struct.error:
        return None
    return None


def _jpeg(content: bytes) -> tuple[str, int, int] | None:
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:  # noqa: PLR2004
        marker, size = content[position + 1], struct.unpack(">H", content[position + 2 : position + 4])[0]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return "image/jpeg", width, height
        if marker == _SCAN:
            return None
        position += 2 + size
    return None


def _webp(content: bytes) -> tuple[str, int, int] | None:
    match content[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", content[26:30])
            return "image/webp", width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack("<I", content[21:25])
            return "image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X" if len(content) >= 30:  # noqa: PLR2004
            return (
                "image/webp",
                int.from_bytes(content[24:27], "little") + 1,
                int.from_bytes(content[27:30], "little") + 1,
            )
    return None
