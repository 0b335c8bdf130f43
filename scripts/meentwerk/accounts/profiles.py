"""Sets a profile through an account's own token: texts, fields, flags and pictures, in one request."""

import hashlib
import json
from collections.abc import Collection
from typing import Any

from meentwerk.accounts.account import Account
from meentwerk.accounts.mastodon_py import Library
from meentwerk.api import Client

SCOPES = "read:accounts read:statuses write:accounts"
WHAT = "PATCH /api/v1/accounts/update_credentials of {}"


def send(client: Client, token: str, account: Account, names: Collection[str]) -> None:
    """Set the fields `names` of the profile (names of `planning.Difference`). Sending them twice does no harm."""
    wanted = arguments(account, names)
    library = Library(client, token)
    library.call(
        WHAT.format(account.username),
        lambda mastodon: mastodon.account_update_credentials(**wanted, **_pictures(account, names)),
        repeatable=True,
    )


def arguments(account: Account, names: Collection[str]) -> dict[str, Any]:
    """Return what Mastodon.py is given, pictures aside."""
    found: dict[str, Any] = {}
    for name in names:
        value = getattr(account, name)
        match name:
            case "avatar" | "header":
                continue
            case "fields":
                # No pair would send nothing and clear nothing; an empty one clears
                found[name] = list(value) or [("", "")]
            case "attribution_domains":
                found[name] = list(value) or [""]
            case _:
                found[name] = value
    return found


def _pictures(account: Account, names: Collection[str]) -> dict[str, Any]:
    """Return the pictures' content, read anew for each try."""
    found: dict[str, Any] = {}
    for kind in ("avatar", "header"):
        picture = getattr(account, kind)
        if kind in names and picture is not None:
            found[kind], found[f"{kind}_mime_type"] = picture.path.read_bytes(), picture.content_type
    return found


def digest(account: Account, names: Collection[str]) -> str:
    """Return a mark of a profile as the list wants it, to see later whether it wants something else."""
    wanted = arguments(account, names)
    pictures = {kind: getattr(account, kind).digest for kind in ("avatar", "header") if getattr(account, kind)}
    return hashlib.sha256(json.dumps([wanted, pictures], sort_keys=True, default=str).encode()).hexdigest()
