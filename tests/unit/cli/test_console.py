"""Results go to stdout, the rest to stderr; pipes get plain text."""

import json

import pytest
from meentwerk import console


def test_a_pipe_gets_tab_separated_rows(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table(["name", "state"], [["a", 1], ["b [x]", None]])
    assert capsys.readouterr() == ("a\t1\nb [x]\tNone\n", "")


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("x" * 500)
    console.note("y" * 500)
    assert capsys.readouterr() == ("x" * 500 + "\n", "y" * 500 + "\n")


def test_json_keeps_order_and_letters(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_json({"b": "é", "a": 1})
    out = capsys.readouterr().out
    assert "é" in out
    assert list(json.loads(out)) == ["b", "a"]


def test_busy_in_a_log_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with console.busy("fetching the archive"):
        pass
    assert capsys.readouterr() == ("", "fetching the archive\n")
