"""How a release is asked whether it is well."""

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
