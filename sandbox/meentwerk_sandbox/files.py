"""Files under the media root: written whole or not at all."""

import os
import secrets
from pathlib import Path

from .config import Config

SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp"}


def new_name(content_type: str) -> str:
    """A name nobody can guess, so that an old address never shows a new file."""
    return secrets.token_hex(8) + SUFFIXES[content_type]


def write(config: Config, path: str, content: bytes) -> None:
    """Store a file. Who may read it is up to the service's umask and the media folder's group, as upstream."""
    target = config.media_path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(target)


def remove(config: Config, path: str) -> None:
    """Delete a file and the folders it leaves empty; one that is gone already is fine."""
    target = config.media_path / path
    target.unlink(missing_ok=True)
    for folder in target.parents:
        if folder == config.media_path or not _remove_empty(folder):
            return


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
