"""An inventory put together by `fleet` is the one that Ansible sees, variable by variable."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from meentwerk.entries import fleet
from meentwerk.entries.document import Vaulted
from meentwerk.inventory import ROOT

EXAMPLE = ROOT / "inventories/example"
ENTRY = """\
mastodon_instances:
  hosts:
    {name}:
      ansible_host: 192.0.2.{number}
      instance_domain: {name}.example.org
      instance_size: medium
      from_entry: {name}
      order: entry
"""
# A made-up fleet: where each variable comes from is in its value
FILES = {
    "00-first.yml": """
all:
  vars: {inline_all: inline all, from_all: inline all}
  children:
    region:
      vars: {from_region: inline region, deep: region, order: region}
      children:
        north:
          vars: {deep: north, priority: north, name_order: north}
          hosts: {tides: , bridges: {from_host_inline: first}}
        south:
          vars: {deep: south, priority: south, name_order: south}
          hosts: {tides: , lakes: }
        a_thirty:
          vars: {ansible_group_priority: "30", text_priority: thirty}
          hosts: {tides: }
        b_twenty:
          vars: {ansible_group_priority: 20, text_priority: twenty}
          hosts: {tides: }
""",
    "departments/bridges.yml": ENTRY.format(name="bridges", number=12),
    "departments/tides.yml": ENTRY.format(name="tides", number=11),
    "departments/forests.yaml": ENTRY.format(name="forests", number=13),
    "groups.yml": """
wave_1: {hosts: {tides: , forests: }}
wave_2: {hosts: {bridges: {from_host_inline: second}}}
wave:
  children: {wave_1: , wave_2: }
  vars: {order: wave, wave_inline: inline}
mastodon_instances:
  vars: {inline_instances: inline, order: instances}
