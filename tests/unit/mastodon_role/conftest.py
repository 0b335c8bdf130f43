"""The role's modules, loaded from where Ansible finds them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

LIBRARY = Path(__file__).parents[3] / "roles/mastodon/library"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, LIBRARY / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def info() -> ModuleType:
    return load("mastodon_host_info")


@pytest.fixture(scope="session")
def unpacking() -> ModuleType:
    return load("mastodon_release_unpack")


@pytest.fixture(scope="session")
def activation() -> ModuleType:
    return load("mastodon_release_activate")
