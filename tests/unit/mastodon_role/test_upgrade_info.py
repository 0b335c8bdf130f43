"""What stands against an upgrade."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GIB = 1024**3


def test_room(readiness: ModuleType) -> None:
    assert readiness.disk_problem(3 * GIB, 2 * GIB) == ""
    assert "has 2.5 GiB free, and the upgrade needs 3.0 GiB" in readiness.disk_problem(2.5 * GIB, 2 * GIB)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"finished": (NOW - timedelta(hours=23)).isoformat()}, ""),
        ({"finished": (NOW - timedelta(hours=25)).isoformat()}, "25 hours old, and 24 are allowed"),
        ({"finished": "yesterday"}, "cannot be read"),
        ({}, "cannot be read"),
    ],
)
def test_age_of_the_backup(readiness: ModuleType, record: dict[str, Any], problem: str) -> None:
    said = readiness.backup_problem(record, 24, NOW)
    assert (problem in said) if problem else said == ""


def test_a_time_without_zone_is_not_compared(readiness: ModuleType) -> None:
    assert "cannot be read" in readiness.backup_problem({"finished": "2026-11-25T11:00:00"}, 24, NOW)


def test_record_of_the_backup(readiness: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "backup.json"
    assert readiness.read_record(path) is None, "no backup on this host"
    for content, expected in (('{"finished": "x"}', {"finished": "x"}), ("{", {}), ("[]", {})):
        path.write_text(content)
        assert readiness.read_record(path) == expected


def test_health(readiness: ModuleType) -> None:
    sick = json.dumps({"checks": {"queues": {"ok": False, "detail": "nobody works"}, "disk": {"ok": True}}})
    assert readiness.health_problem(0, "") == ""
    assert "(queues: nobody works)" in readiness.health_problem(3, sick)
    assert "(bin/check ended with 1)" in readiness.health_problem(1, "Traceback")
    assert "-e mastodon_upgrade_unwell=true" in readiness.health_problem(1, "")
