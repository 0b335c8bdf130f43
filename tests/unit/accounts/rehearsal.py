"""A server for tests of runs: bin/batch and profiles in memory, with the rules that a run depends on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from meentwerk.accounts import planning, profiles
from meentwerk.accounts.account import Account
from meentwerk.accounts.applying import Applying, Outcome
from meentwerk.accounts.credentials import Store
from meentwerk.accounts.journal import Journal
from meentwerk.accounts.pictures import Picture
from meentwerk.accounts.policy import Policy
from meentwerk.api import Client, Server
from meentwerk.batch import Item, Result


class Killed(BaseException):
    """The process ended here."""


@dataclass
class Person:
    """An account on the server."""

    state: dict[str, Any]
    password: str | None
    token: str | None = None


@dataclass
class Rehearsal:
    """The server. `tick` is called before each thing that happens; a test may end the process there."""

    people: dict[str, Person] = field(default_factory=dict)
    tick: Callable[[], None] = lambda: None
    uploads: int = 0
    roles: dict[str, bool] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Names whose creation fails, and why."""

    def run(self, name: str, items: Sequence[Item], *, dry_run: bool = False) -> list[Result]:
        assert not dry_run
        return self.several([(name, items)])[0]

    def several(self, lists: Sequence[tuple[str, Sequence[Item]]], *, dry_run: bool = False) -> list[list[Result]]:
        self.tick()
        done = []
        for name, items in lists:
            done.append([getattr(self, f"_{name}")(json.loads(json.dumps(item))) for item in items])
            self.tick()  # the process here may end although the one on the host goes on
        if lists[0][0] == "states" and lists[0][1] and lists[0][1][0]["username"] == "*":
            return [[{"key": name, "state": dict(person.state)} for name, person in self.people.items()]]
        return done

    def _states(self, item: Item) -> Result:
        person = self.people.get(item["username"])
        return (
            {"key": item["username"], "outcome": "found", "state": dict(person.state)}
            if person
            else {"key": item["username"], "outcome": "absent"}
        )

    def _roles(self, item: Item) -> Result:
        new = self.roles.get(item["name"]) != item.get("require_2fa", False)
        self.roles[item["name"]] = item.get("require_2fa", False)
        return {"key": item["name"], "outcome": "updated" if new else "unchanged", "error": None}

    def _accounts(self, item: Item) -> Result:
        name = item["username"]
        if name in self.refused:
            return {"key": name, "outcome": "failed", "error": self.refused[name]}
        person = self.people.get(name)
        if person is None:
            state = {"username": name, "email": item["email"], "created_by": item.get("created_by"), "identities": []}
            person = self.people[name] = Person(
                {**state, "fields": [], "avatar": None, "header": None}, item.get("password")
            )
            outcome = "created"
        elif person.state["email"] != item["email"]:
            return {"key": name, "outcome": "failed", "error": "another e-mail address"}
        else:
            outcome = "unchanged"
        before = dict(person.state)
        person.state |= {
            key: item[key] for key in ("confirmed", "approved", "disabled", "role", "locale") if key in item
        }
        if "identity" in item:
            person.state["identities"] = [item["identity"]]
        person.state["role_requires_2fa"] = self.roles.get(person.state.get("role") or "", False)
        return {
            "key": name,
            "outcome": outcome if before == person.state or outcome == "created" else "updated",
            "error": None,
        }

    def _tokens(self, item: Item) -> Result:
        person, key = self.people.get(item["username"]), f"{item['username']}/{item['application']}"
        if person is None:
            return {"key": key, "outcome": "failed", "error": "there is no local account"}
        if item.get("revoked"):
            outcome, person.token = ("deleted" if person.token else "unchanged"), None
            return {"key": key, "outcome": outcome, "error": None}
        person.token = f"token-{item['username']}-{self.uploads}"
        return {"key": key, "outcome": "created", "error": None, "token": person.token}

    def profile(self, _client: Client, token: str, account: Account, names: Sequence[str]) -> None:
        """Stand in for `profiles.send`."""
        self.tick()
        person = self.people[account.username]
        assert person.token == token
        assert not (person.state.get("role_requires_2fa") or person.state.get("disabled")), "the token does nothing"
        for name in names:
            value = getattr(account, name)
            if isinstance(value, Picture):
                self.uploads += 1
                value = f"upload{self.uploads}.png"
            elif name == "fields":
                value = [{"name": part[0], "value": part[1], "verified_at": None} for part in value]
            elif isinstance(value, tuple):
                value = list(value)
            person.state[name] = value
        self.tick()


def applying(server: Rehearsal, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Applying:
    """Return a run of a new process."""
    monkeypatch.setattr(profiles, "send", server.profile)
    policy = more.pop("policy", Policy.model_validate({}))
    return Applying(
        batch=server,
        client=Client(Server.parse("tides.example.org")),
        policy=policy,
        journal=Journal.open(folder),
        store=Store(folder / "credentials", "https://tides.example.org"),
        exports=folder / "exports",
        **more,
    )


def apply(run: Applying, accounts: Sequence[Account]) -> list[Outcome]:
    """Plan and apply."""
    return run.run(planning.plan(accounts, run.states(), run.journal.pictures, run.policy))


def password_of(folder: Path, username: str) -> list[str]:
    """Return every first password that stands in a file for an account."""
    files = (folder / "credentials").glob(f"{username}.*.txt")
    return [
        line.removeprefix("password: ")
        for file in files
        for line in file.read_text().splitlines()
        if line.startswith("password: ")
    ]
