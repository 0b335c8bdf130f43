"""Another's server over its API: what a moderator is told, what waits for a holder, and interruptions."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from meentwerk.accounts import over_api, profiles
from meentwerk.accounts.account import Account
from meentwerk.accounts.applying import Outcome
from meentwerk.accounts.credentials import Store
from meentwerk.accounts.journal import Journal
from meentwerk.accounts.over_api import OverApi
from meentwerk.accounts.pending import Pending
from meentwerk.accounts.policy import Policy
from meentwerk.api import Client, InvalidError, NotAllowedError

from .rehearsal import Killed, password_of


class Server:
    """A server as a moderator sees it; stands in for the client and for Mastodon.py."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.passwords: dict[str, str] = {}
        self.applications, self.revoked, self.profiles = 0, 0, 0
        self.tick: Callable[[], None] = lambda: None
        self.closed = self.hidden = False
        self.posts = [{"id": "1"}, {"id": "2"}]

    def as_token(self, _token: str | None) -> "Server":
        return self

    def pages(self, path: str, params: dict[str, str] | None = None, *, limit: int) -> Iterator[Any]:
        if path.endswith("/statuses"):
            yield from self.posts
            return
        assert limit == 200
        yield from [
            person for name, person in self.people.items() if name.startswith((params or {}).get("username", ""))
        ]

    def get(self, path: str, params: dict[str, str]) -> Any:
        assert path == "/api/v1/accounts/lookup"
        if self.hidden:
            raise NotAllowedError(
                "closed", "", status=401, body={"error": "This method requires an authenticated user"}
            )
        return self.people[params["acct"]]

    def post(self, path: str, body: Any = None) -> Any:
        self.tick()
        if path == "/api/v1/apps":
            self.applications += 1
            return {"id": str(self.applications), "client_id": str(self.applications), "client_secret": "word"}
        number, verb = path.split("/")[-2:]
        person = next(person for person in self.people.values() if person["id"] == number)
        person |= {"approve": {"approved": True}, "action": {"disabled": True}, "enable": {"disabled": False}}[verb]
        self.tick()
        return person

    def call(self, method: str, path: str, *, data: Any, repeatable: bool) -> None:
        assert (method, path, repeatable) == ("POST", "/oauth/revoke", True)
        assert set(data) == {"client_id", "client_secret", "token"}
        self.tick()
        self.revoked += 1

    def library(self, _client: Any, _token: None, application: tuple[str, str]) -> "Server":
        self.application = application[0]
        return cast("Server", _Library(self, application[0]))

    def profile(self, _client: Any, _token: str, _account: Account, _names: Any) -> None:
        self.tick()
        self.profiles += 1
        self.tick()


class _Library:
    def __init__(self, server: Server, application: str) -> None:
        self._server, self._application = server, application

    def call(self, _what: str, send: Callable[[Any], str], *, repeatable: bool) -> str:
        assert not repeatable
        return send(self)

    def create_account(self, username: str, password: str, email: str, **more: Any) -> str:
        server = self._server
        assert more["agreement"] is True
        if server.closed:
            raise NotAllowedError("closed", "", status=403, body={"error": "Forbidden"})
        server.tick()
        if any(person["email"] == email for person in server.people.values()):
            raise InvalidError("taken", "", status=422, body={"error": "E-mail address has already been taken"})
        server.people[username] = {
            "id": str(len(server.people) + 1),
            "username": username,
            "email": email,
            "confirmed": False,
            "approved": False,
            "disabled": False,
            "suspended": False,
            "role": {"id": "-99", "name": ""},
            "created_by_application_id": self._application,
            "account": {"fields": []},
        }
        server.passwords[username] = password
        server.tick()
        return f"token-of-{username}"


def account(name: str, **more: Any) -> Account:
    return Account(row=2, username=name, email=f"{name}@tides.example.org", department="Tides", **more)


