"""How a release is asked whether it is well."""

import subprocess
from pathlib import Path
from types import ModuleType

import pytest


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"checks": {"cache": {"ok": true}, "disk": {"ok": false, "detail": "full"}}}', "bin/check: disk: full"),
        ('{"checks": {"cache": {"ok": true}}}', ""),
        ("Traceback", ""),
        ("", ""),
        ("[]", ""),
    ],
)
def test_reading_check(activation: ModuleType, text: str, complaint: str) -> None:
    assert activation.read_check(text) == complaint


def test_a_socket_nobody_listens_on(activation: ModuleType, tmp_path: Path) -> None:
    assert "does not answer /health" in activation.ask(tmp_path / "sock", "/health", "tides.example.org")


def test_a_service_that_dies_at_once_is_quoted(activation: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is asked from the very moment on, not from half a second later, and only when it has caught up."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command[1:])
        return subprocess.CompletedProcess(
            command, 0, "web: a library is missing" if "--sync" not in command else "", ""
        )

    monkeypatch.setattr(activation.subprocess, "run", run)
    host = activation.Host("1.0-debian13-amd64-0123456789ab", "tides.example.org", Path(), Path(), "", 5)
    assert "web: a library is missing" in host.logs(since=1700000000.6)
    assert asked[0] == ["--sync"]
    since = {float(word.removeprefix("--since=@")) for command in asked for word in command if "--since" in word}
    assert since == {1700000000.6}
