"""Signing keys."""

import subprocess
from pathlib import Path

import pytest
from meentwerk.errors import UsageError
from meentwerk.release import sign
from meentwerk.release.errors import UntrustedError


def test_a_generated_key_is_for_its_owner_only(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert sign.public_key(key).startswith("ssh-ed25519 ")
    assert sign.public_key(key.with_name(f"{key.name}.pub")) == sign.public_key(key)


def test_the_public_half_is_derived_when_its_file_is_gone(tmp_path: Path) -> None:
    key = tmp_path / "signing"
    sign.generate_key(key)
    public = sign.public_key(key)
    key.with_name("signing.pub").unlink()
    assert sign.public_key(key) == public


def test_the_line_trusts_for_releases_only(key: Path) -> None:
    assert sign.allowed_signers_line("ssh-ed25519 AAAA") == 'release namespaces="meentwerk-release" ssh-ed25519 AAAA'


def test_a_key_with_a_passphrase_fails_at_once_and_names_the_agent(tmp_path: Path) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key], check=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"(?s)Signing with .* failed.*ssh-add"):
        sign.sign(tmp_path / "file", key)


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "open"
    sign.generate_key(key)
    key.chmod(0o644)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="0600"):
        sign.sign(tmp_path / "file", key)


def test_keys_may_be_named_instead_of_a_file(tmp_path: Path, key: Path, stranger: Path) -> None:
    """As a public key, as a whole line, and with remarks around them."""
    data = tmp_path / "data"
    data.write_text("x")
    sign.sign(data, key)
    public = sign.public_key(key)
    for named in (public, sign.allowed_signers_line(public), f"# ours\n\n{public} a remark"):
        with sign.signers_file(None, [named]) as signers:
            assert sign.check_signature(data, signers).namespace == sign.NAMESPACE
    with (
        sign.signers_file(None, [sign.public_key(stranger)]) as signers,
        pytest.raises(UntrustedError, match="which the list of trusted keys does not trust"),
    ):
        sign.check_signature(data, signers)
    assert not signers.exists()
