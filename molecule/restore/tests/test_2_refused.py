"""What is refused, and that nothing is changed by it.

The playbook says what the program on the host says; most of it is asked of the program itself, which takes a second.
"""

from collections.abc import Iterator

import pytest
from calamity import DOMAIN, Run, damaged, play, sql
from testinfra.host import Host

# Damage, done by a command in the repository's folder
DAMAGES = {
    "truncated backup": "find pgbackrest -path '*/bundle/*' -type f | while read f; do truncate --size=100 $f; done",
    "no catalogue of backups": "rm pgbackrest/backup/*/backup.info pgbackrest/backup/*/backup.info.copy",
    "tampered log": "f=$(find pgbackrest/archive -name '*.zst' | sort | tail --lines=1); "
    "printf xxxx | dd of=$f bs=1 seek=40 conv=notrunc",
    # All of each, since a file that is on the host already and whole is not fetched
    "tampered files": "find restic/data -type f | while read f; do "
    "dd if=/dev/urandom of=$f bs=$(stat --format=%s $f) count=1 conv=notrunc; done",
}


@pytest.fixture(autouse=True)
def unchanged(instance: Host) -> Iterator[None]:
    """Whatever is refused leaves the instance as it was, and serving."""

    def look() -> tuple[str, str, str, str]:
        return (
            sql(instance, "SELECT count(*), max(id), sum(hashtext(text)) FROM statuses"),
            sql(
                instance,
                "SELECT system_identifier || '/' || timeline_id FROM pg_control_system(), pg_control_checkpoint()",
            ),
            instance.check_output("find /var/lib/mastodon/media -type f | sort | xargs sha256sum"),
            instance.check_output("systemctl show --property=InvocationID 'mastodon-*@*' postgresql@17-main"),
        )

    before = look()
    yield
    assert look() == before
    assert instance.check_output("ls /var/lib/postgresql/17") == "main"
    assert not instance.file("/etc/mastodon/hold").exists


def restore(host: Host, options: str = "") -> Run:
    """Restore as the playbook lets the host do it, after consent."""
    done = host.run(f"meentwerk-backup restore --consent {DOMAIN} {options}")
    return Run(done.rc, done.stdout + done.stderr)


def test_nobody_agreed() -> None:
    run = play("restore")
    assert run.code != 0
    assert "nobody agreed to replace them" in run.words
    assert f"-e restore_consent={DOMAIN}" in run.words


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_repository(instance: Host, place: Host, kind: str) -> None:
    with damaged(place, DAMAGES[kind]):
        run = restore(instance)
    print(f"\n{kind}: {run.text.splitlines()[-1:]}")
    assert run.code != 0
    assert "was not touched" in run.words or "nothing was changed" in run.words.lower() or "repository far" in run.words
    assert "Traceback" not in run.text


def test_the_playbook_tells_of_damage(place: Host) -> None:
    with damaged(place, DAMAGES["tampered log"]):
        run = play("restore", restore_consent=DOMAIN)
    assert run.code != 0
    assert "The present database was not touched." in run.words
    assert "Run this again when the cause is gone." in run.words


def test_another_instances_backup(instance: Host) -> None:
    instance.check_output(
        'sed --in-place=.kept \'s/"domain": "[^"]*"/"domain": "other.example.test"/\' /etc/meentwerk/backup/config.json'
    )
    try:
        run = restore(instance)
    finally:
        instance.check_output("mv /etc/meentwerk/backup/config.json.kept /etc/meentwerk/backup/config.json")
    assert run.code != 0
    assert f"the backup belongs to restore-1 ({DOMAIN}), this host to restore-1 (other.example.test)" in run.words


def test_a_wrong_passphrase(instance: Host) -> None:
    instance.check_output(
        "cp --archive /etc/meentwerk/backup/passphrase /root/kept && echo wrong > /etc/meentwerk/backup/passphrase"
    )
    try:
        run = restore(instance)
    finally:
        instance.check_output("mv /root/kept /etc/meentwerk/backup/passphrase")
    assert run.code != 0
    assert "does not open with this instance's backup_passphrase" in run.words


def test_wrong_keys_of_columns(instance: Host) -> None:
    key = "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY"
    instance.check_output(f"sed --in-place=.kept 's/^{key}=.*/{key}=\"{'x' * 32}\"/' /etc/mastodon/mastodon.env")
    try:
        run = restore(instance)
    finally:
        instance.check_output("mv /etc/mastodon/mastodon.env.kept /etc/mastodon/mastodon.env")
    assert run.code != 0
    assert "this host has other keys than the backup was made with (active_record_encryption_primary_key)" in run.words


def test_a_backup_of_a_newer_release(instance: Host) -> None:
    link = instance.check_output("readlink /opt/mastodon/current")
    instance.check_output("ln -sfn releases/sandbox-0.0.1-debian13-amd64 /opt/mastodon/current")
    try:
        run = restore(instance)
    finally:
        instance.check_output(f"ln -sfn {link} /opt/mastodon/current")
    assert run.code != 0
    assert "sandbox-0.0.1-debian13-amd64 on this host is older" in run.words


def test_a_moment_that_cannot_be_gone_back_to(instance: Host) -> None:
    early = restore(instance, "--time 2020-01-01T00:00:00Z")
    assert early.code != 0
    assert "lies before it and cannot be gone back to" in early.words
    strange = restore(instance, "--label no-such-label")
    assert strange.code != 0
    assert "No backup has the label no-such-label" in strange.words
