"""The role's modules, loaded from where Ansible finds them."""

import sys
from types import ModuleType

import pytest

from tests.plugins import load

ROLE = "roles/mastodon"
SHARED = "ansible.module_utils."


for shared in ("mastodon_units", "mastodon_versions"):
    load(f"{ROLE}/module_utils/{shared}.py", SHARED + shared)


@pytest.fixture(scope="session")
def services() -> ModuleType:
    return sys.modules[SHARED + "mastodon_units"]


@pytest.fixture(scope="session")
def versions() -> ModuleType:
    return sys.modules[SHARED + "mastodon_versions"]


@pytest.fixture(scope="session")
def info() -> ModuleType:
    return load(f"{ROLE}/library/mastodon_host_info.py")


@pytest.fixture(scope="session")
def unpacking() -> ModuleType:
    return load(f"{ROLE}/library/mastodon_release_unpack.py")


@pytest.fixture(scope="session")
def activation() -> ModuleType:
    return load(f"{ROLE}/library/mastodon_release_activate.py")


@pytest.fixture(scope="session")
def readiness() -> ModuleType:
    return load(f"{ROLE}/library/mastodon_upgrade_info.py")


@pytest.fixture(scope="session")
def way_back() -> ModuleType:
    return load(f"{ROLE}/library/mastodon_rollback_info.py")
