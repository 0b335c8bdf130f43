"""The instance's answers, held against what a real Mastodon answered to the same requests."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from .recordings import Exchange, UnreachableError, recorded
from .scenario import STEPS
from .scope import scope
from .shapes import Shape

RATE_LIMIT = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
REDIRECT = 300
CLIENT_ERROR = 400
SERVER_ERROR = 500


def _recorded_answers() -> list[tuple[str, int]]:
    """List what must be driven; empty when the recordings cannot be had, which a test reports."""
    try:
        answers = {(exchange.endpoint, exchange.status) for exchange in recorded()}
    except UnreachableError:
        return []
    return sorted(
        (endpoint, status)
        for endpoint, status in answers
        if endpoint in scope().covered and f"{endpoint} {status}" not in scope().not_driven
    )


@cache
def shapes() -> tuple[dict[tuple[str, int], Shape], dict[str, Shape], dict[int, Shape]]:
    """Merge the recordings: by endpoint and status, by entity, and refusals by status."""
    answers: dict[tuple[str, int], Shape] = defaultdict(Shape)
    entities: dict[str, Shape] = defaultdict(Shape)
    refusals: dict[int, Shape] = defaultdict(Shape)
    for exchange in recorded():
        if not exchange.is_json:
            continue
        value = exchange.json()
        answers[exchange.endpoint, exchange.status].add(value)
        if exchange.status >= CLIENT_ERROR:
            refusals[exchange.status].add(value)
            continue
        entity = scope().covered.get(exchange.endpoint, "-")
        for name, content in _named(entity, value):
            entities[name].add(content)
    return answers, entities, refusals


def _named(entity: str, value: object) -> Iterator[tuple[str, object]]:
    """Find the entities in a document: the document itself, and those that stand below the keys of scope.yml."""
    if entity.startswith("["):
        for item in value if isinstance(value, list) else []:
            yield from _named(entity[1:-1], item)
        return
    if entity != "-" and isinstance(value, dict):
        yield entity, value
    yield from _below(value)


def _below(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        for item in value:
            yield from _below(item)
    elif isinstance(value, dict):
        for key, content in value.items():
            if content is not None:
                yield from _named(scope().nested.get(key, "-"), content)


def problems(exchange: Exchange) -> list[str]:
    """Say how an answer differs from all recorded ones of its endpoint and status."""
    answers, entities, _ = shapes()
    value = exchange.json()
    entity = scope().covered.get(exchange.endpoint, "-")
    name = entity.strip("[]")
    wider = Shape()
    if exchange.status < CLIENT_ERROR and name in entities:
        wider = Shape(kinds={"list"}, item=entities[name]) if entity.startswith("[") else entities[name]
    found = answers[exchange.endpoint, exchange.status].problems(value, wider)
    patterns = [entry.problem for entry in scope().allowed if entry.entity in {name, exchange.endpoint}]
    return [line for line in found if not any(re.fullmatch(pattern, line) for pattern in patterns)]


def of(exchanges: list[Exchange], endpoint: str, status: int) -> list[Exchange]:
    return [exchange for exchange in exchanges if exchange.endpoint == endpoint and exchange.status == status]


def none(lines: Iterable[str]) -> None:
    """Fail with all of the lines, each once."""
    found = sorted(set(lines))
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_the_recordings_are_at_hand(recordings: tuple[Exchange, ...]) -> None:
    assert _recorded_answers()


def test_the_recordings_fit_themselves(recordings: tuple[Exchange, ...]) -> None:
    """Or the yardstick is bent."""
    assert not [line for exchange in recordings if exchange.is_json for line in problems(exchange)]


@pytest.mark.parametrize("name", STEPS)
def test_step(name: str, failures: dict[str, str]) -> None:
    if name in failures:
        pytest.fail(failures[name], pytrace=False)


@pytest.mark.parametrize(("endpoint", "status"), _recorded_answers(), ids=str)
def test_answer(endpoint: str, status: int, driven: list[Exchange], recordings: tuple[Exchange, ...]) -> None:
    got = of(driven, endpoint, status)
    others = sorted({exchange.status for exchange in driven if exchange.endpoint == endpoint})
    assert got, f"the recorded server answers {status}; here it answered {others or 'nothing: no step asks for it'}"
    wanted = of(list(recordings), endpoint, status)

    media_types = {exchange.media_type for exchange in wanted}
    assert {exchange.media_type for exchange in got} <= media_types

    for header in RATE_LIMIT:
        if all(header in exchange.headers for exchange in wanted):
            assert all(header in exchange.headers for exchange in got), f"{header} is missing"

    if any(exchange.is_json for exchange in wanted):
        none(problem for exchange in got for problem in problems(exchange))


def test_other_successes_fit_too(driven: list[Exchange], recordings: tuple[Exchange, ...]) -> None:
    """A picture is ready at once (200) where a film was recorded (202): another status, the same thing."""
    answers = {(exchange.endpoint, exchange.status) for exchange in recordings}
    others = [
        exchange
        for exchange in driven
        if exchange.endpoint in scope().covered
        and exchange.status < REDIRECT
        and (exchange.endpoint, exchange.status) not in answers
    ]
    none(f"{exchange.endpoint} {exchange.status}: {line}" for exchange in others for line in problems(exchange))


def test_refusals_have_the_recorded_form(driven: list[Exchange]) -> None:
    """Also at endpoints where no refusal was recorded: JSON, and the keys of the refusals that were."""
    _, _, refusals = shapes()
    differences = {
        f"{exchange.endpoint} {exchange.status}: {problem}"
        for exchange in driven
        if exchange.status in refusals and exchange.path.startswith("/api/") and exchange.body
        for problem in (
            refusals[exchange.status].problems(exchange.json()) if exchange.is_json else [f"is {exchange.media_type}"]
        )
    }
    # HTML is what the recorded server answers where the feature is switched off by routing
    html = {exchange.endpoint for exchange in recorded() if exchange.status == 404 and not exchange.is_json}
    none(line for line in differences if line.split(" 404: ")[0] not in html)


def test_no_answer_is_a_server_error(driven: list[Exchange]) -> None:
    none(f"{exchange.endpoint} {exchange.status}" for exchange in driven if exchange.status >= SERVER_ERROR)
