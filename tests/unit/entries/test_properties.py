"""Whatever a department sends, the validator says something about it, and what it accepts fits the published schema."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from meentwerk.entries import document, evaluated, fleet, names, rules, values
from meentwerk.entries.languages import LANGUAGES
from meentwerk.entries.model import FIELDS
from meentwerk.entries.problem import Problem, Wrong, quoted
from meentwerk.inventory import ROOT

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/department.schema.json").read_text()))
ENTRIES = [path.read_text() for path in sorted((ROOT / "inventories/example/departments").glob("*.yml"))]
CORPUS = [path.read_bytes() for path in sorted((ROOT / "tests/bad-entries").glob("*.yml"))]
# No deadline: the machine may be busy. Each run of a test tries the same examples.
bounded = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
few = settings(bounded, max_examples=60)

# Pieces out of which YAML is made, and what people type by accident
PIECES = st.sampled_from(
    [
        *("mastodon_instances:", "hosts:", "tides:", "instance_domain:", "instance_contact:", "name:", "email:"),
        *("instance_languages:", "instance_rules:", "text:", "instance_size:", "password:", "tides.example.org"),
        *(
            "\n",
            "\n  ",
            "\n    ",
            "\n      ",
            "\n        ",
            "\n- ",
            " ",
            "\t",
            ": ",
            ":",
            "- ",
            "-",
            "#",
            "\r\n",
            "\u00a0",
        ),
        *("[", "]", "{", "}", ",", "'", '"', "&a ", "*a", "!x ", "!!int ", "!!binary ", "!vault ", "|\n", ">\n", "? "),
        *(
            "---\n",
            "...\n",
            "%YAML 1.1\n",
            "<<: ",
            "@",
            "`",
            "%",
            "\\",
            "{{ x }}",
            "{%",
            "yes",
            "no",
            "~",
            "null",
            "0o7",
        ),
        *(
            "0170",
            "12:30:00",
            "2026-02-31",
            "1e9",
            ".inf",
            ".nan",
            "0x" + "f" * 6000,
            "9" * 5000,
            "=",
            "\x00",
            "\u202e",
        ),
        *(
            "\ud7ff",
            "\ue000",
            "\ufffd",
            "\U0010ffff",
            "\u2028",
            "\ufeff",
            "é",
            "<<<<<<< a\n",
            "=======\n",
            "$ANSIBLE_VAULT;",
        ),
        *("[" * 30, "{a: " * 30, "-" * 30 + "\n", "- " * 30, " " * 200, "a" * 300),
    ]
)
SOUP = st.lists(PIECES, max_size=40).map("".join)
# What can stand in a YAML file, as data
SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.datetimes()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.binary(max_size=5)
    | st.sampled_from([example for info in FIELDS.values() for example in info.examples or []])
)
KEYS = st.sampled_from(
    [*FIELDS, "name", "email", "text", "hint", "username", "register_id", "hosts", "mastodon_instances", "password"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)


def problems(raw: bytes, inventory: Path) -> list[Problem]:
    """What is said about one file in an inventory of its own."""
    file = inventory / "departments/tides.yml"
    _, found = rules.check([inventory], {file: raw})
    return found


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("meentwerk_environment: example\n")
    return tmp_path


def is_usable(found: list[Problem], inventory: Path) -> None:
    """Each problem is one that a terminal, a mail and a program can show."""
    for problem in found:
        text = problem.text(inventory)
        json.dumps(problem.record(inventory))
        assert problem.wrong and problem.cure
        assert all(character.isprintable() or character == "\n" for character in text), text
        assert len(text) < 1500
        assert problem.place.line >= 0
    assert len(set(found)) == len(found)


def holds(raw: bytes, inventory: Path) -> bool:
    """Say whether a file is accepted; what is accepted fits the schema, read by YAML's own loader."""
    found = problems(raw, inventory)
    is_usable(found, inventory)
    if not found:
        SCHEMA.validate(yaml.load(raw, Loader=document.LOADER))
    return not found


@given(st.binary(max_size=300))
@bounded
def test_no_bytes_crash_it(inventory: Path, raw: bytes) -> None:
    assert not holds(raw, inventory)


@given(SOUP)
@settings(bounded, max_examples=400)
def test_no_soup_of_yaml_crashes_it(inventory: Path, text: str) -> None:
    holds(text.encode("utf-8", "surrogatepass"), inventory)


@given(SOUP, st.sampled_from(ENTRIES), st.integers(0, 2000), st.integers(0, 60))
@settings(bounded, max_examples=300)
def test_no_entry_with_something_typed_into_it_crashes_it(
    inventory: Path, typed: str, entry: str, at: int, lost: int
) -> None:
    holds((entry[:at] + typed + entry[at + lost :]).encode("utf-8", "surrogatepass"), inventory)


@given(st.sampled_from(CORPUS), st.integers(0, 400), st.integers(1, 30))
@bounded
def test_no_wrong_entry_with_a_hole_crashes_it(inventory: Path, raw: bytes, at: int, lost: int) -> None:
    holds(raw[:at] + raw[at + lost :], inventory)


@given(DATA)
@few
def test_no_data_crashes_it(inventory: Path, data: object) -> None:
    for whole in (data, {"mastodon_instances": data}, {"mastodon_instances": {"hosts": data}}):
        holds(yaml.safe_dump(whole, allow_unicode=True).encode(), inventory)


