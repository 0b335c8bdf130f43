"""Upgrading under load, going back, and why that is not always possible."""

from fleet import in_service, nothing_lost, play, release_id, steps
from testinfra.host import Host

from benchmarks.people import People

SECOND = "--limit=upgrade-2"


def test_while_the_way_back_is_open(other: Host, neighbours: People) -> None:
    with neighbours.busy() as report:
        run = play("upgrade", SECOND, release="next", mastodon_post_migrations=False)
    assert run.code == 0, run.text
    assert in_service(other) == release_id("next")
    assert "20260920000200" not in steps(other)
    nothing_lost(report, "upgrade")
    # Pages that were open before ask for the assets of the release they came from
    for asset, status in (("first", 200), ("next", 200), ("last", 404)):
        assert neighbours.target.ask("GET", f"/packs/{asset}.js")[0] == status, asset

    with neighbours.busy() as report:
        run = play("rollback", SECOND)
    assert run.code == 0, run.text
    assert in_service(other) == release_id("first")
    assert "change instance_release, or the next site.yml or upgrade.yml goes forward again" in run.words
    nothing_lost(report, "rollback")


def test_a_step_after_the_switch_that_fails_leaves_the_new_release(other: Host, neighbours: People) -> None:
    with neighbours.busy() as report:
        run = play("upgrade", SECOND, release="late-migration-fails")
    assert run.code != 0
    assert "is in service, but a step of the database that comes after the switch failed" in run.words
    assert in_service(other) == release_id("late-migration-fails")
    nothing_lost(report, "late failure")


def test_the_whole_fleet(canary: Host, other: Host, neighbours: People) -> None:
    foretold = play("upgrade", "--check", release="last")
    assert foretold.code == 0, foretold.text
    assert in_service(other) != release_id("last")
    with neighbours.busy() as report:
        run = play("upgrade", release="last")
    assert run.code == 0, run.text
    assert in_service(canary) == in_service(other) == release_id("last")
    nothing_lost(report, "upgrade of the fleet")
    again = play("upgrade", release="last")
    assert again.code == 0
    assert again.text.count("changed=0") >= 2


def test_no_way_back_over_a_step_after_the_switch(other: Host) -> None:
    run = play("rollback", SECOND, rollback_to=release_id("next"))
    assert run.code != 0
    assert f"{release_id('next')} cannot run on the database as it is" in run.words
    assert "20260922000100" in run.words
    assert "The way back is a restore of a backup made before 20" in run.words
    assert in_service(other) == release_id("last")


def test_an_older_release_is_no_upgrade(other: Host) -> None:
    for playbook in ("upgrade", "site"):
        run = play(playbook, SECOND, release="first")
        assert run.code != 0
        assert "0.1.0 is older than 0.3.0, which is in service" in run.words
        assert "playbooks/rollback.yml goes back" in run.words
    assert in_service(other) == release_id("last")
