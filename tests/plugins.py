"""Ansible's plugins and modules lie in no package: load one by its path, as Ansible does."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def load(path: str, name: str = "") -> ModuleType:
    """Load the file at a path of the repository, under its own name or another that imports will find."""
    place = ROOT / path
    spec = importlib.util.spec_from_file_location(name or place.stem, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no file of Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module
