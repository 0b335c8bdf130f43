"""Where the way back leads, and when there is none."""

from pathlib import Path
from types import ModuleType

import pytest

OLD, NEW = "mastodon-4.6.4-debian13-amd64", "mastodon-4.6.5-debian13-amd64"
HISTORY = [
    {"event": "switched", "from": "", "to": OLD, "time": "2026-11-01T10:00:00+00:00"},
    {"event": "refused as unhealthy", "from": OLD, "to": NEW, "time": "2026-11-02T10:00:00+00:00"},
    {"event": "switched", "from": OLD, "to": NEW, "time": "2026-11-03T10:00:00+00:00"},
]


def test_what_was_there_before(way_back: ModuleType) -> None:
    assert way_back.before(HISTORY, NEW) == (OLD, "2026-11-03T10:00:00+00:00")
    assert way_back.before(HISTORY, OLD) == ("", "2026-11-01T10:00:00+00:00")
    assert way_back.before([], NEW) == ("", "")


@pytest.mark.parametrize(
    ("wanted", "history", "present", "reason"),
    [
        ("", [], [OLD, NEW], f"not on record. On this host: {OLD}."),
        ("", [], [NEW], "There is no other release on this host."),
        ("", HISTORY, [NEW], f"{OLD} is not on this host any more"),
        (NEW, HISTORY, [OLD, NEW], "is in service already"),
    ],
)
def test_no_release_to_go_to(
    way_back: ModuleType, wanted: str, history: list[dict[str, str]], present: list[str], reason: str
) -> None:
    with pytest.raises(way_back.RefusedError, match=reason.replace(".", r"\.")):
        way_back.choose(wanted, history, NEW, present)


def test_the_release_before_or_the_one_named(way_back: ModuleType) -> None:
    assert way_back.choose("", HISTORY, NEW, [OLD, NEW]) == OLD
    assert way_back.choose("other", HISTORY, NEW, ["other", OLD, NEW]) == "other"


def test_steps_that_only_the_newer_release_lives_with(way_back: ModuleType) -> None:
    older = {"pre": ["1"], "post": ["2"]}
    newer = {"pre": ["1", "3"], "post": ["2", "4"]}
    assert way_back.blocking_steps(["1", "2"], older, newer) == []
    assert way_back.blocking_steps(["1", "2", "3"], older, newer) == [], "made so that older code goes on"
    assert way_back.blocking_steps(["1", "2", "3", "4"], older, newer) == ["4"]
    assert way_back.blocking_steps(["1", "2", "9"], older, newer) == ["9"], "nobody knows what it did"


def test_the_refusal_names_the_restore(way_back: ModuleType) -> None:
    text = way_back.schema_refusal(OLD, NEW, [str(number) for number in range(8)], "2026-11-03T10:00:00+00:00")
    assert "0, 1, 2, 3, 4 and 3 more" in text
    assert f"a restore of a backup made before 2026-11-03T10:00:00+00:00, together with {OLD}" in text
    assert f"while {OLD} was in service" in way_back.schema_refusal(OLD, NEW, ["1"], "")


def test_history_passes_over_what_an_interruption_left(way_back: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert way_back.read_history(path) == []
    path.write_text('{"event": "switched"}\n{"event": "swi\n[]\n')
    assert way_back.read_history(path) == [{"event": "switched"}]
