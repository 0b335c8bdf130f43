"""Every role keeps the same promises: documented, declared, tested."""

import re
from pathlib import Path

import pytest

from .conftest import ROLES, ROOT, load, name_of, options_of

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
# One switch for all roles: show the output of tasks that handle secrets, for a moment of debugging
SHARED = {"meentwerk_no_log"}
NO_COMMENTS = {".json.j2", ".acl.j2"}  # formats that cannot carry the notice: JSON, lists of Valkey's users


@each_role
@pytest.mark.parametrize("part", ["README.md", "defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml"])
def test_has_its_parts(role: Path, part: str) -> None:
    assert (role / part).is_file(), f"{name_of(role)}/{part} is missing: see CONTRIBUTING.md, «A new role»"


@each_role
def test_has_a_scenario(role: Path) -> None:
    assert (ROOT / "molecule" / role.name / "molecule.yml").is_file(), (
        f"no Molecule scenario molecule/{role.name}: a role without one is never run by scripts/test"
    )


@each_role
def test_says_what_it_is(role: Path) -> None:
    info = load(role / "meta/main.yml")["galaxy_info"]
    assert info["license"] == "EUPL-1.2"
    assert info["min_ansible_version"] == "2.19"
    assert {"name": "Debian", "versions": ["trixie"]} in info["platforms"]


@each_role
def test_variables_carry_the_name_of_the_role(role: Path) -> None:
    strange = [name for name in options_of(role).keys() - SHARED if not name.startswith(f"{role.name}_")]
    assert not strange, f"{role.name}: rename {strange}, or two roles may one day mean different things by it"


@each_role
def test_defaults_and_argument_specs_say_the_same(role: Path) -> None:
    options = options_of(role)
    defaults = {k: v for k, v in (load(role / "defaults/main.yml") or {}).items() if not k.startswith("__")}
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    problems = [f"{name} has a default, but no entry in argument_specs" for name in defaults.keys() - options.keys()]
    problems += [f"{name} is required and has a default" for name in defaults if options.get(name, {}).get("required")]
    problems += [f"{name} has a default in argument_specs only" for name in specified.keys() - defaults.keys() - SHARED]
    problems += [
        f"{name}: defaults say {value!r}, argument_specs say {specified.get(name)!r}"
        for name, value in defaults.items()
        if name in options and not options[name].get("required") and specified.get(name) != value
    ]
    assert not problems, f"{role.name}:\n" + "\n".join(sorted(problems))


@each_role
def test_every_variable_is_described(role: Path) -> None:
    bare = [name for name, option in options_of(role).items() if not {"description", "type"} <= option.keys()]
    assert not bare, f"{role.name}: argument_specs without type or description: {bare}"


@each_role
def test_readme_names_every_variable(role: Path) -> None:
    readme = (role / "README.md").read_text()
    missing = [name for name in options_of(role) if not re.search(rf"\b{name}\b", readme)]
    assert not missing, f"{name_of(role)}/README.md does not name {missing}"


@each_role
def test_readme_names_no_variable_that_is_gone(role: Path) -> None:
    readme = (role / "README.md").read_text()
    code = "".join(path.read_text() for suffix in ("yml", "j2") for path in role.rglob(f"*.{suffix}"))
    named = set(re.findall(rf"`({role.name}_[a-z0-9_]+)`", readme))
    gone = sorted(name for name in named if not re.search(rf"\b{name}\b", code))
    assert not gone, f"{name_of(role)}/README.md names what the role does not know: {gone}"


@each_role
def test_no_other_role_reads_the_entry(role: Path) -> None:
    """A department's entry reaches roles through playbooks/site.yml only: each role works without it."""
    if role.name == "instance":
        pytest.skip("this role is the entry")
    readers = [
        f"{name_of(path)}:{number}"
        for folder in ("tasks", "templates", "defaults", "vars", "handlers", "meta")
        for path in sorted((role / folder).rglob("*"))
        if path.is_file()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"(?<![\w.])instance_(?:[a-z]+_)*[a-z]+\b(?!\()", line)
    ]
    assert not readers, f"reads a variable of the entry: {readers}; give {role.name} a variable, set by site.yml"


@each_role
def test_templates_say_who_manages_the_file(role: Path) -> None:
    texts = {path: path.read_text() for path in sorted((role / "templates").rglob("*.j2"))}
    # A part of another template stands below that one's notice
    included = set(re.findall(r"{%-? *(?:include|import|from) *['\"]([^'\"]+)", "".join(texts.values())))
    unmarked = [
        name_of(path)
        for path, text in texts.items()
        if "".join(path.suffixes[-2:]) not in NO_COMMENTS
        and str(path.relative_to(role / "templates")) not in included
        and "ansible_managed" not in "".join(text.splitlines(keepends=True)[:3])
    ]
    assert not unmarked, f"begin with {{{{ ansible_managed | comment }}}}: {unmarked}"
