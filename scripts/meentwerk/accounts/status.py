"""How accounts are doing: last post, second factor, confirmation, role, verified links, department."""

from collections.abc import Mapping, Sequence
from typing import Any

from meentwerk.accounts.account import Account
from meentwerk.accounts.planning import State

COLUMNS = (
    *("username", "department", "state", "last_post", "posts", "second_factor", "confirmed", "signed_in", "role"),
    *("verified", "email"),
)


def rows(states: Mapping[str, State], listed: Sequence[Account]) -> list[dict[str, Any]]:
    """Return one row for each account of the list, in its order, and one for each other account of the server."""
    departments = {account.username: account.department for account in listed}
    names = [*departments, *(name for name in states if name not in departments)]
    return [_row(name, departments.get(name, ""), states.get(name)) for name in names]


def _row(name: str, department: str, state: State | None) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(COLUMNS)
    found |= {"username": name, "department": department, "state": _condition(state)}
    if state is None or state.get("email") is None:
        return found
    links = [field for field in state.get("fields", []) if str(field.get("value")).startswith("https://")]
    asks = state.get("role_requires_2fa")
    return found | {
        "last_post": (state.get("last_status_at") or "")[:10] or None,
        "posts": state.get("statuses_count"),
        "second_factor": "yes" if state.get("two_factor") else "no, and its role asks for one" if asks else "no",
        "confirmed": state.get("confirmed"),
        "signed_in": state.get("signed_in"),
        "role": state.get("role"),
        "verified": f"{sum(bool(field.get('verified_at')) for field in links)} of {len(links)}",
        "email": state.get("email"),
    }


def _condition(state: State | None) -> str:
    if state is None:
        return "missing"
    if state.get("email") is None:
        return "deleted"
    for name in ("suspended", "disabled"):
        if state.get(name):
            return name
    return "present" if state.get("approved") and state.get("confirmed") else "pending"
