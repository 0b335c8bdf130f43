"""What differs between a list and the server, by account and field. Nothing here asks or changes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from meentwerk.accounts import values
from meentwerk.accounts.account import Account
from meentwerk.accounts.pictures import Picture
from meentwerk.accounts.policy import Policy

State = Mapping[str, Any]
"""An account as bin/batch states tells it (roles/release_build/files/mastodon/meentwerk/batch/states.rb)."""

# Fields of a profile that are set as they are, and are in a state under the same name
PLAIN = ("display_name", "note", "bot", "locked", "discoverable", "indexable", "attribution_domains")
PICTURES = ("avatar", "header")
# What Mastodon means when nobody chose
_UNSET = {"discoverable": False, "indexable": False, "bot": False, "locked": False}


class Action(StrEnum):
    """What becomes of one account."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    DELETE = "delete"


@dataclass(frozen=True)
class Known:
    """Which picture of a list is behind which file of the server: pictures are stored scaled, so bytes tell nothing."""

    digest: str
    name: str


@dataclass(frozen=True)
class Difference:
    """One field that differs. For pictures and identities, values are not shown."""

    name: str
    before: object
    after: object


@dataclass
class Step:
    """One account of the list, and what is to be done."""

    account: Account
    action: Action
    differences: list[Difference] = field(default_factory=list)
    reason: str = ""
    state: State | None = None

    @property
    def access(self) -> bool:
        """Whether e-mail, role, locale, confirmation, identity or use are to be changed."""
        return any(difference.name in ACCESS for difference in self.differences)

    @property
    def profile(self) -> list[str]:
        """Fields of the profile that are to be changed."""
        return [difference.name for difference in self.differences if difference.name not in ACCESS]


ACCESS = frozenset(("role", "locale", "confirmed", "approved", "disabled", "sso_id"))


def plan(
    accounts: Sequence[Account],
    states: Mapping[str, State],
    pictures: Mapping[str, Mapping[str, Known]],
    policy: Policy,
    *,
    delete: bool = False,
) -> list[Step]:
    """Return one step for each account, in the list's order.

    `states` holds every local account by its name in lower case, `pictures` what was sent before, by name and kind.
    """
    mailboxes = {str(state["email"]).lower(): name for name, state in states.items() if state.get("email")}
    shapes = {values.skeleton(name): name for name in states}
    steps = []
    for account in accounts:
        state = states.get(account.username)
        reason = _conflict(account, state, mailboxes, shapes)
        if reason:
            steps.append(Step(account, Action.CONFLICT, reason=reason, state=state))
        elif account.state == "absent":
            steps.append(_absent(account, state, delete=delete))
        else:
            found = list(_differences(account, state or {}, pictures.get(account.username, {}), policy))
            action = Action.CREATE if state is None else Action.CHANGE if found else Action.UNCHANGED
            steps.append(Step(account, action, found, state=state))
    return steps


def _conflict(account: Account, state: State | None, mailboxes: Mapping[str, str], shapes: Mapping[str, str]) -> str:
    """Say why an account is left alone: nothing that belongs to somebody else is ever taken over."""
    absent, email = account.state == "absent", account.email.lower()
    if state is None:
        return "" if absent else _taken(account, mailboxes, shapes)
    if state.get("email") is None:
        return "" if absent else "the name belonged to an account that was deleted"
    if str(state["email"]).lower() != email:
        return "the name belongs to an account with another e-mail address"
    return "a moderator suspended the account" if state.get("suspended") and not absent else ""


def _taken(account: Account, mailboxes: Mapping[str, str], shapes: Mapping[str, str]) -> str:
    if other := mailboxes.get(account.email.lower()):
        return f"the mailbox belongs to the account {other} already"
    other = shapes.get(values.skeleton(account.username), "")
    return f"the name looks like {other}, which is on the server: readers would confuse them" if other else ""


def _absent(account: Account, state: State | None, *, delete: bool) -> Step:
    if state is None or state.get("email") is None:
        return Step(account, Action.UNCHANGED, state=state)
    found = [] if state.get("disabled") else [Difference("disabled", False, True)]
    if delete:
        return Step(account, Action.DELETE, found, state=state)
    return Step(account, Action.CHANGE if found else Action.UNCHANGED, found, state=state)


def _differences(account: Account, state: State, known: Mapping[str, Known], policy: Policy) -> "_Found":
    found = _Found()
    found.compare("disabled", bool(state.get("disabled", False)), account.state == "disabled")
    if account.state == "disabled":
        return found  # a disabled account's own token does not work, and nobody sees the difference
    for name in ("confirmed", "approved"):
        found.compare(name, state.get(name), True)
    found.compare("role", state.get("role"), role_of(account, policy))
    found.compare("locale", state.get("locale"), account.locale)
    if account.sso_id and policy.single_sign_on:
        identity = {"provider": policy.single_sign_on.provider, "uid": account.sso_id}
        if identity not in state.get("identities", []):
            found.append(Difference("sso_id", "", "set"))
    for name in PLAIN:
        before = state.get(name, _UNSET.get(name))
        before = _UNSET.get(name) if before is None else before
        before = tuple(before) if isinstance(before, list) else before
        found.compare(name, before, getattr(account, name))
    if account.fields is not None:
        before_fields = tuple((item.get("name"), item.get("value")) for item in state.get("fields", []))
        found.compare("fields", before_fields, account.fields)
    for kind in PICTURES:
        found.picture(kind, getattr(account, kind), state.get(kind), known.get(kind))
        described = f"{kind}_description"
        found.compare(described, state.get(described, ""), getattr(account, described))
    return found


class _Found(list[Difference]):
    """Collects differences; what a list does not say (None) is none."""

    def compare(self, name: str, before: object, after: object) -> None:
        if after is not None and before != after and not (after in {"", ()} and before in {None, "", ()}):
            self.append(Difference(name, before, after))

    def picture(self, kind: str, wanted: Picture | None, name: object, known: Known | None) -> None:
        if wanted is not None and (known is None or not name or known != Known(wanted.digest, str(name))):
            self.append(Difference(kind, "another picture" if name else "none", wanted.path.name))


def role_of(account: Account, policy: Policy) -> str | None:
    """Return the role an account is to have: the list's, else the policy's with a second factor, else none is named."""
    if account.role is not None:
        return account.role
    return policy.two_factor_role.name if policy.two_factor_role else None
