import pytest
from meentwerk_sandbox import params
from meentwerk_sandbox.errors import ApiError
from meentwerk_sandbox.params import Params


def test_nested_names_become_nested_values() -> None:
    pairs = [
        ("status", "hi"),
        ("media_ids[]", "1"),
        ("media_ids[]", "2"),
        ("source[privacy]", "private"),
        ("fields_attributes[0][name]", "a"),
        ("fields_attributes[0][value]", "b"),
        ("list[][x]", "1"),
        ("list[][y]", "2"),
        ("list[][x]", "3"),
    ]
    assert params.nested(pairs) == {
        "status": "hi",
        "media_ids": ["1", "2"],
        "source": {"privacy": "private"},
        "fields_attributes": {"0": {"name": "a", "value": "b"}},
        "list": [{"x": "1", "y": "2"}, {"x": "3"}],
    }


@pytest.mark.parametrize(
    ("given", "truth"),
    [
        ("1", True),
        ("true", True),
        ("yes", True),
        ("0", False),
        ("false", False),
        ("off", False),
        ("", None),
        (None, None),
    ],
)
def test_truth_is_what_rails_takes_for_it(given: str | None, truth: bool | None) -> None:
    assert params.boolean(given) is truth


def test_numbers_are_read_as_ruby_reads_them() -> None:
    assert params.to_i("12abc") == 12
    assert params.to_i("abc") == 0
    assert params.to_i("-3") == -3


def test_lists_come_in_three_forms() -> None:
    assert Params({"a": ["1"]}).items_of("a") == ["1"]
    assert Params({"a": {"0": "1", "1": "2"}}).items_of("a") == ["1", "2"]
    assert Params({"a": "1"}).items_of("a") == ["1"]
    assert Params({}).items_of("a") == []


def test_numbers_fit_the_database() -> None:
    assert params.to_i("9" * 40) == params.MAX_BIGINT


@pytest.mark.parametrize("bad", ["a\x00b", "\ud800"])
def test_text_that_cannot_be_stored_is_refused(bad: str) -> None:
    for value in (bad, [bad], {"x": bad}, {bad: "x"}):
        with pytest.raises(ApiError):
            params._check(value)
    params._check({"a": ["é", 1, None, True]})
