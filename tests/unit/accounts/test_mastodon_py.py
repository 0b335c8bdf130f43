"""Mastodon.py behind our own client: limits are waited for, errors are ours, what it cannot clear is cleared."""

from pathlib import Path

import pytest
from meentwerk.accounts import profiles
from meentwerk.accounts.account import Account
from meentwerk.accounts.mastodon_py import Library
from meentwerk.accounts.pictures import Picture
from meentwerk.api import Client, Server
from meentwerk.api.waiting import Patience
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit

from ..api.fake_server import Answer, FakeServer, serve
from ..api.test_client import FAULTS, LIMITS, FakeClock

TOKEN = "-".join(["made", "up", "here"])
ACCOUNT = Account(2, "tides", "tides@example.org", "Tides", display_name="Tides", fields=(), attribution_domains=())
GOOD = Answer(body=b'{"id":"1","username":"tides"}')


def client(server: FakeServer, clock: FakeClock | None = None, patience: float = 600) -> Client:
    return Client(Server.parse(server.url), clock=clock or FakeClock(), patience=Patience(patience))


@pytest.mark.parametrize(("headers", "seconds"), LIMITS.values(), ids=LIMITS)
def test_a_limit_in_every_form_is_waited_for(headers: dict[str, str], seconds: float) -> None:
    clock = FakeClock()
    with serve(Answer(429, b'{"error":"Too many requests"}', headers), GOOD) as server:
        profiles.send(client(server, clock), TOKEN, ACCOUNT, ["display_name"])
    assert clock.waits == [pytest.approx(seconds, abs=1)]


def test_a_limit_for_ever_ends() -> None:
    with serve(Answer(429, b"{}")) as server, pytest.raises(MeentwerkError) as caught:
        profiles.send(client(server, patience=100), TOKEN, ACCOUNT, ["display_name"])
    assert caught.value.exit == Exit.GAVE_UP


@pytest.mark.parametrize(
    "name", [name for name in FAULTS if name not in {"redirected", "half of the JSON", "deep JSON"}]
)
def test_a_fault_ends_with_our_code_and_message(name: str) -> None:
    answer, code, said, sent = FAULTS[name]
    with serve(answer) as server, pytest.raises(MeentwerkError) as caught:
        profiles.send(client(server), TOKEN, ACCOUNT, ["display_name"])
    assert caught.value.exit == code
    assert len(server.asked) == sent
    if name not in {"a page", "cut in the answer", "cut before the answer"}:
        assert said in caught.value.message
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("name", ["500", "cut before the answer"])
def test_a_sign_up_that_may_have_arrived_is_not_sent_again(name: str) -> None:
    sign_up = Answer(body=b'{"access_token":"x","scope":"read","token_type":"Bearer","created_at":1}')
    with serve(sign_up, FAULTS[name][0]) as server, pytest.raises(MeentwerkError):
        Library(client(server), None, ("id", "word")).call(
            "POST /api/v1/accounts",
            lambda mastodon: mastodon.create_account("a", "b" * 12, "a@x.example", agreement=True, scopes=["read"]),
            repeatable=False,
        )
    assert [asked.path for asked in server.asked] == ["/oauth/token", "/api/v1/accounts"]


def test_no_netrc_replaces_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with serve(GOOD) as server:
        profiles.send(client(server), TOKEN, ACCOUNT, ["display_name"])
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_pictures_and_empty_lists_are_sent(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    picture = Picture(tmp_path / "a.png", "image/png", "digest")
    account = Account(2, "tides", "t@example.org", "Tides", avatar=picture, fields=(), attribution_domains=())
    with serve(Answer(503, b"x"), GOOD) as server:
        profiles.send(client(server), TOKEN, account, ["avatar", "fields", "attribution_domains"])
    for asked in server.asked:
        assert b"picture" in asked.body
        assert b'name="fields_attributes[0][name]"' in asked.body
        assert b'name="attribution_domains[]"' in asked.body
