"""What decides a compiled release, as one hash: the same inputs are never built twice."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from meentwerk.release.identity import DEBIAN, scan

# What Python and editors leave beside the sources of the recipe
LEFTOVERS = ("__pycache__", "*.pyc", ".*.sw?", "*~")


def digest(recipe: Iterable[Path], values: Mapping[str, Any]) -> str:
    """Give the SHA-256 over the files of the recipe (builder, overlay) and the values: version, row, architecture ...

    Mirrors and proxies are no inputs: they change where something comes from, and not what it is.
    """
    folders = [
        [[entry.path.as_posix(), entry.kind, entry.digest] for entry in scan(folder, LEFTOVERS)] for folder in recipe
    ]
    document = json.dumps([DEBIAN, folders, values], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()
