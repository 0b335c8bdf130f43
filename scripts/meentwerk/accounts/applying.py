"""Makes accounts as a list wants them, through bin/batch on the server's host and each account's own token.

A group of accounts costs two starts of the application: one makes accounts and tokens, one revokes the tokens and reads
back. In between each profile is one request. What an interruption leaves is found by the next run: accounts by their
maker, tokens by the journal, everything else by comparing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from meentwerk.accounts import planning, profiles
from meentwerk.accounts.credentials import Store
from meentwerk.accounts.export import export
from meentwerk.accounts.journal import MAKER, Journal
from meentwerk.accounts.planning import Action, State, Step
from meentwerk.accounts.policy import Policy
from meentwerk.accounts.progress import Shown, counting
from meentwerk.api import Client
from meentwerk.api.errors import InvalidError, NotAllowedError, NotFoundError, own_words
from meentwerk.batch import Batch, Item, Result
from meentwerk.console import note

GROUP = 200
EVERY = "*"
FirstAccess = Literal["credentials", "mail"]


@dataclass
class Outcome:
    """What happened with one account of the list."""

    step: Step
    outcome: str
    """created, changed, unchanged, conflict, deleted or failed."""
    error: str = ""
    credentials: str = ""
    """The file with its first password."""


@dataclass
class Applying:
    """One run against one instance."""

    batch: Batch
    client: Client
    policy: Policy
    journal: Journal
    store: Store
    exports: Path
    delete: Callable[[str], object] | None = None
    """Deletes an account and what it posted; none where nothing may be deleted."""
    first_access: FirstAccess = "credentials"
    group: int = GROUP
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _exported: set[str] = field(default_factory=set)
    writes: int = 0
    """Accounts, tokens and profiles that were written, the revoking of tokens counted."""

    def states(self) -> dict[str, State]:
        """Return every local account by its name in lower case."""
        return by_name(self.batch.run("states", [{"username": EVERY}]))

    def run(self, steps: Sequence[Step]) -> list[Outcome]:
        """Do what the steps say, and read back. Accounts that fail do not stop others."""
        for step in steps:
            if step.action in {Action.UNCHANGED, Action.CONFLICT}:
                self.outcomes[step.account.username] = Outcome(step, str(step.action), step.reason)
        todo = [step for step in steps if step.action in {Action.CREATE, Action.CHANGE, Action.DELETE}]
        self._tidy(steps)
        if todo:
            self.journal.write("begin", number=len(todo))
            self._role(todo)
            with counting("accounts", len(todo)) as shown:
                for start in range(0, len(todo), self.group):
                    self._group(todo[start : start + self.group], shown)
            self.journal.write("end")
        return [self.outcomes[step.account.username] for step in steps]

    def _tidy(self, steps: Sequence[Step]) -> None:
        """Finish what an interrupted run left: tokens that work, and files of passwords that never did."""
        if left := sorted(self.journal.tokens):
            note(f"tokens of an interrupted run are revoked: {len(left)}")
            self.writes += len(left)
            self.batch.run("tokens", [_revoked(name) for name in left])
            self.journal.write("revoked", left)
        pending = self.store.pending()
        for step in steps:
            if step.account.username in pending and step.state is not None:
                self._settle(step.account.username, step.state)

    def _settle(self, name: str, state: State) -> str:
        kept = self.store.settle(name, self.journal.attempt_of(state.get("created_by")))
        return str(kept) if kept else ""

    def _role(self, steps: Sequence[Step]) -> None:
        """Make the role with a mandatory second factor, when an account is to have it."""
        role = self.policy.two_factor_role
        if role is None or not any(planning.role_of(step.account, self.policy) == role.name for step in steps):
            return
        [result] = self.batch.run("roles", [{"name": role.name, "require_2fa": True}])
        if result["outcome"] == "failed" and "require_2fa" in str(result["error"]):
            note(f"warning: {result['error']}; the role {role.name} asks for no second factor")
            [result] = self.batch.run("roles", [{"name": role.name}])
        self.writes += result["outcome"] in {"created", "updated"}

    def _group(self, steps: Sequence[Step], shown: Shown) -> None:
        """Bring one group in line."""
        # An account that ends is exported with a token of its own first, and disabled last
        access = [step for step in steps if not _ends(step) and (step.access or self._late_role(step))]
        with_token = [step for step in steps if _exported(step) or (step.profile and step.account.state == "present")]
        creating = [step.account.username for step in steps if step.action is Action.CREATE]
        if creating:
            self.journal.write("creating", creating)
        items = [self._item(step) for step in access]
        self.store.sync()
        tokens = [_token(step.account.username) for step in with_token]
        if tokens:
            self.journal.write("tokens", [step.account.username for step in with_token])
        made, given = self.batch.several([("accounts", items), ("tokens", tokens)])
        self._note_access(access, made)
        # An account that could not be made has no token either, and is said to have failed already
        texts = {result["key"].partition("/")[0]: result["token"] for result in given if result.get("token")}
        self.writes += len(texts)
        failure: BaseException | None = None
        try:
            self._profiles(with_token, texts, shown)
            shown.advance(len(steps) - len(with_token))
        except BaseException as error:  # also Ctrl-C: tokens do not outlive the run
            failure = error
        self._finish(steps, with_token, failure)

    def _item(self, step: Step) -> Item:
        """Return what bin/batch accounts is told; a new account's password is written before."""
        account = step.account
        item: Item = {"username": account.username, "email": account.email, "take_over": False}
        item |= {"disabled": account.state != "present"}
        if account.state != "absent":
            item |= {"confirmed": True, "approved": True}
            role = planning.role_of(account, self.policy)
            item |= {"role": None if self._late_role(step) else role} if role is not None else {}
            item |= {"locale": account.locale} if account.locale else {}
            if account.sso_id and self.policy.single_sign_on:
                item["identity"] = {"provider": self.policy.single_sign_on.provider, "uid": account.sso_id}
        if step.action is Action.CREATE:
            item["created_by"] = self.journal.maker
            if self.policy.single_sign_on is None and self.first_access == "mail":
                item["reset_mail"] = True
            elif self.policy.single_sign_on is None:
                item["password"] = self.store.write(account, self.journal.attempt)
        return item

    def _late_role(self, step: Step) -> str | None:
        """Return the role that an account gets after its profile only.

        With a role that asks for a second factor, a token does nothing until the account has one.
        """
        role, state, policy = planning.role_of(step.account, self.policy), step.state or {}, self.policy.two_factor_role
        asks = (policy is not None and role == policy.name) or state.get("role_requires_2fa")
        return (
            role if asks and step.profile and step.account.state == "present" and not state.get("two_factor") else None
        )

    def _roles(self, steps: Sequence[Step]) -> list[Item]:
        late = [(step.account, role) for step in steps if (role := self._late_role(step)) is not None]
        return [
            {"username": account.username, "email": account.email, "take_over": False, "role": role}
            for account, role in late
            if account.username not in self.outcomes
        ]

    def _ended(self, steps: Sequence[Step]) -> list[Item]:
        """Return who is disabled; not whose export failed, and nobody when the run was broken off before it."""
        return [
            {"username": step.account.username, "email": step.account.email, "take_over": False, "disabled": True}
            for step in steps
            if _ends(step) and step.account.username not in self.outcomes and step.account.username in self._exported
        ]

    def _note_access(self, steps: Sequence[Step], results: Sequence[Result]) -> None:
        done = []
        for step, result in zip(steps, results, strict=True):
            name = step.account.username
            if result["outcome"] == "failed":
                self._fail(step, str(result["error"]))
                self.store.path(name, self.journal.attempt).unlink(missing_ok=True)
                continue
            self.writes += result["outcome"] in {"created", "updated"}
            done.append(name)
        if done:
            self.journal.write("access", done)

    def _profiles(self, steps: Sequence[Step], texts: Mapping[str, str], shown: Shown) -> None:
        for step in steps:
            name = step.account.username
            token = texts.get(name)
            if token is not None and name not in self.outcomes:
                try:
                    if _ends(step):
                        export(self.client.as_token(token), self.exports, name)
                        self._exported.add(name)
                    else:
                        profiles.send(self.client, token, step.account, step.profile)
                        self.writes += 1
                except (InvalidError, NotAllowedError, NotFoundError) as error:
                    self._fail(step, own_words(error.body) or error.message)
            shown.advance()

    def _finish(self, steps: Sequence[Step], with_token: Sequence[Step], failure: BaseException | None) -> None:
        """Revoke the group's tokens, read back, and say what came of each account."""
        names = [step.account.username for step in steps]
        revoked = [_revoked(step.account.username) for step in with_token]
        last, states_of = [*self._roles(steps), *self._ended(steps)], [{"username": name} for name in names]
        *_, ended, read = self.batch.several([("tokens", revoked), ("accounts", last), ("states", states_of)])
        self.writes += sum(result["outcome"] == "updated" for result in ended)
        self.writes += len(revoked)
        if with_token:
            self.journal.write("revoked", [step.account.username for step in with_token])
        states = by_name(read)
        self._remember_pictures(steps, states, whole=failure is None)
        for step in steps:
            self._conclude(step, states.get(step.account.username))
        if failure is not None:
            raise failure

    def _remember_pictures(self, steps: Sequence[Step], states: Mapping[str, State], *, whole: bool) -> None:
        """Keep which file on the server is which picture of the list."""
        found: dict[str, dict[str, dict[str, str]]] = {}
        for step in steps:
            state = states.get(step.account.username, {})
            before = step.state or {}
            for kind in planning.PICTURES:
                picture = getattr(step.account, kind)
                # The server names each upload anew: the same name means that nothing arrived
                if kind in step.profile and picture and state.get(kind) and state.get(kind) != before.get(kind):
                    known = {"digest": picture.digest, "name": str(state[kind])}
                    found.setdefault(step.account.username, {})[kind] = known
        if found:
            self.journal.write("pictures", pictures=found, whole=whole)

    def _conclude(self, step: Step, state: State | None) -> None:
        """Compare an account with the list once more, as it is on the server now."""
        name = step.account.username
        if name in self.outcomes:
            return
        if state is None:
            self._fail(step, "the server does not have it after all")
            return
        kept = self._settle(name, state) if step.action is Action.CREATE and not _ends(step) else ""
        known = {name: self.journal.pictures.get(name, {})}
        [again] = planning.plan([step.account], {name: state}, known, self.policy)
        if again.action is not Action.UNCHANGED:
            what = again.reason or ", ".join(difference.name for difference in again.differences)
            self._fail(step, f"it was sent, and the server has it otherwise: {what}", kept)
            return
        outcome = "created" if step.action is Action.CREATE else "changed"
        if step.action is Action.DELETE and self.delete is not None:
            self.journal.write("deleting", [name])
            self.delete(name)
            self.writes += 1
            outcome = "deleted"
        self.outcomes[name] = Outcome(step, outcome, credentials=kept)

    def _fail(self, step: Step, error: str, credentials: str = "") -> None:
        self.outcomes[step.account.username] = Outcome(step, "failed", error, credentials)


def by_name(results: Sequence[Result]) -> dict[str, State]:
    """Return the states of a batch by name in lower case."""
    return {str(result["key"]).lower(): result["state"] for result in results if result.get("state")}


def _ends(step: Step) -> bool:
    return step.account.state == "absent"


def _exported(step: Step) -> bool:
    """Say whether an account that ends can still be asked for its posts: once disabled, its token does nothing."""
    return _ends(step) and bool(step.differences)


def _token(name: str) -> Item:
    return {"username": name, "application": MAKER, "scopes": profiles.SCOPES, "renew": True}


def _revoked(name: str) -> Item:
    return {"username": name, "application": MAKER, "scopes": profiles.SCOPES, "revoked": True}
