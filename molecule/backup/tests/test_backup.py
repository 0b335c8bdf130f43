"""One instance's backups in three places: a folder, a host by SFTP, an S3-compatible store."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

STATE = "/var/lib/meentwerk/backup.json"
PASSPHRASE = "onlyForThisTestOnlyForThisTestOnly"
PLACES = ("near", "far", "cloud")


def reach(name: str) -> Host:
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={os.environ['MOLECULE_HOSTS']}")


@pytest.fixture(scope="module")
def instance() -> Host:
    return reach("backup-1")


@pytest.fixture(scope="module")
def place() -> Host:
    return reach("backup-2")


def sql(host: Host, statement: str, database: str = "mastodon") -> str:
    answer: str = host.check_output("runuser -u postgres -- psql -XAtqd %s -c %s", database, statement)
    return answer


def check(host: Host) -> dict[str, Any]:
    """Ask the check; its exit code has to fit what it says."""
    done = host.run("meentwerk-backup check")
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.rc == (0 if answer["healthy"] else 3)
    return answer


def noted(host: Host) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(host.check_output(f"cat {STATE}"))
    return content


@pytest.fixture(scope="module", autouse=True)
def first(instance: Host) -> dict[str, Any]:
    """The first backup, as its timer's service makes it."""
    sql(instance, "CREATE TABLE IF NOT EXISTS statuses (id bigserial PRIMARY KEY, text text)")
    sql(instance, "INSERT INTO statuses (text) SELECT 'post ' || n FROM generate_series(1, 500) AS n")
    instance.check_output("systemctl start meentwerk-backup.service")
    return noted(instance)


def test_every_place_has_it(instance: Host, first: dict[str, Any]) -> None:
    assert {name: it["error"] for name, it in first["repositories"].items()} == dict.fromkeys(PLACES, "")
    answer = check(instance)
    assert answer["healthy"], answer
    listed = json.loads(instance.check_output("meentwerk-backup list"))
    assert {it["repository"] for it in listed if it["label"] == first["label"]} == set(PLACES)
    info = json.loads(instance.check_output("runuser -u postgres -- pgbackrest --output=json info"))[0]
    assert {it["database"]["repo-key"] for it in info["backup"]} == {1, 2, 3}
    assert all(it["cipher"] == "aes-256-cbc" for it in info["repo"])


def test_nothing_in_a_place_can_be_read(instance: Host, place: Host) -> None:
    for host, folder in ((instance, "/srv/backup/tides"), (place, "/srv/vault/tides")):
        assert host.check_output("find %s -type f -size +1k | wc --lines", folder) != "0"
        found = host.run(
            "grep --recursive --files-with-matches --text -E 'post 4[0-9][0-9]|tides.example.test' %s", folder
        )
        assert found.stdout == ""


def test_the_record_says_what_has_to_come_back(instance: Host) -> None:
    record = json.loads(instance.check_output("cat /var/lib/meentwerk/backup/record.json"))
    assert record["database"]["counts"]["statuses"]["rows"] >= 500
    assert record["domain"] == "tides.example.test"
    assert record["release"] == "sandbox-1.2.3-debian13-amd64"
    assert record["valkey"] is True


def test_copies_of_other_servers_media_stay_out(instance: Host) -> None:
    listed = instance.check_output(
        "RESTIC_PASSWORD_FILE=/etc/meentwerk/backup/passphrase restic -r /srv/backup/tides/restic ls latest"
    )
    assert "/var/lib/mastodon/media/accounts/picture.jpg" in listed
    assert "remote.jpg" not in listed


