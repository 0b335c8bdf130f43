"""tests/run.py shows of a failed step what tells most."""

import pytest

from tests import run


@pytest.mark.parametrize("after", [0, 10, 500])
def test_what_failed_first_is_shown_first(after: int) -> None:
    failed = [f"FAILED test_{n}" for n in range(30)]
    end = [f"molecule {n}" for n in range(after)]
    shown = run.telling(["quiet"] * 500 + ["=== short test summary info ===", *failed, *end, "the end"])
    assert shown[1] == "FAILED test_0"
    assert shown[-1] == "the end"
    assert "quiet" not in shown
    assert len(shown) == len(set(shown))


def test_a_log_of_something_else_is_shown_by_its_end() -> None:
    assert run.telling([str(n) for n in range(1000)])[-1] == "999"
    assert run.telling([]) == []
