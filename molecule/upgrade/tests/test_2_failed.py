"""A release that fails: the old one serves on, nobody notices, and the next wave is not touched."""

import pytest
from fleet import in_service, nothing_lost, play, release_id, steps
from testinfra.host import Host

from benchmarks.people import People

FAILURES = [
    ("migration-fails", "migrate pre: division by zero"),
    ("does-not-start", "web: a library is missing"),
    ("is-sick", "bin/check: queues: nobody works"),
    ("no-front-page", "answers / with HTTP 500"),
]


@pytest.mark.parametrize(("release", "reason"), FAILURES)
def test_the_old_release_serves_on(canary: Host, other: Host, people: People, release: str, reason: str) -> None:
    with people.busy() as report:
        run = play("upgrade", release=release, mastodon_health_timeout=5)
    assert run.code != 0
    assert reason in run.words, run.text
    assert "upgrade-1 was not upgraded." in run.words
    assert f"{release_id('first')} is in service again" in run.words or "serves on" in run.words
    assert in_service(canary) == release_id("first")
    assert in_service(other) == release_id("first")
    assert "20260920000100" not in steps(other), "the wave after the failed one was not touched"
    nothing_lost(report, f"failure {release}")
