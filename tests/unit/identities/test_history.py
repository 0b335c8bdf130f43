"""What changes raise an alert, and what is only the weather."""

from pathlib import Path

import pytest
from meentwerk.errors import UsageError
from meentwerk.identities import history
from meentwerk.identities.history import History
from meentwerk.identities.model import Verdict

from .samples import NEWS, result


def day(number: int) -> str:
    return f"2026-11-{number:02}T10:00:00+00:00"


def run(*verdicts: tuple[int, Verdict]) -> tuple[History, list[str]]:
    state, alerts = History({}, []), []
    for number, verdict in verdicts:
        state, new = history.advance(state, [result(verdict=verdict, at=day(number))])
        alerts += [history.alert(event) for event in new]
    return state, alerts


def test_verified_and_lost() -> None:
    state, alerts = run((1, Verdict.PASS), (2, Verdict.PASS), (3, Verdict.FAIL), (4, Verdict.FAIL))
    assert alerts == [
        f"verified: {NEWS}: every required check passes",
        f"ALERT {NEWS} was verified and is not any more: register: register says fail",
    ]
    assert state.states[NEWS] == history.State(False, day(3), day(4))
    assert [event.verified for event in state.events] == [False, True], "newest first"


def test_an_account_that_never_was_verified_alarms_nobody() -> None:
    assert run((1, Verdict.FAIL), (2, Verdict.UNKNOWN))[1] == []


def test_a_site_that_is_down_for_a_while_changes_nothing() -> None:
    state, alerts = run((1, Verdict.PASS), (3, Verdict.UNKNOWN), (7, Verdict.UNKNOWN))
    assert len(alerts) == 1
    assert state.states[NEWS].verified
    assert state.states[NEWS].seen == day(1)
    _, alerts = run((1, Verdict.PASS), (7, Verdict.UNKNOWN), (8, Verdict.UNKNOWN))
    assert len(alerts) == 2, "after a week it is no proof any more"


def test_accounts_that_were_not_looked_at_stay() -> None:
    state, _ = run((1, Verdict.PASS))
    after, new = history.advance(state, [result("other@tides.example.test", at=day(2))])
    assert after.states[NEWS].verified
    assert [event.handle for event in new] == ["other@tides.example.test"]


def test_it_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep/history.json"
    assert history.read(path) == History({}, [])
    state, _ = run((1, Verdict.PASS), (3, Verdict.FAIL))
    history.write(path, state)
    assert history.read(path) == state


@pytest.mark.parametrize("text", ["", "[]", '{"states": {"a": 1}, "events": []}', '{"states": {}}'])
def test_a_damaged_history_is_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "history.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="damaged"):
        history.read(path)
