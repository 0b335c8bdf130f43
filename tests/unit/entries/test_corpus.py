"""Every wrong entry of tests/bad-entries/ is refused, with exactly the words beside it.

NAME.yml becomes departments/NAME.yml in a copy of tests/bad-entries/fleet/; NAME.txt is what is printed then. After a
change of the words: read each new text as somebody would who has never programmed, and only then write it down.
"""

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from meentwerk.entries import rules

from .samples import TIDES

CORPUS = Path(__file__).parents[2] / "bad-entries"
ENTRIES = sorted(CORPUS.glob("*.yml"))

# One message that several mistakes have, since the same is to be done about each
SAME = (
    {"contact-name-is-empty", "rule-empty"},
    {"delegated-domain-empty", "release-empty"},
    {"domain-is-a-link-of-a-wiki", "organisation-name-begins-with-bracket", "yaml-apostrophe-in-single-quotes"},
    {"domain-reserved-for-examples", "web-domain-reserved"},
    {"embedded-address-outside-a-demo", "embedded-image-outside-a-demo"},
    {"file-is-a-comment", "file-is-empty"},
    {"file-is-a-list", "file-is-a-text"},
    {"file-is-an-e-mail", "name-without-colon"},
    {"key-indented-too-little", "rule-hyphen-out-of-column"},
    {"release-directory-is-the-operators", "release-signers-are-the-operators"},
    {
        "secret-among-the-contact",
        "secret-in-a-rule",
        "secret-instance-secrets",
        "secret-number",
        "secret-password",
        "secret-private-key",
    },
    {"secret-encrypted-password", "secret-password-empty", "secret-password-template"},
    {"secret-encrypted", "secret-vault-text-without-tag"},
    {"yaml-bracket-closed-by-a-brace", "yaml-bracket-not-closed"},
    {"yaml-colon-missing-at-a-group", "yaml-colon-missing", "yaml-colon-without-space", "yaml-unquoted-hash"},
    {"yaml-in-utf-16-without-mark", "yaml-in-utf-16"},
    {"yaml-tab-behind-spaces", "yaml-tab"},
    {"yaml-with-no-break-space-behind-the-colon", "yaml-with-no-break-space"},
)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A small right inventory."""
    return Path(shutil.copytree(CORPUS / "fleet", tmp_path / "fleet"))


def said(fleet: Path) -> str:
    """What is printed about an inventory."""
    _, problems = rules.check([fleet])
    return "".join(problem.text(fleet) + "\n" for problem in problems)


def words(text: str) -> str:
    """What a message says, without its place."""
    return "".join(line for line in text.splitlines(keepends=True) if line.startswith("    "))


def test_the_fleet_is_right(fleet: Path) -> None:
    assert said(fleet) == ""


@pytest.mark.parametrize("host", ["tides-demo", "tides-deployed"])
def test_its_special_hosts_are_right_with_a_right_entry(fleet: Path, host: str) -> None:
    entry = TIDES.replace("tides:", f"{host}:")
    if host == "tides-deployed":
        web = "instance_domain: tides.example\n      instance_web_domain: social.tides.example"
        entry = entry.replace("instance_domain: tides.example.org", web)
    (fleet / "departments/right.yml").write_text(entry)
    assert said(fleet) == ""


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.stem)
def test_it_is_refused_with_its_own_message(entry: Path, fleet: Path) -> None:
    shutil.copy(entry, fleet / "departments")
    expected = entry.with_suffix(".txt")
    assert expected.is_file(), f"what should be said about {entry.name}? Write {expected.name}"
    found = said(fleet)
    assert found, f"{entry.name} is accepted"
    assert found == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.stem)
def test_a_message_can_be_used(entry: Path) -> None:
    text = entry.with_suffix(".txt").read_text(encoding="utf-8")
    heads = [line for line in text.splitlines() if not line.startswith("    ")]
    assert all(head.startswith("departments/") for head in heads)
    assert any(head.startswith(f"departments/{entry.name}") for head in heads), "it is said of another file only"
    # One mistake, one message, but for entries that want what another file has, and where several keys are missing
    assert len(heads) == 1 or re.search("taken|-is-the-domain-of-another|only-an-address", entry.stem), heads
    for jargon in (
        "None",
        "True",
        "False",
        "datetime",
        "ScalarNode",
        "Traceback",
        "pydantic",
        "token",
        "regex",
        "null",
    ):
        assert not re.search(rf"\b{jargon}\b", words(text)), f"who knows what «{jargon}» is?"


def test_every_text_has_its_entry() -> None:
    assert {path.stem for path in CORPUS.glob("*.txt")} == {path.stem for path in ENTRIES}
    assert len(ENTRIES) >= 70


def test_no_two_mistakes_have_one_message() -> None:
    by_words: defaultdict[str, set[str]] = defaultdict(set)
    for entry in ENTRIES:
        by_words[words(entry.with_suffix(".txt").read_text(encoding="utf-8"))].add(entry.stem)
    same = [names for names in by_words.values() if len(names) > 1]
    assert sorted(map(sorted, same)) == sorted(map(sorted, SAME))


def _link_out(path: Path) -> None:
    (path.parents[2] / "outside.yml").write_text(TIDES)
    path.symlink_to(path.parents[2] / "outside.yml")


def _link_nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "gone.yml")


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _link_to_a_folder(path: Path) -> None:
    path.symlink_to(path.parents[1] / "group_vars")


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


# How a file is made that git does not hold -> its name, and what is said about it
MADE = {
    "link out": (_link_out, "tides.yml", "The link leads out of the inventory."),
    "link nowhere": (_link_nowhere, "tides.yml", "The link leads nowhere."),
    "link to itself": (_link_to_itself, "tides.yml", "The link leads nowhere."),
    "link to a folder": (_link_to_a_folder, "more", "This is a link to another folder."),
    "pipe": (os.mkfifo, "tides.yml", "This is no regular file."),
    "too long": (_text(TIDES + "# Pasted again and again.\n" * 3000), "tides.yml", "The file has 76 KiB; 64 KiB are"),
    "no suffix": (_text(TIDES), "tides", "The file is not read as an entry: its name does not end in .yml."),
    "text of a word processor": (_text("x"), "tides.docx", "The file is not read as an entry"),
    "suffix hidden by the desktop": (_text(TIDES), "tides.yml.txt", "The file is not read as an entry"),
    "capitals": (_text(TIDES), "tides.YML", "The file is not read as an entry"),
}


@pytest.mark.parametrize("case", MADE)
def test_an_odd_file_is_refused(case: str, fleet: Path) -> None:
    make, name, wrong = MADE[case]
    make(fleet / "departments" / name)
    found = said(fleet)
    assert found.startswith(f"departments/{name}\n    {wrong}"), found
    assert found.count("\n    ") == 2
    if "not read" in wrong:
        assert "Rename it to tides.yml" in found


@pytest.mark.parametrize("name", [".tides.yml", "README.md", "tides.yml~", "tides.yml.bak", ".tides.yml.swp"])
def test_what_editors_leave_is_passed_over(name: str, fleet: Path) -> None:
    (fleet / "departments" / name).write_text("not: [closed")
    assert said(fleet) == ""


def test_a_file_that_cannot_be_read_is_said(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert "The file cannot be read: Permission denied." in said(fleet)


@pytest.mark.parametrize("number", ["0x" + "f" * 6000, "9" * 5000, "1" + ":59" * 3000])
def test_a_number_that_python_would_not_print_is_refused(number: str, fleet: Path) -> None:
    (fleet / "departments/tides.yml").write_text(TIDES + f"      instance_release: {number}\n")
    place, wrong, cure = said(fleet).splitlines()
    assert place == "departments/tides.yml:11:25"
    assert wrong.endswith("looks like a number or a date, and is none.")
    assert cure == "    Put it in quotes."


@pytest.mark.parametrize("entry", ["{}", "[]", "''", "false"])
def test_an_entry_without_keys_is_refused(entry: str, fleet: Path) -> None:
    (fleet / "departments/tides.yml").write_text(f"mastodon_instances: {{hosts: {{tides: {entry}}}}}\n")
    assert said(fleet).splitlines()[1:2] == ["    The entry is empty."]


def test_a_mark_of_utf_8_and_windows_line_ends_are_right(fleet: Path) -> None:
    (fleet / "departments/tides.yml").write_bytes(b"\xef\xbb\xbf" + TIDES.replace("\n", "\r\n").encode())
    assert said(fleet) == ""


@pytest.mark.parametrize("name", ["a-groups.yml", "z-groups.yml"])
def test_a_list_of_groups_may_be_read_before_or_after_the_entries(name: str, fleet: Path) -> None:
    """A group's file that only lists a host is no second entry of it."""
    (fleet / name).write_text("wave_1:\n  hosts:\n    forests:\n    bridges:\n")
    assert said(fleet) == ""


