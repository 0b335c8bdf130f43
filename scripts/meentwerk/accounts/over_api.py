"""Makes accounts on a server that somebody else runs, by what its API offers: sign-up, approval, profiles.

An application is registered for each run, and the server tells a moderator which application made an account: so a run
that was cut off in the middle of a sign-up is told from somebody else's account. Nobody but the holder can confirm a
mailbox, so a list takes at least two runs: sign up and approve, and later the profiles of those who confirmed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from meentwerk.accounts import planning, profiles
from meentwerk.accounts.account import Account
from meentwerk.accounts.applying import Outcome
from meentwerk.accounts.credentials import Store
from meentwerk.accounts.export import export_public
from meentwerk.accounts.journal import Journal
from meentwerk.accounts.mastodon_py import Library
from meentwerk.accounts.pending import Pending, Signed
from meentwerk.accounts.planning import Action, Difference, State, Step
from meentwerk.accounts.policy import Policy
from meentwerk.accounts.progress import counting
from meentwerk.api import Client, InvalidError, NotAllowedError, NotFoundError
from meentwerk.api.errors import ApiError, own_words

ADMIN = "/api/v1/admin/accounts"
PAGE = 200
NATIVE = "urn:ietf:wg:oauth:2.0:oob"
EVERYBODY = "-99"
WAITING = "waiting"
PROFILE = (*planning.PLAIN, "fields", *planning.PICTURES, "avatar_description", "header_description")


@dataclass
class OverApi:
    """One run against a server. `client` has a moderator's token: admin:read:accounts and admin:write:accounts."""

    client: Client
    policy: Policy
    journal: Journal
    store: Store
    pending: Pending
    exports: Path
    reason: str = ""
    """What the server's moderators read with each sign-up."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    writes: int = 0
    _application: tuple[str, str] | None = None

    def states(self) -> dict[str, State]:
        """Return every local account by its name in lower case, as far as a moderator is told."""
        found = self.client.pages("/api/v2/admin/accounts", {"origin": "local"}, limit=PAGE)
        return {str(item["username"]).lower(): _state(item, self.journal) for item in found}

    def plan(self, accounts: Sequence[Account], states: Mapping[str, State]) -> list[Step]:
        """Return one step for each account. A profile is compared with what was last set."""
        steps = planning.plan([_access_only(account) for account in accounts], states, {}, Policy.model_validate({}))
        for account, step in zip(accounts, steps, strict=True):
            step.account = account
            names = profile_names(account)
            told = profiles.digest(account, names) == self.journal.profiles.get(account.username)
            # Only a holder can confirm a mailbox: that is no difference which a run could change
            step.differences = [one for one in step.differences if one.name != "confirmed" or step.state is None]
            if step.action is Action.CHANGE and not step.differences:
                step.action = Action.UNCHANGED
            if step.action is not Action.CONFLICT and account.state == "present" and names and not told:
                step.differences.append(Difference("profile", "", ", ".join(names)))
                step.action = Action.CREATE if step.action is Action.CREATE else Action.CHANGE
        return steps

    def run(self, steps: Sequence[Step]) -> list[Outcome]:
        """Do what the steps say. What waits for a holder is waited for by running again."""
        todo = []
        for step in steps:
            if step.action in {Action.UNCHANGED, Action.CONFLICT}:
                self.outcomes[step.account.username] = Outcome(step, str(step.action), step.reason)
            else:
                todo.append(step)
        with counting("accounts", len(todo)) as shown:
            for step in todo:
                try:
                    self.outcomes[step.account.username] = self._one(step)
                except (InvalidError, NotFoundError) as error:
                    self._failed(step, error)
                except NotAllowedError as error:
                    if step.state is None:
                        raise  # registrations are closed, or the address is blocked: it holds for all of them
                    self._failed(step, error)
                shown.advance()
        return [self.outcomes[step.account.username] for step in steps]

    def _failed(self, step: Step, error: ApiError) -> None:
        self.outcomes[step.account.username] = Outcome(step, "failed", own_words(error.body) or error.message)

    def _one(self, step: Step) -> Outcome:
        account, state, kept = step.account, step.state, ""
        if state is None:
            self._sign_up(account)
            state = self._look(account.username)
        if state is None:
            return Outcome(step, "failed", "the server does not have it after all")
        attempt = self.journal.attempt_of(state.get("created_by"))
        if path := self.store.settle(account.username, attempt):
            kept = str(path)
        if account.state != "present":
            return self._end(step, state, kept)
        self._use(account, state)
        if not any(difference.name == "profile" for difference in step.differences):
            return self._rest(step, state, kept)
        signed = self.pending.get(account.username)
        if signed is None:
            return Outcome(step, "failed", "there is no token for its profile: only its holder can change it", kept)
        if not state.get("confirmed"):
            return Outcome(step, WAITING, "its holder has not confirmed the mailbox yet; run it again then", kept)
        self._profile(account, signed)
        return self._rest(step, state, kept)

    def _end(self, step: Step, state: State, kept: str) -> Outcome:
        """Disable an account; one that goes for good leaves its posts behind first."""
        if step.account.state == "absent" and not state.get("disabled"):
            try:
                export_public(self.client.as_token(None), self.exports, step.account.username)
            except (NotAllowedError, NotFoundError) as error:
                said = own_words(error.body) or error.message
                why = f"its posts cannot be read without an account ({said}); state disabled ends it without an export"
                return Outcome(step, "failed", why, kept)
        self._use(step.account, state)
        return Outcome(step, "changed", credentials=kept)

    def _rest(self, step: Step, state: State, kept: str) -> Outcome:
        """Say what a moderator cannot do over the API, else that it is done."""
        role = planning.role_of(step.account, self.policy)
        if role is not None and state.get("role") != role:
            return Outcome(step, "failed", f"the API gives no role: an administrator gives it {role}", kept)
        return Outcome(step, "created" if step.action is Action.CREATE else "changed", credentials=kept)

    def _sign_up(self, account: Account) -> None:
        if self._application is None:
            self._application = self._register()
        client_id, client_secret = self._application
        password = self.store.write(account, self.journal.attempt)
        self.store.sync()
        self.journal.write("creating", [account.username])
        library = Library(self.client, None, self._application)
        more = {"reason": self.reason} if self.reason else {}
        try:
            token = library.call(
                "POST /api/v1/accounts",
                lambda mastodon: mastodon.create_account(
                    account.username,
                    password,
                    account.email,
                    agreement=True,
                    locale=account.locale or "en",
                    scopes=profiles.SCOPES.split(),
                    **more,
                ),
                repeatable=False,
            )
        except (InvalidError, NotAllowedError):
            self.store.path(account.username, self.journal.attempt).unlink(missing_ok=True)
            raise
        self.pending.put(account.username, Signed(str(token), client_id, client_secret))
        self.writes += 1
        self.journal.write("access", [account.username])

    def _register(self) -> tuple[str, str]:
        """Register this run as an application. Its id is kept before: it says later who made an account."""
        body = {"client_name": self.journal.maker, "redirect_uris": NATIVE, "scopes": profiles.SCOPES}
        made = self.client.as_token(None).post("/api/v1/apps", body)
        self.journal.write("application", application=str(made["id"]))
        self.writes += 1
        return made["client_id"], made["client_secret"]

    def _look(self, username: str) -> State | None:
        for item in self.client.pages("/api/v2/admin/accounts", {"origin": "local", "username": username}, limit=PAGE):
            if str(item["username"]).lower() == username:
                return _state(item, self.journal)
        return None

    def _use(self, account: Account, state: State) -> None:
        """Approve, disable or enable."""
        number, wanted = state["id"], account.state != "present"
        if not wanted and not state.get("approved"):
            self.client.post(f"{ADMIN}/{number}/approve")
            self.writes += 1
        if wanted and not state.get("disabled"):
            self.client.post(f"{ADMIN}/{number}/action", {"type": "disable", "send_email_notification": False})
            self.writes += 1
        elif not wanted and state.get("disabled"):
            self.client.post(f"{ADMIN}/{number}/enable")
            self.writes += 1

    def _profile(self, account: Account, signed: Signed) -> None:
        """Set the profile and revoke the token, which has no further use."""
        names = profile_names(account)
        profiles.send(self.client, signed.token, account, names)
        self.writes += 1
        self.journal.write("profile", [account.username], digest=profiles.digest(account, names))
        body = {"client_id": signed.client_id, "client_secret": signed.client_secret, "token": signed.token}
        self.client.as_token(None).call("POST", "/oauth/revoke", data=body, repeatable=True)
        self.writes += 1
        self.pending.drop(account.username)


def profile_names(account: Account) -> list[str]:
    """Return the fields of the profile that a list says."""
    return [name for name in PROFILE if getattr(account, name) is not None]


def _access_only(account: Account) -> Account:
    """Return an account without what no moderator can see or set."""
    nothing: dict[str, Any] = dict.fromkeys(("role", "locale", "sso_id", *PROFILE))
    return replace(account, **nothing)


def _state(item: Mapping[str, Any], journal: Journal) -> State:
    """Return a moderator's view of an account as a state (REST::Admin::AccountSerializer)."""
    role = item.get("role") or {}
    shown = item.get("account") or {}
    return {
        "id": item["id"],
        "username": item["username"],
        "email": item.get("email"),
        "confirmed": bool(item.get("confirmed")),
        "approved": bool(item.get("approved")),
        "disabled": bool(item.get("disabled")),
        "suspended": bool(item.get("suspended")),
        "locale": item.get("locale"),
        "role": role.get("name") if str(role.get("id")) != EVERYBODY else None,
        "created_by": journal.maker_of(str(item.get("created_by_application_id"))),
        "statuses_count": shown.get("statuses_count"),
        "last_status_at": shown.get("last_status_at"),
        "fields": shown.get("fields", []),
    }
