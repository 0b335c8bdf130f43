"""The world of the scenario stands in world/, which its hosts run too."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "world"))
