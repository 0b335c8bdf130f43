"""The role's modules, loaded from where Ansible finds them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROLE = Path(__file__).parents[3] / "roles/mastodon"
SHARED = "ansible.module_utils."


def load(name: str, folder: str = "library", prefix: str = "") -> ModuleType:
    spec = importlib.util.spec_from_file_location(prefix + name, ROLE / folder / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[prefix + name] = module  # dataclasses and the modules that share it look it up
    spec.loader.exec_module(module)
    return module


for shared in ("mastodon_units", "mastodon_versions"):
    load(shared, "module_utils", SHARED)


@pytest.fixture(scope="session")
def services() -> ModuleType:
    return sys.modules[SHARED + "mastodon_units"]


@pytest.fixture(scope="session")
def versions() -> ModuleType:
    return sys.modules[SHARED + "mastodon_versions"]


@pytest.fixture(scope="session")
def info() -> ModuleType:
    return load("mastodon_host_info")


@pytest.fixture(scope="session")
def unpacking() -> ModuleType:
    return load("mastodon_release_unpack")


@pytest.fixture(scope="session")
def activation() -> ModuleType:
    return load("mastodon_release_activate")


@pytest.fixture(scope="session")
def readiness() -> ModuleType:
    return load("mastodon_upgrade_info")


@pytest.fixture(scope="session")
def way_back() -> ModuleType:
    return load("mastodon_rollback_info")
