import struct

import pytest
from meentwerk_sandbox import images
from meentwerk_sandbox.images import Image

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 60, 40)
GIF = b"GIF89a" + struct.pack("<HH", 3, 2)


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


FRAME = _segment(0xC0, b"\x08" + struct.pack(">HH", 40, 60) + b"\x03")
SCAN = _segment(0xDA, b"\x00") + b"picture\xff\xd9"
JPEG = b"\xff\xd8" + _segment(0xE0, b"JFIF") + _segment(0xE1, b"Exif: where it was taken") + FRAME + SCAN


@pytest.mark.parametrize(
    ("content", "image"),
    [
        (PNG, Image("image/png", 60, 40)),
        (GIF, Image("image/gif", 3, 2)),
        (JPEG, Image("image/jpeg", 60, 40)),
        (b"<svg>", None),
        (b"", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"GIF89a", None),
    ],
)
def test_images_are_known_by_their_content(content: bytes, image: Image | None) -> None:
    assert images.identify(content) == image


def test_a_jpeg_loses_what_the_camera_wrote() -> None:
    clean = images.without_metadata(JPEG, "image/jpeg")
    assert b"where it was taken" not in clean
    assert clean.endswith(SCAN)
    assert images.identify(clean) == Image("image/jpeg", 60, 40)
