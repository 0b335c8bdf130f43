"""A drill's report says what was measured, and can be verified by others."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from meentwerk.cli import run
from meentwerk.drill.report import NAMESPACE, Drill, write
from meentwerk.exits import Exit
from meentwerk.release import sign

BEGAN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "instance": "tides",
    "domain": "tides.example.org",
    "release": "sandbox-1.2.0-debian13-amd64",
    "repository": "far",
    "backup": "auto-1",
    "backup_moment": (BEGAN - timedelta(minutes=10)).isoformat(),
    "recovery_point": (BEGAN - timedelta(seconds=40)).isoformat(),
    "began": BEGAN.isoformat(),
    "ended": (BEGAN + timedelta(minutes=3)).isoformat(),
    "restore_seconds": 75.5,
    "media_files": 20,
    "rows_recorded": {"statuses": 10},
    "rows_found": {"statuses": 12},
    "checks": {"database": {"ok": True, "detail": "writable <b>"}},
}


def test_what_would_have_been_lost() -> None:
    drill = Drill.model_validate(FACTS)
    assert drill.recovery_point_seconds == 40
    assert drill.passed
    assert drill.document()["recovery_point_seconds"] == 40


FAILED = {
    "a table is missing": {"rows_found": {}},
    "not well": {"checks": {"database": {"ok": False, "detail": "gone"}}},
    "nothing was asked": {"checks": {}},
}


@pytest.mark.parametrize("change", FAILED.values(), ids=FAILED)
def test_a_drill_that_failed(change: dict[str, Any]) -> None:
    drill = Drill.model_validate({**FACTS, **change})
    assert not drill.passed
    assert "Failed" in drill.page()


def test_the_page_escapes_what_it_was_told() -> None:
    page = Drill.model_validate(FACTS).page()
    assert "writable &lt;b&gt;" in page
    assert "Passed" in page
    assert "http" not in page.split("</style>")[1], "needs nothing beside it"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "drill"
    sign.generate_key(path)
    return path


def verified(path: Path, key: Path, namespace: str) -> bool:
    signers = path.parent / "signers"
    signers.write_text(f"auditor {sign.public_key(key)}\n")
    command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "auditor", "-n", namespace, "-s", f"{path}.sig"]
    with path.open("rb") as content:
        return subprocess.run(command, stdin=content, capture_output=True, check=False).returncode == 0


def test_others_can_verify_it(tmp_path: Path, key: Path) -> None:
    document, _, page, _ = write(Drill.model_validate(FACTS), tmp_path, key)
    for path in (document, page):
        assert verified(path, key, NAMESPACE)
        assert not verified(path, key, sign.NAMESPACE), "it proves nothing about a release"
        path.write_text(path.read_text() + " ")
        assert not verified(path, key, NAMESPACE)


def test_the_command(tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = tmp_path / "facts.json"
    arguments = ["drill", "report", str(facts), "--output", str(tmp_path / "out"), "--signing-key", str(key), "--json"]
    assert run(arguments) == Exit.USAGE
    facts.write_text(json.dumps(FACTS))
    capsys.readouterr()
    assert run(arguments) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["passed"] is True
    facts.write_text(json.dumps({**FACTS, "began": "2026-05-01T12:00:00"}))
    assert run(arguments) == Exit.USAGE
    assert "began: " in capsys.readouterr().err
    facts.write_text(json.dumps({**FACTS, "checks": {}}))
    assert run(arguments) == Exit.FINDINGS