def paths(data: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in some data."""
    yield path
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, part in parts:
        yield from paths(part, (*path, step))


@given(st.sampled_from(ENTRIES), st.integers(0, 10**6), DATA)
@settings(bounded, max_examples=300)
def test_no_entry_with_another_value_crashes_it(inventory: Path, entry: str, where: int, value: object) -> None:
    data = yaml.safe_load(entry)
    every = [path for path in paths(data) if path]
    path = every[where % len(every)]
    part = data
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    holds(yaml.safe_dump(data, allow_unicode=True).encode(), inventory)


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_right_is_accepted(entry: str, inventory: Path) -> None:
    """Otherwise the tests above would hold for a validator that refuses everything."""
    assert holds(entry.encode(), inventory)


@given(st.dictionaries(KEYS, DATA, max_size=5))
@few
def test_no_operators_file_crashes_it(inventory: Path, data: dict[str, object]) -> None:
    (inventory / "group_vars/mastodon_instances.yml").write_text(yaml.safe_dump(data, allow_unicode=True))
    is_usable(problems(ENTRIES[0].encode(), inventory), inventory)


@given(SOUP)
@few
def test_no_soup_in_an_operators_file_crashes_it(inventory: Path, text: str) -> None:
    (inventory / "host_vars").mkdir(exist_ok=True)
    (inventory / "host_vars/archives.yml").write_bytes(text.encode("utf-8", "surrogatepass"))
    (inventory / "groups.yml").write_bytes(text.encode("utf-8", "surrogatepass"))
    is_usable(problems(ENTRIES[0].encode(), inventory), inventory)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["meentwerk_environment", "other", *FIELDS]), JSON, max_size=8))
@bounded
def test_no_evaluated_entry_crashes_it(variables: dict[str, object]) -> None:
    """What Ansible hands over comes from JSON-like data, so that is all that can stand there."""
    assert all(isinstance(sentence, str) for sentence in evaluated.problems("tides", variables))


@given(SOUP)
@bounded
def test_a_value_stands_where_its_place_says(text: str) -> None:
    """The place of every key is one where that key stands in the text."""
    made = document.Document(Path("x.yml"))
    document.parse(made, text.encode("utf-8", "surrogatepass"), is_entry=False)
    # as PyYAML counts lines: a mark of the byte order is no character of the first
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for path, place in made.keys.items():
        line = lines[place.line - 1][place.column - 1 :]
        assert line.startswith((str(path[-1]), "'", '"', "|", ">", "!", "&")), (path, place, text)


CHECKS = [
    names.domain,
    values.email,
    names.host_address,
    values.register_id,
    values.username,
    values.release,
    values.language,
    names.ip6,
    values.one_line,
]
ALMOST = st.text(st.sampled_from("aAzZ09-._@:/[]%*<>\"',; \t\nöß\u00ad\u200b\u202e{}xn"), max_size=25)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
@given(value=ALMOST | st.text(max_size=40))
@settings(bounded, max_examples=200)
def test_a_check_returns_the_value_or_says_what_is_wrong(check: Any, value: str) -> None:
    try:
        assert check(value) == value
    except Wrong as error:
        assert error.wrong and error.cure


PATTERNS = {
    names.domain: names.DOMAIN_PATTERN,
    values.email: values.EMAIL_PATTERN,
    values.register_id: values.URI_PATTERN,
    values.username: values.USERNAME_PATTERN,
    values.language: values.LANGUAGE_PATTERN,
}
# Close to right: two labels and what stands between them
NEAR = st.tuples(
    *[st.from_regex(r"[a-zA-Z0-9-]{1,5}", fullmatch=True)] * 2,
    st.sampled_from([".", "@", "..", ".xn--", "/", "@a.", "_", "-", " ."]),
    st.sampled_from(["", "https://", "@", "xn--", "."]),
    st.sampled_from(["", ".example", ".42", "/x", "\n", "."]),
).map(lambda part: f"{part[3]}{part[0]}{part[2]}{part[1]}{part[4]}")


@pytest.mark.parametrize("check", PATTERNS, ids=lambda check: str(check.__name__))
@given(value=NEAR | st.sampled_from(sorted(LANGUAGES)))
@settings(bounded, max_examples=300)
def test_what_a_check_accepts_fits_its_pattern_in_the_schema(check: Any, value: str) -> None:
    try:
        check(value)
    except Wrong:
        return
    assert re.search(PATTERNS[check].replace("$", r"\Z"), value)


@given(ALMOST | NEAR)
@settings(bounded, max_examples=300)
def test_a_domain_that_is_accepted_is_one_for_everybody(value: str) -> None:
    try:
        names.domain(value)
    except Wrong:
        return
    assert value.isascii() and value == value.lower()
    assert value.encode("idna").decode() == value
    assert 0 < len(value) <= 253


@given(st.text(max_size=200) | st.integers() | st.floats() | st.binary(max_size=20))
@bounded
def test_a_quoted_value_is_short_and_moves_no_cursor(value: object) -> None:
    assert quoted(value).isprintable()
    assert len(quoted(value)) <= 83


@given(st.lists(st.sampled_from(["a", "b", "c", "all"]), max_size=6), st.integers(-5, 5) | st.text(max_size=3))
@few
def test_groups_in_any_order_and_circle_end(inventory: Path, names: list[str], priority: object) -> None:
    data: dict[str, Any] = {"vars": {"ansible_group_priority": priority}, "hosts": {"tides": None}}
    for name in names:
        data = {"children": {name: data}}
    (inventory / "groups.yml").write_text(yaml.safe_dump({"top": data}))
    assert set(names) <= fleet.load([inventory]).hosts["tides"].groups
