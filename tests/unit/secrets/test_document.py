"""The text of a secrets file: read with its positions, extended and otherwise left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meentwerk.secrets import document

VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n3132\n3334\n"
NAMES = st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True)


def test_a_rendered_file_parses_back() -> None:
    parsed = document.parse(document.render("ministry", {"one": VAULTED, "two": VAULTED}))
    assert {name: entry.text for name, entry in parsed.entries.items()} == {"one": VAULTED, "two": VAULTED}
    assert all(entry.vaulted for entry in parsed.entries.values())


@given(
    st.dictionaries(NAMES, st.just(VAULTED), max_size=4),
    st.dictionaries(NAMES, st.just(VAULTED), min_size=1, max_size=4),
    st.sampled_from(["", "# the end\n", "\nother: variable\n", "\n# note\n\nother: {a: 1}\n"]),
    st.integers(min_value=1, max_value=8),
)
def test_extending_keeps_every_other_line(old: dict[str, str], new: dict[str, str], behind: str, indent: int) -> None:
    new = {name: text for name, text in new.items() if name not in old}
    text = document.render("x", old or {"first": VAULTED}).replace("\n  ", "\n" + " " * indent) + behind
    parsed = document.parse(text)
    if "first" in parsed.entries:
        new.pop("first", None)
    extended = document.extend(parsed, new)
    assert list(document.parse(extended).entries) == [*parsed.entries, *new]
    kept = iter(extended.splitlines())
    assert all(line in kept for line in text.splitlines()), "a line was lost or moved"


def test_extending_a_file_without_final_newline() -> None:
    parsed = document.parse("instance_secrets:\n  one: !vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    3132")
    assert list(document.parse(document.extend(parsed, {"two": VAULTED})).entries) == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("- a\n", "line 1: the file must be a mapping"),
        ("other: 1\n", "has no variable instance_secrets"),
        ("instance_secrets: [a]\n", "line 1: instance_secrets must be a mapping"),
        ("instance_secrets:\n  a: {b: hunter2}\n", "line 2: a must be one value"),
        ("instance_secrets:\n  a: hunter2\n  a: hunter2\n", "line 3: a stands twice"),
        ("instance_secrets:\n  a: 'hunter2\n", "line 3: found unexpected end of stream"),
    ],
)
def test_a_malformed_file_is_named_by_line_and_never_quoted(text: str, message: str) -> None:
    with pytest.raises(document.MalformedError) as caught:
        document.parse(text)
    assert str(caught.value) == message


def test_a_layout_that_cannot_be_extended_is_refused() -> None:
    parsed = document.parse("instance_secrets: {one: x}\n")
    with pytest.raises(document.MalformedError):
        document.extend(parsed, {"two": VAULTED})
