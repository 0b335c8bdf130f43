"""Tests are imported one by one (pytest's importlib mode): let them find what they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))