def test_a_misspelt_name_in_a_group_is_said_once(fleet: Path) -> None:
    (fleet / "waves.yml").write_text("mastodon_instances:\n  children:\n    wave_1:\n      hosts:\n        forest:\n")
    assert said(fleet) == (
        "waves.yml:5:9  forest\n    «forest» has no entry in departments/.\n    Did you mean forests?\n"
    )


def test_an_entry_that_was_deployed_keeps_its_domain(fleet: Path) -> None:
    """Who comes later is told, whichever file comes first in the alphabet."""
    record = fleet / "host_vars/bridges/deployed.yml"
    record.parent.mkdir()
    record.write_text("instance_deployed: {domain: bridges.example.org, web_domain: bridges.example.org}\n")
    entry = TIDES.replace("tides:", "zuider:").replace("tides.example.org", "bridges.example.org", 1)
    for name in ("aaa", "zzz"):
        file = fleet / f"departments/{name}.yml"
        file.write_text(entry)
        heads = [line for line in said(fleet).splitlines() if not line.startswith("    ")]
        assert {head.partition(":")[0] for head in heads} == {f"departments/{name}.yml"}, heads
        file.unlink()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("instance_langauges: [nl]\n", "Did you mean instance_languages?"),
        ("instance_colour: blue\n", "docs/entry.md lists all keys."),
        ("instance_size: huge\n", "«huge» is none of the choices."),
        ("smtp_password: correct horse battery staple\n", "A secret stands here in plain text."),
        ("smtp: {password: correct horse battery staple}\n", "A secret stands here in plain text."),
        ("smtp_password: |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132\n", "The encrypted text has no !vault before it."),
        ("colour: !paint blue\n", "«!paint» is a tag that is not used here."),
        ("colours: !paint [blue]\n", "«!paint» is a tag that is not used here."),
        ("number: !!int blue\n", "«blue» looks like a number or a date, and is none."),
        ("number: !!int ''\n", "«» looks like a number or a date, and is none."),
        ("number: !!bool blue\n", "«blue» looks like a number or a date, and is none."),
        ("a: &a [*a]\n", "The alias *a stands inside what it repeats."),
        ("a: 1\na: 2\n", "«a» stands here a second time; the first is in line 1."),
    ],
)
def test_an_operators_file_is_read_with_the_same_care(text: str, wrong: str, fleet: Path) -> None:
    (fleet / "group_vars/canary.yml").write_text(text)
    found = said(fleet)
    assert wrong in found
    assert found.startswith("group_vars/canary.yml:")
    assert found.count("\n    ") == 2, found


