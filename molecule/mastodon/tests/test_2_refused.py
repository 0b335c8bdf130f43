"""What is refused, before anything changes, and with which words."""

import shutil
from pathlib import Path

import pytest
from deployments import State, archive, deploy, look, release_id
from testinfra.host import Host


@pytest.fixture(autouse=True)
def unchanged(host: Host) -> object:
    """Whatever is refused leaves the host as it was."""
    before: State = look(host)
    yield
    assert look(host) == before


def test_everything_wrong_is_said_at_once() -> None:
    run = deploy(
        mastodon_release_archive="/nowhere/sandbox-1.0-debian13-amd64.tar.zst",
        mastodon_release_allowed_signers=["nonsense"],
        mastodon_alternate_domains=["Tides.example.com", "tides.example.org"],
        mastodon_secrets={"secret_key_base": "too-short-and-secret"},
        mastodon_owner={"username": "Not A Name", "email": "nobody"},
        mastodon_database_host="db.example.org",
        mastodon_cache_url="valkey",
        mastodon_environment={"LOCAL_DOMAIN": "other.example.org", "lower": "x"},
        mastodon_keep_releases=1,
        mastodon_media_retention_days=0,
    )
    assert run.code != 0
    for sentence in (
        "mastodon_release_archive: not on this machine: /nowhere/sandbox-1.0-debian13-amd64.tar.zst",
        "playbooks/build.yml",
        "mastodon_release_allowed_signers holds no OpenSSH public key",
        "Not a full domain name in lower case: Tides.example.com",
        "mastodon_alternate_domains repeats a name",
        "mastodon_secrets: missing or not well-formed: secret_key_base, active_record_encryption_deterministic_key",
        "mastodon_secrets.owner_password is missing",
        "mastodon_owner.username (Not A Name)",
        "mastodon_owner.email (nobody)",
        "mastodon_database_password is empty",
        "mastodon_database_sslmode is prefer",
        "mastodon_cache_url is not an address",
        "mastodon_environment holds LOCAL_DOMAIN",
        "mastodon_environment: lower cannot be the name",
        "mastodon_keep_releases is 1",
        "mastodon_media_retention_days",
    ):
        assert sentence in run.words
    assert "too-short-and-secret" not in run.text


def test_another_domain() -> None:
    run = deploy(mastodon_domain="other.example.org", mastodon_owner={})
    assert run.code != 0
    assert "mastodon_domain is other.example.org, but this host was born as tides.example.org" in run.words
    assert run.changed == 0


def test_another_secret() -> None:
    run = deploy(primary_key="Zz9" * 10 + "xy")
    assert run.code != 0
    assert "mastodon_secrets.active_record_encryption_primary_key is not the value" in run.words
    assert "could never be read again" in run.words
    assert "Zz9Zz9" not in run.text
    assert run.changed == 0


def copy_of(name: str, folder: Path) -> Path:
    """Copy a release's files; returns the archive."""
    for file in archive(name).parent.iterdir():
        shutil.copy(file, folder)
    return folder / archive(name).name


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = copy_of("sick", tmp_path)
    flip_a_byte(path)
    run = deploy(release="sick", mastodon_release_archive=str(path))
    assert run.code != 0
    assert f"The release {release_id('sick')} is refused: its SHA-256 is" in run.words


def test_a_forged_archive(tmp_path: Path) -> None:
    """Whoever changes the archive can change the hash too, but not the signature."""
    import hashlib  # noqa: PLC0415

    path = copy_of("sick", tmp_path)
    flip_a_byte(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    Path(f"{path}.sha256").write_text(f"{digest}  {path.name}\n")
    run = deploy(release="sick", mastodon_release_archive=str(path))
    assert run.code != 0
    assert "its signature is not that of a trusted signer" in run.words


def test_a_release_signed_by_somebody_else() -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFH6lzsVATlWgPCEwtF/cB+rgF51hw2d6yncoHfrAxPa"
    run = deploy(release="sick", mastodon_release_allowed_signers=[other])
    assert run.code != 0
    assert "add it to mastodon_release_allowed_signers" in run.words