""",
    "more": "database: {hosts: {db-1: {ansible_host: db-1.example.org}}, vars: {engine: none}}\n",
    "more.json": '{"database": {"hosts": {"db-2": {"ansible_host": "db-2.example.org"}}}}',
    "notes.md": "# no inventory\n",
    "old.yml.bak": "wrong: [",
    ".hidden.yml": "wrong: [",
    "group_vars/all/10-first.yml": "from_all: file 10\nlist: [1, 2]\nmapping: {a: 1}\norder: all\n",
    "group_vars/all/20-second.yml": "from_all: file 20\nmapping: {b: 2}\n",
    "group_vars/all/nested/deeper.yml": "from_nested: deeper\n",
    "group_vars/all/nested/.hidden.yml": "from_hidden: wrong\n",
    "group_vars/all/with.dot/file.yml": "from_dotted: wrong\n",
    "group_vars/all/plain": "from_plain: no suffix\n",
    "group_vars/all/note.txt": "from_text: wrong\n",
    "group_vars/mastodon_instances.yml": "from_group: file\ninline_instances: file\ninstance_languages: [nl]\n",
    "group_vars/north.yaml": "from_north: file\nname_order: north file\n",
    "group_vars/south": "from_south: file without suffix\nname_order: south file\n",
    "group_vars/wave_1.json": '{"from_wave": "json", "order": "wave_1"}',
    "group_vars/nobody.yml": "from_nobody: wrong\n",
    "host_vars/tides/main.yml": "from_host: folder\ninstance_size: large\nnumbers: [1, 1.5, true, null, 012, 12:30]\n",
    "host_vars/tides/more.yml": "from_host_too: 2026-01-31\ntext: no\nempty:\n",
    "host_vars/bridges.yml": "from_host: file\ntemplate: '{{ inventory_hostname }}'\n",
    "host_vars/db-1": "from_host: no suffix\n",
}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inventory")
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"))
    return root


def of_ansible(source: Path) -> dict[str, dict[str, Any]]:
    """The variables of every host, as `ansible-inventory --list` has them."""
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(source), "--list"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "False"}
    vault = {"ANSIBLE_VAULT_PASSWORD_FILE": str(EXAMPLE / "vault-password.txt")}
    done = subprocess.run(
        command, env={**plain, **settings, **vault}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    variables: dict[str, dict[str, Any]] = json.loads(done.stdout)["_meta"]["hostvars"]
    # A fact, not a variable of the inventory; some versions of Ansible show it
    return {
        host: {key: value for key, value in known.items() if key != "ansible_local"}
        for host, known in variables.items()
    }


def plain(value: object) -> object:
    """A value as both sides can show it: dates as text, encrypted texts without their content."""
    if isinstance(value, dict):
        if value.keys() & {"__ansible_vault"}:
            return "encrypted"
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, Vaulted):
        return "encrypted"
    return value if isinstance(value, str | int | float | None) else str(value)


@pytest.mark.parametrize("name", ["example", "demo", "made up"])
def test_every_variable_of_every_host_is_ansibles(name: str, made_up: Path) -> None:
    source = made_up if name == "made up" else ROOT / "inventories" / name
    loaded = fleet.load([source])
    assert not loaded.problems
    theirs = {host: plain(variables) for host, variables in of_ansible(source).items()}
    ours = {
        host.name: {key: plain(value.data) for key, value in host.effective.items()} for host in loaded.hosts.values()
    }
    assert ours.keys() == theirs.keys()
    for host, variables in ours.items():
        assert variables == theirs[host], host


def test_the_made_up_fleet_has_what_it_is_made_for(made_up: Path) -> None:
    """Each way a variable can come from another place is in the comparison above."""
    tides = {key: value.data for key, value in fleet.load([made_up]).hosts["tides"].effective.items()}
    assert (tides["deep"], tides["text_priority"], tides["name_order"]) == ("south", "thirty", "south file")
    assert (tides["from_all"], tides["mapping"], tides["from_nested"]) == ("file 20", {"b": 2}, "deeper")
    assert (tides["instance_size"], tides["order"], tides["from_plain"]) == ("large", "entry", "no suffix")
    assert not [key for key in tides if key in {"from_hidden", "from_dotted", "from_text", "from_nobody"}]


def test_groups_are_inherited(made_up: Path) -> None:
    loaded = fleet.load([made_up])
    assert loaded.hosts["tides"].groups >= {"all", "region", "north", "south", "wave", "wave_1", "mastodon_instances"}
    assert {host.name for host in loaded.instances()} == {"tides", "bridges", "forests"}


def test_a_value_knows_its_place(made_up: Path) -> None:
    tides = fleet.load([made_up]).hosts["tides"]
    size = tides.effective["instance_size"].place()
    assert (size.file, size.line, size.column) == (made_up / "host_vars/tides/main.yml", 2, 16)
    second = tides.effective["list"].place((1,))
    assert (second.file.name, second.line, second.column) == ("10-first.yml", 2, 11)
    entry = tides.place
    assert (entry.file.name, entry.line, entry.column) == ("tides.yml", 3, 5)


@pytest.mark.parametrize(
    ("unread", "read"),
    [("all.yml", "all/main.yml"), ("all.yaml", "all.yml"), ("all.json", "all.yaml"), ("all.yml", "all")],
)
def test_a_file_that_ansible_passes_over_is_said(unread: str, read: str, tmp_path: Path) -> None:
    """Of group_vars/all/ and group_vars/all.yml Ansible reads the folder only, and says nothing."""
    for name, text in ((unread, "which: unread\n"), (read, "which: read\n")):
        path = tmp_path / "group_vars" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "groups.yml").write_text("canary: {hosts: {tides: }}\n")
    loaded = fleet.load([tmp_path])
    assert loaded.hosts["tides"].effective["which"].data == "read"
    assert [problem.place.file.name for problem in loaded.problems] == [unread]
    assert of_ansible(tmp_path)["tides"] == {"which": "read"}


def test_groups_that_contain_each_other_end(tmp_path: Path) -> None:
    """Ansible refuses a circle; here it must not go round for ever."""
    (tmp_path / "groups.yml").write_text("a: {children: {b: }}\nb: {children: {a: }, hosts: {tides: }}\n")
    assert fleet.load([tmp_path]).hosts["tides"].groups >= {"a", "b"}
