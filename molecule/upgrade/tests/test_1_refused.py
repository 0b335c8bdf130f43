"""What is refused, before anything changes, and with which words."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fleet import archive, in_service, play, release_id, steps
from testinfra.host import Host

RECORD = "/var/lib/meentwerk/backup.json"


@pytest.fixture(autouse=True)
def unchanged(canary: Host) -> Iterator[None]:
    """Whatever is refused leaves the host as it was."""

    def look() -> tuple[str, list[str], str, str]:
        tree = canary.check_output("ls -A /opt/mastodon/releases; cat /opt/mastodon/history.jsonl")
        return (
            in_service(canary),
            steps(canary),
            tree,
            canary.check_output("systemctl show -p InvocationID 'mastodon-*@*'"),
        )

    before = look()
    yield
    assert look() == before


def copied(release: str, folder: Path) -> Path:
    """Copy a release's files; returns the archive."""
    for file in archive(release).parent.iterdir():
        shutil.copy(file, folder)
    return folder / archive(release).name


def test_a_tampered_archive(tmp_path: Path) -> None:
    path = copied("next", tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    run = play("upgrade", instance_release_directory=str(tmp_path))
    assert run.code != 0
    assert f"{release_id('next')} is refused, and nothing was changed." in run.words
    assert "is truncated or was changed" in run.words


def test_a_wrong_signer() -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFH6lzsVATlWgPCEwtF/cB+rgF51hw2d6yncoHfrAxPa"
    run = play("upgrade", release="next", instance_release_signers=[other])
    assert run.code != 0
    assert "which is not trusted for releases" in run.words or "does not trust for releases" in run.words


def test_a_version_that_may_not_be_skipped() -> None:
    run = play("upgrade", release="far")
    assert run.code != 0
    assert "0.4.0 can be reached from 0.3.0 or newer, and 0.1.0 is in service" in run.words
    assert "Upgrade to 0.3.0 first, then to 0.4.0." in run.words


def test_site_refuses_it_too() -> None:
    run = play("site", "--limit=upgrade-1", "--tags=mastodon", release="far")
    assert run.code != 0
    assert "Upgrade to 0.3.0 first, then to 0.4.0." in run.words


def test_an_old_backup(canary: Host) -> None:
    old = (datetime.now(UTC) - timedelta(hours=30)).isoformat()
    canary.check_output("mkdir -p /var/lib/meentwerk && echo %s > " + RECORD, f'{{"finished": "{old}"}}')
    try:
        run = play("upgrade", release="next")
    finally:
        canary.check_output(f"rm -r {Path(RECORD).parent}")
    assert run.code != 0
    assert "the last backup is 30 hours old, and 24 are allowed" in run.words


def test_an_instance_that_is_not_well(canary: Host) -> None:
    """The worker is gone, as far as Valkey knows, until its next sign of life."""
    link = in_service(canary)
    freeze = f"systemctl kill --signal=%s mastodon-sidekiq@{link}.service"
    canary.check_output(freeze, "STOP")
    forget = "for id in $({0} smembers processes); do {0} hset $id beat 1; done".format(
        "runuser -u valkey -- valkey-cli -s /run/valkey/valkey.sock"
    )
    canary.check_output(forget)
    try:
        run = play("upgrade", release="next")
    finally:
        canary.check_output(freeze, "CONT")
    assert run.code != 0
    assert "the instance is not well as it is (queues: no worker gave a sign of life" in run.words


def test_going_back_to_nothing() -> None:
    run = play("rollback", "--limit=upgrade-1")
    assert run.code != 0
    assert "There is no way back: what was in service before" in run.words
    everywhere = play("rollback")
    assert everywhere.code != 0
    assert "This would take 2 instances back" in everywhere.words
