"""The sandbox is a release of its own, not part of the installed package: find it in the tree."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "sandbox"))
sys.dont_write_bytecode = True
