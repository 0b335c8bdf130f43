"""What the load looks up when it is over must not hang on one answer that a slow machine did not give in time."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.load import Load, Target


class Slow(Target):
    """Answers as it is told to, one call after another."""

    def ask(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, Any]:
        answer = ANSWERS.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


ANSWERS: list[Exception | tuple[int, Any]] = []


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Load:
    """A load whose clock goes on by itself, ten seconds with every look at it."""
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr("benchmarks.load.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("benchmarks.load.time.sleep", lambda _: None)
    return Load(Slow("10.0.0.1", "social.example.org", Path("ca.pem")), ["token"], "listener")


def test_it_asks_again(late: Load) -> None:
    ANSWERS[:] = [TimeoutError(), (502, None), (200, [])]
    assert late._look_up("/", "token") == (200, [])


def test_what_never_answers_is_an_error(late: Load) -> None:
    ANSWERS[:] = [TimeoutError("too slow")] * 20
    with pytest.raises(TimeoutError, match="too slow"):
        late._look_up("/", "token")


def test_what_is_not_there_is_not_asked_for_again(late: Load) -> None:
    ANSWERS[:] = [(404, None), (200, [])]
    assert late._look_up("/", "token") == (404, None)
