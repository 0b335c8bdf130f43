"""What a token may do: its role's permissions and its scopes, with what is missing by name."""

from collections.abc import Sequence

from meentwerk.api.client import Client
from meentwerk.api.errors import NotAllowedError, NotFoundError
from meentwerk.exits import Exit
from meentwerk.moderation.sections import BY_NAME, Name

# UserRole::FLAGS
ADMINISTRATOR, VIEW_DASHBOARD, MANAGE_FEDERATION, MANAGE_BLOCKS = 1 << 0, 1 << 3, 1 << 5, 1 << 7
BITS = {"manage_federation": MANAGE_FEDERATION, "manage_blocks": MANAGE_BLOCKS, "view_dashboard": VIEW_DASHBOARD}


def check(client: Client, sections: Sequence[Name]) -> str:
    """Make sure that the sections may be changed, before anything is; return the account that the token belongs to.

    A scope for writing is tested by deleting the entry with the id 0, which no list has: the scope is looked at first
    (before_action), so that 404 means it is there and 403 that it is not.
    """
    account = _account(client)
    permissions = _permissions(account)
    missing = sorted(
        {BY_NAME[name].right for name in sections if not permissions & (BITS[BY_NAME[name].right] | ADMINISTRATOR)}
    )
    if missing:
        role = account.get("role") or {}
        raise NotAllowedError(
            f"the role {role.get('name') or 'without a name'} of {account['username']} lacks {', '.join(missing)}",
            "give the account a role that has them: bin/batch roles, or Administration, Roles",
            Exit.NOT_ALLOWED,
        )
    without = [name for name in sections if not _may_write(client, name)]
    if without:
        scopes = ", ".join(f"admin:write:{name}" for name in without)
        raise NotAllowedError(f"the token lacks the scopes {scopes}", _TOKEN, Exit.NOT_ALLOWED)
    return str(account["username"])


_TOKEN = "make a token that has them: see docs/moderation.md, «The token»"  # noqa: S105  # words, not a secret


def _account(client: Client) -> dict:  # type: ignore[type-arg]  # JSON
    try:
        account: dict = client.get("/api/v1/accounts/verify_credentials")  # type: ignore[type-arg]
    except NotAllowedError as error:
        if error.status == 403:  # noqa: PLR2004  # Forbidden: the token is known, its scopes do not reach
            cure = "make a token with profile or read:accounts too: see docs/moderation.md, «The token»"
            raise NotAllowedError("the token may not even say whose it is", cure, Exit.NOT_ALLOWED) from None
        raise
    return account


def _permissions(account: dict) -> int:  # type: ignore[type-arg]
    return int((account.get("role") or {}).get("permissions") or 0)


def _may_write(client: Client, section: Name) -> bool:
    try:
        client.delete(f"{BY_NAME[section].path}/0")
    except NotFoundError:
        return True
    except NotAllowedError as error:
        return "scope" not in error.message
    return True


def explained(client: Client, error: NotAllowedError, sections: Sequence[Name], verb: str) -> NotAllowedError:
    """Return the refusal of a request with the name of what is missing: the scope, or the role's permission."""
    if error.status == 401:  # noqa: PLR2004  # the token itself is wrong
        return error
    if "scope" in error.message:
        scopes = ", ".join(f"admin:{verb}:{name}" for name in sections) or f"admin:{verb}"
        return NotAllowedError(f"the token lacks the scope {scopes}", _TOKEN, Exit.NOT_ALLOWED, status=error.status)
    account = _account(client)
    lacking = [BY_NAME[name].right for name in sections] or ["view_dashboard"]
    role = (account.get("role") or {}).get("name") or "without a name"
    return NotAllowedError(
        f"the role {role} of {account['username']} lacks {', '.join(lacking)}",
        "give the account a role that has it: bin/batch roles, or Administration, Roles",
        Exit.NOT_ALLOWED,
        status=error.status,
    )
