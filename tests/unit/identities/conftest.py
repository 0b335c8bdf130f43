"""The small internet, once for all tests of identities; each test begins with empty pages."""

from collections.abc import Iterator

import pytest

from .world import World

NAMES = [
    "social.example.test",
    "tides.example.test",
    "www.tides.example.test",
    "social.tides.example.test",
    "lakes.example.test",
    "shared.example.test",
    "other.example.test",
    "remote.example.test",
]


@pytest.fixture(scope="session")
def _one_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), NAMES)
    yield made
    made.close()


@pytest.fixture
def world(_one_world: World) -> World:
    for kept in (_one_world.pages, _one_world.addresses, _one_world.asked, _one_world.agents):
        kept.clear()
    return _one_world
