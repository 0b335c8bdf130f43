"""First passwords are for their reader alone; CSV for a spreadsheet program holds no formula; exceptions are kept."""

from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from meentwerk.accounts import csv_out, exceptions
from meentwerk.accounts.account import Account
from meentwerk.accounts.credentials import Store, new_password, read_recipients, recipients
from meentwerk.accounts.pending import Pending, Signed
from meentwerk.errors import MeentwerkError, UsageError

TIDES = Account(2, "tides", "tides@example.org", "Tides")


def test_a_file_for_a_recipient_of_age(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    store = Store(tmp_path / "c", "https://x.example", recipients([str(identity.to_public())]))
    password = store.write(TIDES, "a1")
    content = store.path("tides", "a1").read_bytes()
    assert password.encode() not in content
    assert f"password: {password}\n" in pyrage.decrypt(content, [identity]).decode()


def test_a_file_for_an_ssh_key(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    (tmp_path / "id.pub").write_text(f"# mine\n{public} me\n")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    store = Store(tmp_path / "c", "https://x.example", recipients(read_recipients([str(tmp_path / "id.pub")])))
    password = store.write(TIDES, "a1")
    found = pyrage.decrypt(store.path("tides", "a1").read_bytes(), [pyrage.ssh.Identity.from_buffer(private)])
    assert password in found.decode()


def test_without_a_recipient_the_file_is_private(tmp_path: Path) -> None:
    store = Store(tmp_path / "c", "https://x.example")
    store.write(TIDES, "a1")
    assert store.path("tides", "a1").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["age1nonsense", "ssh-ed25519 AAAA", "/nowhere.pub"])
def test_what_is_no_recipient(text: str) -> None:
    with pytest.raises(UsageError):
        recipients(read_recipients([text]))


def test_only_the_file_of_the_run_that_made_the_account_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "c", "https://x.example")
    for attempt in ("a1", "a2", "a3"):
        store.write(TIDES, attempt)
    store.write(Account(3, "tides_2", "x@example.org", "Tides"), "a1")
    assert store.settle("tides", "a2") == store.path("tides", "a2")
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["tides.a2.txt", "tides_2.a1.txt"]
    assert store.settle("tides", None) is None
    assert store.pending() == {"tides_2"}


def test_passwords_are_long_and_differ() -> None:
    made = {new_password() for _ in range(200)}
    assert len(made) == 200
    assert all(len(password) == 24 and not set("0O1lI") & set(password) for password in made)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=1", "|x", "%x"])
def test_a_formula_is_text(cell: str) -> None:
    assert csv_out.safe(cell).startswith("'")
    assert f"'{cell}" in csv_out.text(["a"], [[cell]]).replace('""', '"')


def test_other_cells_stay() -> None:
    assert [csv_out.safe(cell) for cell in ("a=b", "", None, 3, "é")] == ["a=b", "", "", "3", "é"]


def test_the_register_of_exceptions(tmp_path: Path) -> None:
    personal = Account(2, "minister", "j.jansen@x.example", "Cabinet", exception_reason="=decided")
    file = exceptions.record(tmp_path, [personal, TIDES])
    assert file is not None
    first = file.read_text(encoding="utf-8-sig")
    assert "minister,Cabinet,j.jansen@x.example,'=decided," in first
    assert "tides" not in first
    assert file.stat().st_mode & 0o777 == 0o600
    exceptions.record(tmp_path, [personal])
    assert file.read_text(encoding="utf-8-sig") == first
    exceptions.record(tmp_path, [Account(2, "minister", "news@x.example", "Cabinet")])
    assert "minister" not in file.read_text(encoding="utf-8-sig")


def test_tokens_that_wait_are_private_and_shown_nowhere(tmp_path: Path) -> None:
    pending = Pending(tmp_path)
    signed = Signed("made-up-token", "client", "made-up-word")
    pending.put("tides", signed)
    assert (tmp_path / "pending.json").stat().st_mode & 0o777 == 0o600
    assert "made-up" not in repr(signed)
    assert Pending(tmp_path).get("tides") == signed
    pending.drop("tides")
    assert Pending(tmp_path).get("tides") is None
    (tmp_path / "pending.json").write_text("[")
    with pytest.raises(MeentwerkError, match="is damaged"):
        Pending(tmp_path)
