"""Lists of accounts for the tests: made, not kept."""

import csv
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

COLUMNS = (
    *("username", "email", "department", "display_name", "note", "field_1_name", "field_1_value"),
    *("avatar", "avatar_description", "locale", "discoverable", "state"),
)


def picture(folder: Path, name: str, shade: int) -> str:
    """Write a small PNG, a different one for each shade."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + bytes((shade % 256, shade // 256 % 256, 90)) * 8 for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (folder / name).write_bytes(content)
    return name


def rows(folder: Path, prefix: str, number: int, pictures: int, profiles: int) -> Iterator[dict[str, str]]:
    """Yield accounts; the first `pictures` of them have an avatar, the first `profiles` of them a profile at all."""
    for index in range(number):
        row = {
            "username": f"{prefix}{letters(index)}",
            "email": f"team{index}@{prefix}.example.org",
            "department": f"Department {index % 7}",
            "locale": "nl",
            "state": "present",
        }
        profile = {
            "display_name": f"Office {index} ✓",
            "note": f'News of office {index}.\nSecond line, with ; and "quotes".',
            "field_1_name": "Open",
            "field_1_value": f"from {index % 24} h",
            "discoverable": "WAAR",
        }
        row |= profile if index < profiles else {}
        if index < pictures:
            row |= {"avatar": picture(folder, f"{prefix}{index}.png", index), "avatar_description": "A coloured square"}
        yield row


def letters(index: int) -> str:
    """Return a word for a number that looks like no other: only letters that nobody confuses."""
    word = ""
    for _ in range(4):
        word, index = "acdefhjkmp"[index % 10] + word, index // 10
    return word


def write(
    folder: Path, prefix: str, number: int, *, pictures: int = 0, profiles: int | None = None, **changes: str
) -> Path:
    """Write a list as a Dutch spreadsheet program does: semicolons, CRLF, a byte order mark."""
    path = folder / f"{prefix}.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=";", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(
            row | changes for row in rows(folder, prefix, number, pictures, number if profiles is None else profiles)
        )
    return path
