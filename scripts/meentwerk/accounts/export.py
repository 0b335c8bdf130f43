"""What an account leaves behind when it ends: profile and posts, as the server tells its own holder, or anybody."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meentwerk.api import Client
from meentwerk.files import replace_file

PAGE = 40


def export(client: Client, folder: Path, username: str) -> Path:
    """Write `USERNAME-DATE.json` with the account's profile and all its posts; the client has its own token.

    Media are named by their addresses, and stay on the server until the account is deleted.
    """
    return _write(client, folder, username, client.get("/api/v1/accounts/verify_credentials"))


def export_public(client: Client, folder: Path, username: str) -> Path:
    """Write the same of what anybody can see; the client has no token."""
    return _write(client, folder, username, client.get("/api/v1/accounts/lookup", {"acct": username}))


def _write(client: Client, folder: Path, username: str, account: Mapping[str, Any]) -> Path:
    posts = list(client.pages(f"/api/v1/accounts/{account['id']}/statuses", limit=PAGE))
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{username}-{datetime.now(UTC):%Y%m%d}.json"
    content = {"exported_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "account": account, "statuses": posts}
    replace_file(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n", 0o600)
    return path
