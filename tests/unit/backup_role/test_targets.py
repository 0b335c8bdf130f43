"""Targets become the words of two programs; what is wrong with one is said without showing a key."""

from types import ModuleType
from typing import Any

import pytest

from tests.plugins import load

LOCAL = {"name": "near", "type": "local", "path": "/srv/backup/tides/"}
SFTP = {
    "name": "far",
    "type": "sftp",
    "path": "/tides",
    "host": "vault.example.org",
    "port": 2222,
    "user": "tides",
    "host_keys": ["ssh-ed25519 AAAA", "ecdsa-sha2-nistp256 BBBB"],
    "private_key": "hidden",
}
S3 = {
    "name": "cloud",
    "type": "s3",
    "path": "/tides",
    "endpoint": "s3.example.org",
    "bucket": "vault",
    "access_key": "public",
    "secret_key": "hidden",
}


@pytest.fixture(scope="module")
def filters() -> ModuleType:
    return load("roles/backup/filter_plugins/backup_repositories.py")


def test_good_targets_have_no_problem(filters: ModuleType) -> None:
    assert filters.backup_problems([LOCAL, SFTP, S3]) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({**SFTP, "private_key": ""}, "far (sftp) needs private_key"),
    "other type's": ({**LOCAL, "bucket": "vault"}, "near is local and has bucket"),
    "relative": ({**S3, "path": "tides"}, "the path of cloud is tides"),
    "root": ({**LOCAL, "path": "/"}, "the path of near is /"),
    "etc": ({**LOCAL, "path": "/etc/"}, "the path of near is /etc/"),
    "inside the data": ({**LOCAL, "path": "/var/lib/postgresql/backup"}, "lies in what is backed up"),
}


@pytest.mark.parametrize(("target", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_target_is_explained(filters: ModuleType, target: dict[str, Any], words: str) -> None:
    (problem,) = filters.backup_problems([target])
    assert words in problem
    assert "hidden" not in problem


def test_pgbackrest(filters: ModuleType) -> None:
    assert filters.backup_pgbackrest(LOCAL) == {
        "type": "posix",
        "path": "/srv/backup/tides/pgbackrest",
        "bundle": "y",
        "block": "y",
    }
    sftp = filters.backup_pgbackrest(SFTP)
    assert (sftp["sftp-host-port"], sftp["sftp-host-key-check-type"]) == ("2222", "strict")
    s3 = filters.backup_pgbackrest(S3)
    assert (s3["s3-uri-style"], s3["storage-port"], s3["s3-region"]) == ("path", "443", "us-east-1")
    assert "storage-ca-file" not in s3


def test_restic(filters: ModuleType) -> None:
    local, sftp, s3 = filters.backup_restic([LOCAL, {**SFTP, "append_only": True}, S3], "/etc/x")
    assert local["restic"] == "/srv/backup/tides/restic"
    assert sftp["restic"] == "sftp:tides@vault.example.org:/tides/restic"
    assert "-p 2222" in sftp["options"][1]
    assert "StrictHostKeyChecking=yes" in sftp["options"][1]
    assert (local["append_only"], sftp["append_only"]) == (False, True)
    assert s3["restic"] == "s3:https://s3.example.org:443/vault/tides/restic"
    # Secrets go by the environment, never by an argument
    assert "hidden" not in str(s3["options"]) + s3["restic"]
    assert s3["environment"]["AWS_SECRET_ACCESS_KEY"] == "hidden"


def test_known_hosts_has_every_kind_of_key(filters: ModuleType) -> None:
    assert filters.known_hosts([SFTP]) == (
        "[vault.example.org]:2222 ssh-ed25519 AAAA\n[vault.example.org]:2222 ecdsa-sha2-nistp256 BBBB\n"
    )
    assert filters.known_hosts([{**SFTP, "port": None}]).startswith("vault.example.org ssh-ed25519")
