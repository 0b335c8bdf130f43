"""The instance, the place that keeps its backups, and those who use it."""

import os
import sys
from pathlib import Path

import pytest
from testinfra.host import Host

# Tests are imported one by one (pytest's importlib mode): let them find what they share, and the people of benchmarks/
sys.path[:0] = [str(Path(__file__).parents[1] / "shared"), os.environ["MOLECULE_PROJECT_DIRECTORY"]]

from calamity import people_of, reach  # noqa: E402  (the path is set above)

from benchmarks.people import People  # noqa: E402


@pytest.fixture
def instance() -> Host:
    return reach("restore-1")


@pytest.fixture
def place() -> Host:
    return reach("restore-2")


@pytest.fixture(scope="session")
def people() -> People:
    """Those who use the instance; their tokens outlive the host."""
    return people_of(reach("restore-1"))
