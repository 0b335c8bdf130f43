"""The example units lead to what exists."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCHEDULE = ROOT / "policies/example/schedule"


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys of systemd have capitals
    parser.read_string((SCHEDULE / name).read_text())
    return parser


def test_the_timer_starts_the_service_of_its_name() -> None:
    assert unit("moderation-drift.timer")["Timer"]["OnCalendar"]
    assert "Unit" not in unit("moderation-drift.timer")["Timer"]
    assert (SCHEDULE / "moderation-drift.service").is_file()


def test_the_service_runs_the_verb_that_changes_nothing() -> None:
    command = unit("moderation-drift.service")["Service"]["ExecStart"]
    assert command.endswith("-e moderation_verb=diff")
    playbook = re.search(r"playbooks/\S+", command)
    assert playbook
    assert (ROOT / playbook[0]).is_file()
    script = re.search(r"scripts/\S+", command)
    assert script
    assert (ROOT / script[0]).is_file()