@pytest.mark.parametrize(
    "text",
    [
        "smtp_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132\n",
        'smtp_password: "{{ vaulted }}"\n',
        "base: &base {a: 1}\nmore:\n  <<: *base\n  b: 2\n",
        "ports: {22: ssh, yes: no}\n",
        'instance_title: "{{ inventory_hostname }}"\n',
        "text: !unsafe '{{ no template }}'\n",
    ],
)
def test_an_operators_file_may_say_more_than_an_entry(text: str, fleet: Path) -> None:
    (fleet / "group_vars/canary.yml").write_text(text)
    assert said(fleet) == ""


def test_an_operators_own_release_is_a_row_of_theirs(fleet: Path) -> None:
    wanted = 'instance_release: "4.6.5.fork1"\n'
    (fleet / "group_vars/canary.yml").write_text(wanted)
    assert "«4.6.5.fork1» is not in the catalogue of releases." in said(fleet)
    row = "release_build_catalogue_extra:\n  4.6.5.fork1: {tag: v4.6.5-ours, commit: 0000}\n"
    (fleet / "group_vars/canary.yml").write_text(wanted + row)
    assert said(fleet) == ""


def test_an_alias_bomb_in_an_operators_file_goes_off_nowhere(fleet: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (fleet / "group_vars/canary.yml").write_text("\n".join(lines))
    assert "The file stands for more than 20000 values." in said(fleet)
