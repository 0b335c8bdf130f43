"""What can be known of an image without decoding it; and JPEG without what a camera wrote into it."""

import struct
from dataclasses import dataclass

GIF_MATRIX = 921_600


@dataclass(frozen=True)
class Image:
    """A recognised image."""

    content_type: str
    width: int
    height: int


def identify(content: bytes) -> Image | None:
    """Type and size by the file's own words; None when it is no image this server takes."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
            return Image("image/png", *struct.unpack(">II", content[16:24]))
        if content[:6] in {b"GIF87a", b"GIF89a"}:
            return Image("image/gif", *struct.unpack("<HH", content[6:10]))
        if content.startswith(b"\xff\xd8\xff"):
            return _jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except struct.error:
        return None
    return None


_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_SCAN = 0xDA
_PRIVATE = {0xE1, 0xED, 0xFE}  # Exif and XMP, IPTC, comments


def _segments(content: bytes) -> list[tuple[int, int, int]]:
    """(marker, start, end) of each segment before the picture itself."""
    found = []
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:  # noqa: PLR2004
        marker = content[position + 1]
        end = position + 2 + int(struct.unpack(">H", content[position + 2 : position + 4])[0])
        found.append((marker, position, end))
        if marker == _SCAN or end > len(content):
            break
        position = end
    return found


def _jpeg(content: bytes) -> Image | None:
    for marker, start, _ in _segments(content):
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", content[start + 5 : start + 9])
            return Image("image/jpeg", width, height)
    return None


def _webp(content: bytes) -> Image | None:
    kind = content[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", content[26:30])
        return Image("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        bits = int(struct.unpack("<I", content[21:25])[0])
        return Image("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        return Image("image/webp", width, int.from_bytes(content[27:30], "little") + 1)
    return None


def without_metadata(content: bytes, content_type: str) -> bytes:
    """A JPEG without Exif (where was it taken), IPTC and comments; other types unchanged."""
    if content_type != "image/jpeg":
        return content
    segments = _segments(content)
    if not segments or segments[-1][0] != _SCAN:
        return content
    kept = [content[start:end] for marker, start, end in segments[:-1] if marker not in _PRIVATE]
    return b"\xff\xd8" + b"".join(kept) + content[segments[-1][1] :]
