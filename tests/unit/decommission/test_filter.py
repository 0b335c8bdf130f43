"""What upstream's self-destruct says is understood, and what would happen is told from each stage on."""

import pytest

from tests.plugins import load

FILTER = load("plugins/filter/decommission.py")
VALUE = "InRpZGVzLmV4YW1wbGUub3JnIg==--0123456789abcdef"
BEGINS = f"Type in the domain of the server to confirm: Are you sure?\n\x1b[32m  SELF_DESTRUCT={VALUE}\n\x1b[0m"
ENABLED = "Self-destruct mode is already enabled for this Mastodon server\n"
DONE = "Every deletion notice has been sent! You can safely delete all data and decomission your servers!"
COUNTED = "Deliveries that wait for another attempt: 0\n"
COUNTS = {"posts": 1200, "accounts": 1, "media_bytes": 3 << 20}


def test_before_it_begins_it_gives_the_value() -> None:
    said = FILTER.progress(BEGINS)
    assert said["value"] == VALUE
    assert not said["enabled"]
    assert not said["done"]


@pytest.mark.parametrize(
    ("sentence", "done", "retries"),
    [
        ("12 accounts are still pending deletion.", False, False),
        ("Deletion notices are still being processed", False, False),
        ("At least one delivery attempt was made, but some have failed and are scheduled for retry", False, True),
        (DONE, True, False),
    ],
)
def test_how_far_it_is(sentence: str, done: bool, retries: bool) -> None:
    said = FILTER.progress(ENABLED + sentence + "\n")
    assert said["enabled"]
    assert (said["done"], said["retries"]) == (done, retries)
    assert said["sentence"] == sentence.rstrip(".!") + "."


@pytest.mark.parametrize(("waiting", "done"), [("0", True), ("3", False), ("", False)])
def test_mail_that_waits_is_nothing_that_a_server_was_to_be_told(waiting: str, done: bool) -> None:
    sentence = "At least one delivery attempt was made, but some have failed and are scheduled for retry"
    said = FILTER.progress(f"{ENABLED}{sentence}\r\nDeliveries that wait for another attempt: {waiting}\r\n")
    assert (said["done"], said["retries"]) == (done, not done)
    assert FILTER.progress(f"{ENABLED}{sentence}\n")["retries"], "not counted: upstream's word holds"
    pending = FILTER.progress(f"{ENABLED}12 accounts are still pending deletion.\n" + COUNTED)
    assert not pending["done"]
    assert pending["sentence"] == "12 accounts are still pending deletion."


@pytest.mark.parametrize("output", ["", DONE, "SELF_DESTRUCT=", "No such command"])
def test_nothing_else_counts_as_done(output: str) -> None:
    said = FILTER.progress(output)
    assert not said["done"]
    assert said["value"] == ""
    assert said["sentence"]


def test_the_plan_tells_what_is_still_to_come() -> None:
    whole = FILTER.plan("serving", "tides.example.org", COUNTS, 2, ["near", "far"])
    assert "1,200 posts of 1 account and 3 MB" in " ".join(whole)
    assert "near, far" in " ".join(whole)
    assert "2 servers are told that 1 account is gone" in " ".join(whole)
    lengths = [len(FILTER.plan(state, "tides.example.org", COUNTS, 2, ["near"])) for state in FILTER.STATES]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == 1
    assert "No last backup" in " ".join(FILTER.plan("serving", "tides.example.org", COUNTS, 2, []))
