"""The sandbox is a release of its own, not part of the installed package: find it in the tree."""

import sys
from pathlib import Path

SANDBOX = Path(__file__).resolve().parents[3] / "sandbox"
sys.path.insert(0, str(SANDBOX))
sys.dont_write_bytecode = True
