"""Back to a moment: what somebody deleted returns; a restore that was cut off is run again."""

import subprocess
import time
from collections.abc import Callable
from functools import partial

from calamity import DOMAIN, PROJECT, command, play, sql
from testinfra.host import Host

from benchmarks.people import People
from tests.ending import kill_all

CONSENT = {"restore_consent": DOMAIN}
COUNT = "SELECT count(*) FROM statuses"
KEYS = "SELECT sum(hashint8extended(id, 0)::numeric) FROM statuses"


def test_before_a_mass_deletion(instance: Host, people: People) -> None:
    made = play("backup", backup_label="before-cleanup")
    assert made.code == 0, made.text
    assert "before-cleanup" in made.words
    rows, keys = sql(instance, COUNT), sql(instance, KEYS)
    assert int(rows) > 100
    time.sleep(1.5)
    moment = sql(instance, "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    time.sleep(1.5)
    sql(instance, "DELETE FROM statuses")
    # What follows has to be in the archive, or the moment before it cannot be told from the archive's end
    sql(instance, "SELECT pg_switch_wal()")
    time.sleep(8)

    by_time = play("restore", restore_time=moment, restore_what="database", **CONSENT)
    assert by_time.code == 0, by_time.text
    assert (sql(instance, COUNT), sql(instance, KEYS)) == (rows, keys)
    assert "statuses 0" not in by_time.words
    assert people.target.ask("GET", "/api/v1/accounts/verify_credentials", people.reader)[0] == 200
    # What playbooks/resume.yml does first; the next test has more to restore
    instance.check_output("meentwerk-backup release")


def reached(host: Host, there: str) -> bool:
    return bool(host.run(there).rc == 0)


def kill_restore_at(due: Callable[[], bool]) -> bool:
    """Start a restore and kill it, on both machines, when the host has reached a stage."""
    process = subprocess.Popen(
        command("restore", restore_label="before-cleanup", restore_what="database", **CONSENT),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd=PROJECT,
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if due():
                kill_all(process)
                return True
            time.sleep(0.05)
        return False
    finally:
        kill_all(process)


def test_cut_off_and_run_again(instance: Host) -> None:
    sql(instance, "DELETE FROM statuses WHERE id IN (SELECT id FROM statuses LIMIT 50)")
    kill = "pkill -9 -f 'meentwerk_backup restore'"
    stages = {
        "beside": "test -e /var/lib/postgresql/17/main.restoring/postmaster.pid",
        "exchanged": "test -e /var/lib/postgresql/17/main.before-restore",
    }
    for stage, there in stages.items():
        assert kill_restore_at(partial(reached, instance, there)), stage
        instance.run(kill)
    run = play("restore", restore_label="before-cleanup", restore_what="database", **CONSENT)
    assert run.code == 0, run.text
    record = "SELECT count(*) FROM statuses"
    assert int(sql(instance, record)) > 100
    assert instance.check_output("ls /var/lib/postgresql/17 | sort").split() == ["main", "main.before-restore"]
    resumed = play("resume")
    assert resumed.code == 0, resumed.text
    assert instance.check_output("ls /var/lib/postgresql/17") == "main"


def test_media_only(instance: Host, people: People) -> None:
    path = "/var/lib/mastodon/media/accounts/avatars"
    before = instance.check_output(f"sha256sum {path}/*.jpg")
    damage = f"rm {path}/1.jpg && echo damaged > {path}/2.jpg"
    instance.check_output(damage)
    run = play("restore", restore_what="media", **CONSENT)
    assert run.code == 0, run.text
    assert instance.check_output(f"sha256sum {path}/*.jpg") == before
    instance.check_output(damage)
    run = play("restore", restore_what="media", restore_repository="far", **CONSENT)
    assert run.code == 0, run.text
    assert instance.check_output(f"sha256sum {path}/*.jpg") == before
    assert instance.check_output(f"stat --format=%U:%G {path}/1.jpg") == "mastodon:www-data"
    assert not instance.file("/etc/mastodon/hold").exists, "media alone hold nothing up"
    assert people.target.ask("GET", "/api/v1/timelines/home", people.reader)[0] == 200