def test_a_change_leaves_the_host_within_the_stated_time(instance: Host) -> None:
    """Nobody asks for it: PostgreSQL sends its log by itself, also while little happens."""
    time.sleep(2)
    sql(instance, "INSERT INTO statuses (text) VALUES ('the last one')")
    position = sql(instance, "SELECT pg_walfile_name(pg_current_wal_lsn())")
    began = time.monotonic()
    query = "SELECT last_archived_wal >= '{position}' FROM pg_stat_archiver"
    while sql(instance, query.format(position=position)) != "t":
        assert time.monotonic() - began < 30, "not archived"
        time.sleep(0.5)
    print(f"\na change left the host after {time.monotonic() - began:.1f} s; backup_recovery_seconds is 10")
    assert time.monotonic() - began < 10 + 5


@contextmanager
def locked_out(place: Host) -> Iterator[None]:
    """Nobody gets in by SFTP."""
    place.check_output("mv /etc/ssh/tides.keys /etc/ssh/tides.away")
    try:
        yield
    finally:
        place.check_output("mv /etc/ssh/tides.away /etc/ssh/tides.keys")


def test_a_place_that_does_not_answer(instance: Host, place: Host) -> None:
    with locked_out(place):
        done = instance.run("meentwerk-backup run --label alone")
        assert done.rc == 4, done.stderr
        assert "repository far" in done.stderr
        assert sql(instance, "INSERT INTO statuses (text) VALUES ('while it was away') RETURNING 1") == "1"
        red = check(instance)
        assert not red["healthy"]
        assert "the last backup failed" in red["checks"]["repository far"]["detail"]
        assert red["checks"]["repository near"]["ok"], "the others have theirs"
        assert noted(instance)["repositories"]["far"]["error"]
        assert noted(instance)["repositories"]["cloud"]["error"] == ""
    instance.check_output("meentwerk-backup run")
    assert check(instance)["healthy"], "the next run catches up"


def test_a_place_that_is_full(instance: Host) -> None:
    folder = "/srv/backup/tides/restic"
    instance.check_output(f"mv {folder} {folder}.away && mkdir {folder} && mount -t tmpfs -o size=1M none {folder}")
    instance.check_output(
        f"cp --archive {folder}.away/config {folder}.away/keys {folder} && head --bytes=1M /dev/zero > {folder}/x; true"
    )
    try:
        done = instance.run("meentwerk-backup run")
        assert done.rc == 4
        assert "no space left on device" in done.stderr
        assert "repository near" in done.stderr
        assert not check(instance)["healthy"]
        assert sql(instance, "SELECT 1") == "1"
    finally:
        instance.check_output(f"umount {folder} && rmdir {folder} && mv {folder}.away {folder}")
    instance.check_output("meentwerk-backup run")
    assert check(instance)["healthy"]


def test_a_missed_backup_turns_the_check_red(instance: Host) -> None:
    before = noted(instance)
    late = json.loads(json.dumps(before))
    late["repositories"]["cloud"]["files"] = "2026-01-01T00:00:00+00:00"
    instance.check_output("echo %s > " + STATE, json.dumps(late))
    try:
        assert "files is" in check(instance)["checks"]["repository cloud"]["detail"]
    finally:
        instance.check_output("echo %s > " + STATE, json.dumps(before))
    instance.check_output("systemctl stop meentwerk-backup.timer")
    try:
        assert not check(instance)["checks"]["timer"]["ok"]
    finally:
        instance.check_output("systemctl start meentwerk-backup.timer")
    assert check(instance)["healthy"]


def test_no_secret_is_seen(instance: Host) -> None:
    """Not in the log, not in an argument, not in a file for others."""
    journal = instance.check_output("journalctl --no-pager")
    for secret in (PASSPHRASE, "only-for-this-test-too", "PRIVATE KEY"):
        assert secret not in journal
    for path in (
        "/etc/meentwerk/backup/config.json",
        "/etc/meentwerk/backup/passphrase",
        "/etc/meentwerk/backup/far.key",
    ):
        assert instance.file(path).mode == 0o600
    assert instance.file("/etc/pgbackrest/pgbackrest.conf").mode == 0o640
    assert instance.file("/etc/pgbackrest/pgbackrest.conf").group == "postgres"
    watch = (
        "(meentwerk-backup run >/dev/null 2>&1 &) ; for n in $(seq 60); do "
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; sleep 0.1; done"
    )
    seen = instance.check_output("bash -c %s", watch)
    assert "restic" in seen
    assert PASSPHRASE not in seen
    assert "only-for-this-test-too" not in seen
    instance.check_output("flock /run/meentwerk-backup.lock true")


