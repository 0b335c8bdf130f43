"""Templates are rendered without a copy of all variables: docs/performance.md says what that cost."""

from copy import deepcopy
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]
from ansible.template import Templar  # type: ignore[import-untyped]
from meentwerk.inventory import _start_ansible

from tests.plugins import load

ROOT = Path(__file__).parents[2]
LOOKUP = load("plugins/lookup/meentwerk_template.py")


class Watched(str):
    """A value that notices when it is copied."""

    __slots__ = ()

    def __deepcopy__(self, _memo: object) -> str:
        pytest.fail("a variable was copied")


def test_no_variable_is_copied() -> None:
    variables = {"name": [Watched("tides")]}
    copy = deepcopy(LOOKUP._Shallow(variables))
    assert copy == variables
    assert copy["name"] is variables["name"]
    copy["more"] = 1
    assert "more" not in variables, "what a template is given in addition stays its own"


def test_it_renders_with_the_options_of_ansible_s_own(tmp_path: Path) -> None:
    template = tmp_path / "greeting.j2"
    template.write_text("[[ name ]] and {{ name }}\n")
    _start_ansible()
    loader = DataLoader()
    lookup = LOOKUP.LookupModule(loader=loader, templar=Templar(loader, variables={"name": "tides"}))
    options = {"variable_start_string": "[[", "variable_end_string": "]]"}
    assert lookup.run([str(template)], {"name": "tides"}, **options) == ["tides and {{ name }}\n"]


def test_every_role_uses_it() -> None:
    texts = {path: path.read_text() for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*.yml")}
    assert [str(path) for path, text in texts.items() if "lookup('ansible.builtin.template'" in text] == []
    assert any("lookup('meentwerk_template'" in text for text in texts.values())
