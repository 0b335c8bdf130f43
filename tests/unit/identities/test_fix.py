"""Letters that a webmaster can act on, and making Mastodon look again."""

import http.server
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.identities import fix
from meentwerk.identities.model import Check, Result, Verdict

from .samples import NEWS, result
from .world import World

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
BASE = "https://social.example.test"
TOKEN = "a-token-that-must-never-be-shown"
OWNER = fix.Owner(BASE, TOKEN, "ca.pem")


def with_check(name: str, verdict: Verdict, why: str = "because", cure: str = "do it") -> Result:
    whole = result()
    checks = tuple(check for check in whole.checks if check.name != name)
    return replace(whole, checks=(*checks, Check(name, verdict, why, cure)))


def test_nothing_to_mend_is_no_letter() -> None:
    assert fix.letter(result()) == ""


def test_the_line_of_html() -> None:
    text = fix.letter(with_check("link_back", Verdict.FAIL, "the page does not link back"))
    assert '\n       <link rel="me" href="https://tides.example.test/@news">\n' in text
    assert "On the page https://tides.example.test/: the page does not link back." in text
    assert text.startswith(f"Subject: Please help to prove that @{NEWS} is ours\n\n")
    assert all(len(line) <= 120 for line in text.splitlines())


def test_webfinger_and_the_dns() -> None:
    wrong = with_check("webfinger", Verdict.FAIL, "WebFinger answers 404")
    wrong = replace(wrong, account=replace(wrong.account, web_domain="social.example.test", address="192.0.2.11"))
    text = fix.letter(wrong)
    assert "return 301 https://social.example.test$request_uri;" in text
    assert "add_header Access-Control-Allow-Origin * always;" in text
    assert "tides.example.test. 3600 IN A 192.0.2.11" in text
    assert fix.dns_lines("a.example", "2001:db8::1") == ["a.example. 3600 IN AAAA 2001:db8::1"]
    assert fix.dns_lines("a.example", "web.example") == ["a.example. 3600 IN CNAME web.example."]
    assert fix.dns_lines("a.example", "") == []


@pytest.mark.parametrize("name", ["register", "listed", "attribution", "server_verified", "lookalike"])
def test_the_rest_says_what_to_do(name: str) -> None:
    assert "1. because. Do it." in fix.letter(with_check(name, Verdict.FAIL))


def test_the_token_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert fix.read_token(file) == TOKEN
    assert fix.read_token(None, {fix.TOKEN_VARIABLE: TOKEN}) == TOKEN
    for bad in ("", "two words", "line\nline", "x" * 5000):
        file.write_text(bad)
        with pytest.raises(UsageError) as caught:
            fix.read_token(file)
        assert not bad or bad not in str(caught.value)
    for wrong in (tmp_path / "none", None):
        with pytest.raises(UsageError):
            fix.read_token(wrong, {})


class Server:
    """An account whose profile can be read and saved."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fields = [{"name": "Web", "value": "https://a.example/"}, {"name": "", "value": "text"}]
        self.saved: list[list[dict[str, Any]]] = []
        self.failing = 0
        self.status = 200
        world.pages["social.example.test", "/api/v1/accounts/verify_credentials"] = self.answer
        world.pages["social.example.test", "/api/v1/accounts/update_credentials"] = self.answer
        real = requests.request

        def here(method: str, url: str, **options: Any) -> Any:
            """The small internet has no DNS for other programs; its certificate is the fetcher's to check."""
            options["headers"]["Host"] = "social.example.test"
            assert options.pop("verify") == "ca.pem"
            return real(method, url.replace(BASE, f"https://localhost:{world.port}"), verify=False, **options)

        monkeypatch.setattr(requests, "request", here)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        assert handler.headers["Authorization"] == f"Bearer {TOKEN}"
        body = handler.rfile.read(int(handler.headers["Content-Length"] or 0))
        status = self.status
        if handler.command == "PATCH":
            self.saved.append(list(json.loads(body)["fields_attributes"].values()))
            if self.failing == len(self.saved):
                status = 500
            else:
                self.fields = self.saved[-1]
        answer = json.dumps({"source": {"fields": self.fields}}).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(world, monkeypatch)


def test_saving_again_changes_nothing_but_makes_mastodon_look(server: Server) -> None:
    before = list(server.fields)
    assert OWNER.resave() == ["saved again: https://a.example/"]
    assert server.saved == [before]


def test_a_stale_mark_is_taken_out_and_the_link_put_back(server: Server) -> None:
    before = list(server.fields)
    assert OWNER.reset(["https://a.example/"]) == ["taken out and put back: https://a.example/"]
    assert server.saved == [before[1:], before]
    assert OWNER.reset(["https://other.example/"]) == []


def test_a_profile_is_restored_when_the_first_step_fails(server: Server) -> None:
    before = list(server.fields)
    server.failing = 1
    with pytest.raises(MeentwerkError):
        OWNER.reset(["https://a.example/"])
    assert server.saved[-1] == before


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, Exit.NOT_ALLOWED), (403, Exit.NOT_ALLOWED), (429, Exit.GAVE_UP), (500, Exit.UNEXPECTED)],
)
def test_refusals(server: Server, status: int, code: Exit) -> None:
    server.status = status
    with pytest.raises(MeentwerkError) as caught:
        OWNER.resave()
    assert caught.value.exit is code
    assert TOKEN not in str(caught.value)