def test_credentials_that_cannot_delete_are_enough(instance: Host, place: Host) -> None:
    """The store refuses every deletion: no backup asked for one, and who has taken over the host gets no further."""
    log = "grep --count '\" 403 ' /var/log/nginx/access.log"
    assert place.run(log).stdout.strip() == "0"
    before = instance.check_output("meentwerk-backup list")
    done = instance.run(
        "cd /tmp && PYTHONPATH=/usr/local/lib/meentwerk-backup python3 -c %s",
        "from meentwerk_backup import restic, tools\n"
        "config = tools.load()\n"
        "(cloud,) = [it for it in config.repositories if it.name == 'cloud']\n"
        "print(restic.call(config, cloud, 'forget', '--retry-lock=0', 'latest').stderr)\n",
    )
    assert "Access Denied" in done.stdout + done.stderr, done
    assert place.run(log).stdout.strip() != "0"
    place.check_output("truncate --size=0 /var/log/nginx/access.log")
    assert instance.check_output("meentwerk-backup list") == before
    assert check(instance)["healthy"]


def test_postgresql_may_write_where_pgbackrest_does(instance: Host) -> None:
    allowed = instance.check_output("systemctl show --property=ReadWritePaths --value postgresql@17-main")
    assert "/var/lib/pgbackrest" in allowed
    assert "/srv/backup/tides/pgbackrest" in allowed


def test_another_cluster_is_refused(instance: Host) -> None:
    """A host that replaces a lost one finds its predecessor's backups: it must not begin to write there."""
    # But for the log, which the running service sends there all the time
    look = "find /srv/backup/tides -type f -not -path '*/archive/tides/17-1/*' | sort | xargs sha256sum"
    before = instance.check_output(look)
    done = instance.run(
        "cd /tmp && PYTHONPATH=/usr/local/lib/meentwerk-backup python3 -c %s",
        "from meentwerk_backup import backup, pgbackrest, tools\n"
        "pgbackrest.system_identifier = lambda: '1'\n"
        "try:\n    backup.prepare(tools.load(), check=False)\n"
        "except tools.BackupError as error:\n    print(error.code, error)\n",
    )
    assert "6 repository near holds backups of tides from another database cluster" in done.stdout
    assert "run playbooks/restore.yml" in done.stdout
    assert instance.check_output(look) == before


WRONG = {
    "short passphrase": ("backup_passphrase=short", "backup_passphrase is not 32 or more letters and digits"),
    "no repository": ('{"backup_repositories": []}', "backup_repositories is empty"),
    "root": (
        '{"backup_repositories": [{"name": "near", "type": "local", "path": "/"}]}',
        "the path of near is /: write an absolute folder of its own",
    ),
    "incomplete": (
        '{"backup_repositories": [{"name": "far", "type": "sftp", "path": "/x", "host": "h"}]}',
        "far (sftp) needs user, host_keys, private_key",
    ),
    "inside": (
        '{"backup_repositories": [{"name": "near", "type": "local", "path": "/var/lib/mastodon/backup"}]}',
        "lies in what is backed up",
    ),
}


@pytest.mark.parametrize(("variables", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_explained(variables: str, words: str) -> None:
    done = subprocess.run(
        ["ansible-playbook", "--tags=backup", "--inventory", os.environ["MOLECULE_HOSTS"], "--extra-vars", variables,
         f"{os.environ['MOLECULE_SCENARIO_DIRECTORY']}/converge.yml"],
        capture_output=True, text=True, check=False, cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
    )  # fmt: skip
    assert done.returncode != 0
    assert words in " ".join(done.stdout.split())
