"""The repository as these tests see it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/tasks/main.yml"))
SCENARIOS = sorted(path for path in ROOT.glob("molecule/*") if path.is_dir() and path.name != "_shared")
PLAYBOOKS = sorted(ROOT.glob("playbooks/*.yml"))


class _Loader(yaml.SafeLoader):
    """Reads Ansible's YAML: a tag such as !unsafe or !vault leaves the plain value."""


def _untagged(loader: _Loader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _untagged)


def load(path: Path) -> Any:
    """Parse one YAML file of the repository."""
    return yaml.load(path.read_text(), Loader=_Loader)


def name_of(path: Path) -> str:
    """How a test names a path: from the root of the repository."""
    return str(path.relative_to(ROOT))


def options_of(role: Path) -> Mapping[str, Mapping[str, Any]]:
    """The public variables of a role, as its argument_specs say."""
    options: Mapping[str, Mapping[str, Any]] | None = load(role / "meta/argument_specs.yml")["argument_specs"][
        "main"
    ].get("options")
    return options or {}


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """Every file that is, or is about to be, under version control."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [path for name in sorted(set(names) - {""}) if (path := ROOT / name).is_file()]


@pytest.fixture(scope="session")
def texts(files: list[Path]) -> dict[Path, str]:
    """The text of each of them; binary files are left out."""
    found = {}
    for path in files:
        try:
            found[path] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found