def run(server: Server, folder: Path, accounts: list[Account]) -> tuple[OverApi, list[Outcome]]:
    one = OverApi(
        client=cast(Client, server),
        policy=Policy.model_validate({}),
        journal=Journal.open(folder),
        store=Store(folder / "credentials", "https://x.example"),
        pending=Pending(folder),
        exports=folder / "exports",
    )
    return one, one.run(one.plan(accounts, one.states()))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(over_api, "Library", made.library)
    monkeypatch.setattr(profiles, "send", made.profile)
    return made


SOME = [account("tides", display_name="Tides"), account("dikes"), account("ponds", state="disabled")]


def outcomes(done: list[Outcome]) -> list[str]:
    return [outcome.outcome for outcome in done]


def test_sign_up_approval_confirmation_profile_and_nothing_more(tmp_path: Path, server: Server) -> None:
    assert outcomes(run(server, tmp_path, SOME)[1]) == ["waiting", "created", "changed"]
    assert all(server.people[name]["approved"] for name in ("tides", "dikes"))
    assert server.people["ponds"]["disabled"]
    again, done = run(server, tmp_path, SOME)
    assert (outcomes(done), again.writes) == (["waiting", "unchanged", "unchanged"], 0)
    server.people["tides"]["confirmed"] = True
    assert outcomes(run(server, tmp_path, SOME)[1]) == ["changed", "unchanged", "unchanged"]
    assert (server.profiles, server.revoked) == (1, 1)
    again, done = run(server, tmp_path, SOME)
    assert (set(outcomes(done)), again.writes) == ({"unchanged"}, 0)


def test_an_interruption_anywhere_leaves_one_account_with_one_password(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = 0
    for moment in range(1, 60):
        folder = tmp_path / str(moment)
        folder.mkdir()
        server.__init__()  # type: ignore[misc]  # as new
        seen = 0

        def tick() -> None:
            nonlocal seen
            seen += 1
            if seen == moment:  # noqa: B023  # the run of this moment
                raise Killed

        server.tick = tick
        try:
            run(server, folder, SOME)
            break
        except Killed:
            moments += 1
        server.tick = lambda: None
        _, done = run(server, folder, SOME)
        # A token that was lost on the way cannot be had again: it is said, and nothing is made twice
        assert set(outcomes(done)) <= {"waiting", "created", "changed", "unchanged", "failed"}
        assert [o.error for o in done if o.outcome == "failed"] in (
            [],
            ["there is no token for its profile: only its holder can change it"],
        )
        for name, password in server.passwords.items():
            assert password_of(folder, name) == [password], (moment, name)
    assert moments > 8


def test_closed_registrations_end_the_run(tmp_path: Path, server: Server) -> None:
    server.closed = True
    with pytest.raises(NotAllowedError):
        run(server, tmp_path, SOME)
    assert password_of(tmp_path, "tides") == []


def test_what_the_api_cannot_do_is_said(tmp_path: Path, server: Server) -> None:
    _, done = run(server, tmp_path, [account("tides", role="Moderator")])
    assert done[0].error == "the API gives no role: an administrator gives it Moderator"
    _, done = run(server, tmp_path, [Account(2, "other", "tides@tides.example.org", "Tides")])
    assert done[0].outcome == "conflict"


def test_an_account_that_ends_is_exported_before_it_is_disabled(tmp_path: Path, server: Server) -> None:
    run(server, tmp_path, [account("tides")])
    server.hidden = True
    _, done = run(server, tmp_path, [account("tides", state="absent")])
    assert "its posts cannot be read without an account" in done[0].error
    assert not server.people["tides"]["disabled"]
    server.hidden = False
    assert outcomes(run(server, tmp_path, [account("tides", state="absent")])[1]) == ["changed"]
    assert server.people["tides"]["disabled"]
    (path,) = (tmp_path / "exports").iterdir()
    assert json.loads(path.read_text())["statuses"] == server.posts
    again, done = run(server, tmp_path, [account("tides", state="absent")])
    assert (outcomes(done), again.writes) == (["unchanged"], 0)
