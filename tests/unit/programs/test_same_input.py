"""The programs of a real release and those of the sandbox take and refuse the same input, with the same words."""

import json
from pathlib import Path
from typing import Any

import pytest
from meentwerk_sandbox import batch, batch_items

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "input_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['batch']}: {case['error'] or 'fine'}")
def test_the_sandbox_judges_as_the_cases_say(case: dict[str, Any]) -> None:
    if case["error"] is None:
        batch_items.check(case["batch"], case["items"])
        return
    with pytest.raises(batch_items.InputError) as caught:
        batch_items.check(case["batch"], case["items"])
    assert str(caught.value) == case["error"]


def test_every_batch_of_the_sandbox_has_cases() -> None:
    assert {case["batch"] for case in CASES} == {*batch.WORKERS, batch_items.SEVERAL}
