"""Addresses and tokens are judged before anything is sent."""

from pathlib import Path

import pytest
from meentwerk.api import Server, read_token
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("tides.example.org", "https://tides.example.org"),
        ("https://tides.example.org/", "https://tides.example.org"),
        ("https://tides.example.org:8443", "https://tides.example.org:8443"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_address(text: str, url: str) -> None:
    assert Server.parse(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://tides.example.org",
        "ftp://x.example",
        "https://u:p@x.example",
        "https://x.example/about",
        "https://x:y",
        "https://[x",
    ],
)
def test_a_wrong_address(text: str) -> None:
    with pytest.raises(MeentwerkError) as caught:
        Server.parse(text)
    assert caught.value.exit == Exit.USAGE


def test_a_token_from_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc_DEF-123\n")
    file.chmod(0o600)
    assert read_token(file) == "abc_DEF-123"


@pytest.mark.parametrize(
    ("content", "mode", "code"), [("abc", 0o644, Exit.REFUSED), ("", 0o600, Exit.USAGE), ("a b", 0o600, Exit.USAGE)]
)
def test_a_file_that_is_no_place_for_a_token(tmp_path: Path, content: str, mode: int, code: Exit) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(MeentwerkError) as caught:
        read_token(file)
    assert caught.value.exit == code
    assert content not in str(caught.value) or content in {"", "a b", "abc"}


def test_a_token_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEENTWERK_TOKEN", "abc")
    assert read_token() == "abc"
    monkeypatch.delenv("MEENTWERK_TOKEN")
    with pytest.raises(MeentwerkError, match="no token"):
        read_token()
