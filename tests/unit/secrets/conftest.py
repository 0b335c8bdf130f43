"""An inventory of two instances and a database host, and a vault password."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from meentwerk import cli
from meentwerk.inventory import Inventory, Vault
from meentwerk.secrets import store

Run = Callable[..., int]
Decrypted = Callable[..., dict[str, str]]

ENTRY = """\
mastodon_instances:
  hosts:
    ministry:
      instance_domain: example.org
      instance_web_domain: social.{{ instance_domain }}
      instance_owner: {username: owner, email: owner@example.org}
    town:
      instance_domain: town.example
database:
  hosts:
    db-1: {}
"""


@pytest.fixture(autouse=True)
def plain_ansible(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own Ansible settings out."""
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANSIBLE_LOCAL_TEMP", str(tmp_path / "ansible"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "inventory"
    (folder / "departments").mkdir(parents=True)
    (folder / "departments/all.yml").write_text(ENTRY)
    return folder


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    return write_password(tmp_path / "vault-password", "correct horse battery staple")


def write_password(path: Path, password: str) -> Path:
    path.write_text(password + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def run(inventory: Path, password_file: Path) -> Run:
    """Run `meentwerk secrets ...` on the inventory with its vault password; returns the exit code."""

    def call(command: str, *arguments: str) -> int:
        options = ["--inventory", str(inventory), "--vault-password-file", str(password_file)]
        return cli.run(["secrets", command, *arguments, *options])

    return call


@pytest.fixture
def secrets_file(inventory: Path) -> Path:
    """Where the secrets of `ministry` are kept; not made yet."""
    return inventory / "host_vars/ministry/secrets.yml"


@pytest.fixture
def decrypted(inventory: Path, password_file: Path) -> Decrypted:
    """Read the secrets of an instance back, as code that uses them would."""

    def call(instance: str = "ministry", password: Path = password_file) -> dict[str, str]:
        vault = Vault(password_files=[str(password)])
        return store.load(Inventory(inventory, vault), vault, instance)

    return call
