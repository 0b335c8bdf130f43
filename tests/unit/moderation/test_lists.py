"""Lists in every shape that fediblockhole's own tests use, and others; bad rows are told and stop nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from meentwerk.moderation import lists
from meentwerk.moderation.lists import BlockList, Listed

FILE = Path("list.csv")
MASTODON = """\
#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate
spam.example,suspend,true,true,"Spam, scams",true
Loud.Example,silence,false,false,,false
"""
FEDIBLOCKHOLE = """\
"domain","severity","public_comment","private_comment","reject_media","reject_reports","obfuscate"
"spam.example","suspend","This is a public comment","This is a private comment",TRUE,TRUE,TRUE
"loud.example","silence",,"This is a private comment",FALSE,FALSE,FALSE
"fine.example","noop",,,False,False,False
"""
API = [
    {"id": "2", "domain": "spam.example", "created_at": "2023-01-09T05:17:50.614Z", "severity": "suspend",
     "reject_media": True, "reject_reports": True, "private_comment": "A private comment",
     "public_comment": "A public comment", "obfuscate": True},
    {"id": "1", "domain": "loud.example", "severity": "silence", "public_comment": None},
]  # fmt: skip
PUBLIC = [{"domain": "sp**.example", "digest": "0", "severity": "suspend", "comment": "Spam"},
          {"domain": "loud.example", "digest": "0", "severity": "silence", "comment": "Noise"}]  # fmt: skip
RAPIDBLOCK = {
    "@spec": "https://rapidblock.example/spec/v1/",
    "blocks": {
        "spam.example": {"isBlocked": True, "reason": "Spam", "tags": ["spam"]},
        "fine.example": {"isBlocked": False, "reason": ""},
    },
}


def read(text: str, shape: str = "auto", default: str = "suspend") -> BlockList:
    return lists.parse(text, FILE, "test", shape, default)


def problems(text: str, shape: str = "auto") -> list[tuple[int, str]]:
    return [(problem.place.line, problem.wrong) for problem in read(text, shape).problems]


def test_mastodons_own_export() -> None:
    found = read(MASTODON)
    assert not found.problems
    assert found.entries == {
        "spam.example": Listed("spam.example", "suspend", 2, True, True, True, "Spam, scams"),
        "loud.example": Listed("loud.example", "silence", 3),
    }


def test_what_fediblockhole_reads_and_writes() -> None:
    found = read(FEDIBLOCKHOLE)
    assert not found.problems
    assert {name: it.severity for name, it in found.entries.items()} == {
        "spam.example": "suspend",
        "loud.example": "silence",
        "fine.example": "noop",
    }
    assert found.entries["spam.example"].public_comment == "This is a public comment"


def test_a_list_of_its_allow_lists() -> None:
    text = '"domain","private_comment"\n"fine.example","Only the domain counts"\n'
    assert list(read(text).entries) == ["fine.example"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_rapidblock_csv_and_plain_lists(line_end: str) -> None:
    text = line_end.join(["spam.example", "below.spam.example", "", "loud.example # noise", "# a comment"])
    found = read(text)
    assert not found.problems
    assert {it.severity for it in found.entries.values()} == {"suspend"}
    assert list(found.entries) == ["spam.example", "below.spam.example", "loud.example"]
    assert found.entries["loud.example"].line == 4


def test_json_of_the_admin_api() -> None:
    found = read(json.dumps(API))
    assert not found.problems
    assert found.entries["spam.example"] == Listed("spam.example", "suspend", 0, True, True, True, "A public comment")
    assert found.entries["loud.example"].public_comment == ""


def test_json_of_the_public_api_counts_what_is_obfuscated() -> None:
    found = read(json.dumps(PUBLIC))
    assert not found.problems
    assert found.obfuscated == 1
    assert found.entries["loud.example"].public_comment == "Noise"


def test_rapidblock_json() -> None:
    found = read(json.dumps(RAPIDBLOCK))
    assert {name: it.severity for name, it in found.entries.items()} == {
        "spam.example": "suspend",
        "fine.example": "noop",
    }
    assert found.entries["spam.example"].public_comment == "Spam"


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("domain,severity\nspam.example,bad\nloud.example,silence\n", 2, "«bad» is no severity"),
        ("domain,severity\nloud.example,silence\nhttps://spam.example/,suspend\n", 3, "address of a page"),
        ("domain,reject_media\nloud.example,true\nspam.example,maybe\n", 3, "neither true nor false"),
        ("domain,severity\nloud.example,silence\nspam.example,suspend,a,b\n", 3, "4 cells"),
        ("domain,severity\nloud.example,silence\n,suspend\n", 3, "empty"),
        ('domain,public_comment\nloud.example,"two\nlines"\nsp am.example,x\n', 4, "space"),
    ],
)
def test_a_bad_row_is_told_by_its_line_and_stops_nothing(text: str, line: int, wrong: str) -> None:
    ((at, said),) = problems(text)
    assert at == line
    assert wrong in said
    assert "loud.example" in read(text).entries


def test_a_bad_entry_of_json_is_told_by_its_number() -> None:
    found = read(json.dumps([{"domain": "loud.example"}, {"domain": "x y.example"}, 7, {"severity": "silence"}]))
    assert [problem.field for problem in found.problems] == ["entry 2", "entry 3", "entry 4"]
    assert list(found.entries) == ["loud.example"]


@pytest.mark.parametrize(
    "text",
    [
        "<html>Not found</html>",
        '[{"domain": "spam.exa',
        "{}",
        "[" * 100_000,
        'domain\n"spam',
        "domain\n\x00x.example\n",
    ],
)
def test_what_is_no_list_is_said(text: str) -> None:
    found = read(text)
    assert not found.entries
    assert found.problems
    assert all(problem.cure for problem in found.problems)


@pytest.mark.parametrize("text", ["", "domain,severity\n", "[]", '{"blocks": {}}'])
def test_an_empty_list_is_a_problem(text: str) -> None:
    """Yesterday it held thousands: taken as it is, all of them would be lifted."""
    assert [problem.wrong for problem in read(text).problems] == ["No domain was found in this list."]


def test_wildcards_mean_what_mastodon_does_anyway() -> None:
    assert list(read("*.spam.example\n").entries) == ["spam.example"]


def test_of_two_rows_the_stricter_holds() -> None:
    found = read("domain,severity\nspam.example,silence\nSPAM.example,suspend\nspam.example,noop\n")
    assert found.entries["spam.example"].severity == "suspend"


@given(st.text(), st.sampled_from(["auto", "csv", "json", "rapidblock-json", "domains"]))
def test_no_text_makes_the_reader_fail(text: str, shape: str) -> None:
    found = read(text, shape)
    assert all(name == it.domain for name, it in found.entries.items())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda it: (
            st.lists(it)
            | st.dictionaries(st.sampled_from(["blocks", "domain", "severity", "isBlocked", "reason", "x.example"]), it)
        ),
    )
)
@example([{"severity": [None], "domain": ""}])
def test_no_json_makes_the_reader_fail(data: object) -> None:
    read(json.dumps(data))
