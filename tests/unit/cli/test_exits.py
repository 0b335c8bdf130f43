"""The exit codes are a contract with other programs: a change here is a breaking change."""

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit


def test_codes_never_change() -> None:
    assert {code.name: code.value for code in Exit} == {
        "DONE": 0,
        "UNEXPECTED": 1,
        "USAGE": 2,
        "FINDINGS": 3,
        "PARTIAL": 4,
        "NOT_ALLOWED": 5,
        "REFUSED": 6,
        "GAVE_UP": 7,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


def test_an_error_carries_message_cure_and_code() -> None:
    error = MeentwerkError("what happened", "what to do", Exit.REFUSED)
    assert (error.message, error.cure, error.exit) == ("what happened", "what to do", Exit.REFUSED)
    assert str(error) == "what happened\nwhat to do"
    assert str(MeentwerkError("only this")) == "only this"
    assert UsageError("wrong").exit is Exit.USAGE
