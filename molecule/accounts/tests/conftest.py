"""What the tests of onboarding share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))

from onboarding import Onboarding


@pytest.fixture(scope="module")
def onboarding(tmp_path_factory: pytest.TempPathFactory) -> Onboarding:
    """Return the command with a state folder of its own."""
    folder = tmp_path_factory.mktemp("onboarding")
    (folder / "state").mkdir(mode=0o700)
    return Onboarding(folder)
