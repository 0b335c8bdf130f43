"""Lists in every form that people save them in give the same accounts."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from meentwerk.accounts import checks, derived, limits, reading, values
from meentwerk.accounts.columns import csv_columns
from meentwerk.accounts.limits import Limits, graphemes, length
from meentwerk.accounts.policy import Policy, load
from meentwerk.errors import UsageError

from ..house.conftest import ROOT

ANY = Policy.model_validate({})
WANTED = ("tides_news", "news@tides.example.org", "Tides", 'News, «today».\nAnd tomorrow; "yes".', True)
HEADING = ("username", "email", "department", "note", "bot")


def csv_text(separator: str, end: str, flag: str, heading: tuple[str, ...] = HEADING) -> str:
    note = f'"News, «today».{end}And tomorrow; ""yes""."'
    rows = (heading, ("tides_news", "news@tides.example.org", "Tides", note, flag))
    return end.join([*(separator.join(row) for row in rows), ""])


FORMS = {
    "english": csv_text(",", "\n", "TRUE"),
    "dutch": csv_text(";", "\r\n", "WAAR"),
    "tabs": csv_text("\t", "\n", "ja"),
    "old": csv_text(",", "\r", "y"),
    "with the program's own note": "sep=;\r\n" + csv_text(";", "\r\n", "1"),
    "headings as people write them": csv_text(",", "\n", "yes", ("Username", " Email ", "Department", "NOTE", "Bot")),
    "empty rows and columns": csv_text(",", "\n", "yes,,", (*HEADING, "", "")) + ",,,,,,\n\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_form_of_csv(tmp_path: Path, text: str, encoding: str) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(text.encode(encoding))
    checked = checks.check(file, ANY, Limits())
    assert checked.findings == []
    [account] = checked.accounts
    assert (account.username, account.email, account.department, account.note, account.bot) == WANTED


def test_yaml_and_csv_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "list.yml").write_text(
        "accounts:\n- username: tides_news\n  email: news@tides.example.org\n  department: Tides\n"
        "  website: https://tides.example.org\n  fields: [{name: Open, value: always}]\n"
        "  attribution_domains: [a.example.org, b.example.org]\n  bot: true\n"
    )
    (tmp_path / "list.csv").write_text(
        "username,email,department,website,field_1_name,field_1_value,attribution_domains,bot\ntides_news,"
        "news@tides.example.org,Tides,https://tides.example.org,Open,always,a.example.org b.example.org,yes\n"
    )
    one, other = (checks.check(tmp_path / name, ANY, Limits()).accounts[0] for name in ("list.yml", "list.csv"))
    assert one == other
    assert one.fields == (("Website", "https://tides.example.org"), ("Open", "always"))


def test_the_template_is_a_right_list_and_names_every_column() -> None:
    template = ROOT / derived.TEMPLATE
    assert checks.check(template, ANY, Limits()).findings == []
    assert template.read_text(encoding="utf-8-sig").splitlines()[0].split(",") == csv_columns()


def test_derived_files_are_fresh() -> None:
    for name, text in derived.files().items():
        assert (ROOT / name).read_bytes().decode() == text, f"{name} is stale: run scripts/generate-reference"


def test_the_schema_takes_the_scenario_s_list_and_refuses_wrong_ones() -> None:
    schema = json.loads((ROOT / derived.SCHEMA).read_text())
    good = yaml.safe_load((ROOT / "molecule/accounts/lists/accounts.yml").read_text())
    jsonschema.validate(good, schema)
    odd = {**good["accounts"][0], "x": 1}
    wrongs: tuple[object, ...] = ({}, {"accounts": []}, {"accounts": [{"username": "a"}]}, {"accounts": [odd]})
    for wrong in wrongs:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize(
    ("text", "number"),
    [("abc", 3), ("é", 1), ("e\u0301", 1), ("👩‍👩‍👧‍👦", 1), ("🇳🇱🇧🇪", 2), ("👍🏽", 1), ("", 0), ("\r\n", 1)],
)
def test_characters_are_counted_as_people_see_them(text: str, number: int) -> None:
    assert graphemes(text) == number


def test_a_note_counts_addresses_and_mentions_as_mastodon_does() -> None:
    assert length("note", "see https://" + "x" * 300 + ".example.org/ok") == 4 + 23
    assert length("note", "ask @news@tides.example.org") == len("ask @news")
    # No such top-level domain: a real 4.6.5 counts it whole
    assert length("note", "https://www.tides.example.test/page") == len("https://www.tides.example.test/page")
    assert length("note", "https://www.tides.example.testing/page") == 23


def test_limits_of_the_instance_win() -> None:
    told = {"configuration": {"accounts": {"max_note_length": 1000, "max_profile_fields": "8"}}}
    assert limits.published(told).note == 1000
    assert limits.published(told).fields == 4
    assert limits.published("nonsense") == Limits()


@pytest.mark.parametrize(
    ("email", "personal"),
    [
        ("j.jansen@x.example", True),
        ("anna.de.vries@x.example", True),
        ("news@x.example", False),
        ("press.office@x.example", False),
        ("webcare@x.example", False),
    ],
)
def test_a_person_s_mailbox(email: str, personal: bool) -> None:
    assert values.is_personal(email) is personal


def test_a_personal_mailbox_is_a_warning_until_its_reason_is_given(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("username,email,department,exception_reason\nminister,j.jansen@x.example,Cabinet,\n")
    [finding] = checks.check(file, ANY, Limits()).findings
    assert finding.warning
    file.write_text("username,email,department,exception_reason\nminister,j.jansen@x.example,Cabinet,decided\n")
    assert checks.check(file, ANY, Limits()).findings == []


@pytest.mark.parametrize("text", ["domains: x", "departments: {A: {pattern: '['}}", "unknown: 1", "- a", "a: [", "\tx"])
def test_a_wrong_policy_is_explained(tmp_path: Path, text: str) -> None:
    file = tmp_path / "accounts-policy.yml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"accounts-policy\.yml"):
        load(None, tmp_path / "list.csv")


@pytest.mark.parametrize("name", ["list.xlsx", "nowhere.csv", "."])
def test_a_file_that_is_no_list(tmp_path: Path, name: str) -> None:
    (tmp_path / "list.xlsx").write_text("x")
    with pytest.raises(UsageError):
        reading.read(tmp_path / name)


def test_with_single_sign_on_everybody_has_an_identifier(tmp_path: Path) -> None:
    file, policy = tmp_path / "list.csv", Policy.model_validate({"single_sign_on": {}})
    file.write_text("username,email,department,sso_id\ntides,news@x.example,Tides,\n")
    [finding] = checks.check(file, policy, Limits()).problems
    assert finding.column == "sso_id"
    file.write_text("username,email,department,sso_id\ntides,news@x.example,Tides,8a6f\n")
    assert checks.check(file, policy, Limits()).findings == []
