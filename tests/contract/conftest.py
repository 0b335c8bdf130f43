"""Recordings, and the instance that is held against them."""

from collections.abc import Iterator

import pytest

from .instance import Instance, Settings, reached_at
from .recordings import Exchange, UnreachableError, recorded
from .scenario import play


@pytest.fixture(scope="session")
def recordings() -> tuple[Exchange, ...]:
    """Return every recorded exchange with the real server."""
    try:
        return recorded()
    except UnreachableError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def enrolled() -> Iterator[Instance]:
    """Return the instance with its three people, who have done nothing."""
    settings = Settings.read()
    if settings is None:
        pytest.skip("CONTRACT_URL and CONTRACT_BATCH name no instance; see tests/contract/README.md")
    with reached_at(settings):
        instance = Instance(settings)
        instance.enrol()
        yield instance


@pytest.fixture(scope="session")
def played() -> Iterator[tuple[Instance, dict[str, str]]]:
    """Return the instance after the scenario, and the steps that failed."""
    settings = Settings.read()
    if settings is None:
        pytest.skip("CONTRACT_URL and CONTRACT_BATCH name no instance; see tests/contract/README.md")
    with reached_at(settings):
        instance = Instance(settings)
        yield instance, play(instance)


@pytest.fixture
def driven(played: tuple[Instance, dict[str, str]]) -> list[Exchange]:
    """Return every answer that the instance gave during the scenario."""
    return played[0].exchanges


@pytest.fixture
def failures(played: tuple[Instance, dict[str, str]]) -> dict[str, str]:
    """Return the trace of each step that failed."""
    return played[1]
