"""What this release is: read from release.json, which the build writes beside bin/."""

import json

from .config import ROOT

UPSTREAM = "https://github.com/mastodon/mastodon"
NOTICE = "This is a rehearsal server. It is not Mastodon, and nothing posted here is kept."


def _read() -> dict[str, object]:
    try:
        content = json.loads((ROOT / "release.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}  # run from the source tree, not from a built release
    return content if isinstance(content, dict) else {}


_release = _read()
VERSION = str(_release.get("version") or "0.1.0.source")
MASTODON_VERSION = str(_release.get("mastodon_version") or "4.6.5")
API_VERSION = 11  # Mastodon 4.6.5: api_versions.mastodon
