"""The runbooks are executed: each of their commands is one that the scenario `restore` runs."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GUIDES = ("docs/backup.md", "docs/disaster-recovery.md")
COMMAND = re.compile(r"^ *ansible-playbook (?P<rest>.*)$", re.MULTILINE)
Form = tuple[str, frozenset[str]]


def commands(guide: str) -> set[Form]:
    """Each command of a guide as its playbook and the variables that it sets."""
    found = set()
    for match in COMMAND.finditer((ROOT / guide).read_text()):
        playbook = re.search(r"playbooks/([a-z]+)\.yml", match["rest"])
        assert playbook, match[0]
        found.add((playbook[1], frozenset(re.findall(r"-e ([a-z_]+)=", match["rest"]))))
    return found


def executed() -> set[Form]:
    """Each run of a playbook in the scenario; who agrees by a variable does so by hand in the guide."""
    found = set()
    for path in (ROOT / "molecule/restore/tests").glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "play"):
                continue
            name = node.args[0]
            if not isinstance(name, ast.Constant):
                continue  # a loop over verbs that have to refuse
            given = {word.arg for word in node.keywords if word.arg}
            # What only the test's surroundings need
            found.add((str(name.value), frozenset(given - {"drill_key", "drill_reports", "drill_group"})))
    return found


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_is_run_by_the_scenario(guide: str) -> None:
    known = commands(guide)
    assert len(known) >= 2
    left = known - executed()
    assert not left, f"{guide} names what molecule/restore does not run: {sorted((p, sorted(v)) for p, v in left)}"
