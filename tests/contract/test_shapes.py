"""The yardstick itself."""

import pytest

from .recordings import template
from .shapes import Shape


def shape(*values: object) -> Shape:
    made = Shape()
    for value in values:
        made.add(value)
    return made


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"id": 1, "at": "2026-10-14T00:00:00.000Z"}, "id: integer, recorded string"),
        ({"id": "x", "at": "2026-10-14T00:00:00.000Z"}, "id: 'x' is no digits"),
        ({"id": "1", "at": "2026-10-14T00:00:00Z"}, "at: '2026-10-14T00:00:00Z' is no timestamp"),
        ({"id": "1"}, "at: missing"),
        ({"id": "1", "at": None}, "at: null, recorded string"),
        ({"id": "1", "at": "2026-10-14T00:00:00.000Z", "x": 1}, "x: unknown to the recorded server"),
        ([], "document: list, recorded object"),
    ],
)
def test_a_difference_is_named(value: object, problem: str) -> None:
    assert list(shape({"id": "9", "at": "2026-11-01T10:00:00.123Z"}).problems(value)) == [problem]


def test_a_key_that_was_not_always_there_is_optional() -> None:
    both = shape({"id": "1"}, {"id": "2", "moved": None})
    assert not list(both.problems({"id": "3"}))
    assert not list(both.problems({"id": "3", "moved": {"id": "4"}}))


def test_every_item_of_a_list_counts() -> None:
    assert list(shape([{"id": "1"}]).problems([{"id": "1"}, {}])) == ["[1].id: missing"]


def test_empty_lists_and_nulls_tell_nothing() -> None:
    assert not list(shape({"fields": [], "card": None}).problems({"fields": [{"name": "x"}], "card": "y"}))


def test_a_wider_shape_allows_and_does_not_demand() -> None:
    narrow, wide = shape({"id": "1"}), shape({"id": "1", "note": "text"}, {"id": "1", "note": None})
    assert not list(narrow.problems({"id": "1"}, wide))
    assert not list(narrow.problems({"id": "1", "note": None}, wide))
    assert list(narrow.problems({"id": "1", "note": 1}, wide)) == ["note: integer, recorded null or string"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/instance/", "/api/v1/instance"),
        ("/", "/"),
        ("/api/v1/lists/12/accounts", "/api/v1/lists/:id/accounts"),
        ("/api/v1/tags/flood/follow", "/api/v1/tags/:name/follow"),
        ("/api/v1/timelines/tag/flood", "/api/v1/timelines/tag/:name"),
        ("/api/v2/notifications/favourite-1-2/accounts", "/api/v2/notifications/:group/accounts"),
        ("/api/v2/notifications/policy", "/api/v2/notifications/policy"),
        ("/nodeinfo/2.0", "/nodeinfo/2.0"),
    ],
)
def test_paths_become_templates(path: str, expected: str) -> None:
    assert template(path) == expected
