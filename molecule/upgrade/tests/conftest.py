"""The two instances, and who uses them."""

import sys
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

# Tests are imported one by one (pytest's importlib mode): let them find what they share, and the load that
# benchmarks/upgrade measures with
sys.path[:0] = [str(Path(__file__).parents[1] / "shared"), str(Path(__file__).parents[3])]

from fleet import HOSTS, people_of  # noqa: E402  (the path is set above)

from benchmarks.people import People  # noqa: E402


def reach(name: str) -> Host:
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={HOSTS}")


@pytest.fixture(scope="session")
def canary() -> Host:
    return reach("upgrade-1")


@pytest.fixture(scope="session")
def other() -> Host:
    return reach("upgrade-2")


@pytest.fixture(scope="session")
def people(canary: Host) -> People:
    """Those who use the first instance."""
    return people_of(canary)


@pytest.fixture(scope="session")
def neighbours(other: Host) -> People:
    """Those who use the second."""
    return people_of(other)
