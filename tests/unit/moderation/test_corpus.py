"""Every wrong policy of tests/bad-policies/ is refused with exactly the words beside it: file, line, cause and cure.

After a change of the words: read each new text as somebody would who has never programmed, and only then write it down
(MEENTWERK_WRITE=1 pytest tests/unit/moderation/test_corpus.py).
"""

import os
import re
from pathlib import Path

import pytest
from meentwerk.moderation import work

CORPUS = Path(__file__).parents[2] / "bad-policies"
POLICIES = sorted(CORPUS.glob("*.yml"))


def said(file: Path) -> str:
    reading = work.read_policy([file])
    return "".join(problem.text(CORPUS) + "\n" for problem in reading.problems)


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_each_is_explained(file: Path) -> None:
    expected = file.with_suffix(".txt")
    text = said(file).replace(f"{CORPUS}/", "")
    if os.environ.get("MEENTWERK_WRITE"):
        expected.write_text(text)
    assert text == expected.read_text()
    assert re.match(rf"^({re.escape(file.name)}|lists/\S+)(:\d+:\d+)?", text), "a problem begins with its place"
    lines = text.splitlines()
    assert len(lines) % 3 == 0, "place, cause and cure, a line each"
    assert all(line.startswith("    ") for number, line in enumerate(lines) if number % 3)


def test_there_are_enough_and_each_says_something_else() -> None:
    texts = {re.sub(r"^\S+", "", file.with_suffix(".txt").read_text()) for file in POLICIES}
    assert len(POLICIES) >= 30
    # The file that is empty and the one that is a comment are one to whoever reads them
    assert len(texts) >= len(POLICIES) - 1


def test_no_text_is_left_over() -> None:
    assert {file.stem for file in CORPUS.glob("*.txt")} == {file.stem for file in POLICIES}
