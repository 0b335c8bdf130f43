"""`meentwerk secrets list`, `rotate`, `export` and `import`."""

import json
import subprocess
from pathlib import Path

import pyrage
import pytest
from meentwerk.exits import Exit
from meentwerk.secrets import catalogue

from .conftest import Decrypted, Run


@pytest.fixture
def values(run: Run, decrypted: Decrypted, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The decrypted secrets of `ministry`, freshly made."""
    assert run("init", "ministry") == Exit.DONE
    capsys.readouterr()
    return decrypted()


@pytest.mark.usefixtures("values")
def test_list_names_all_and_shows_none(run: Run, values: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "ministry", "--json") == Exit.DONE
    out = capsys.readouterr().out
    assert [it["name"] for it in json.loads(out)["secrets"]] == list(catalogue.KINDS)
    assert not [name for name, value in values.items() if value in out]


HARMLESS = [name for name, kind in catalogue.KINDS.items() if not kind.loss]


def test_what_may_rotate_is_what_does_no_damage() -> None:
    assert HARMLESS == ["secret_key_base", "database_password", "cache_password"]


@pytest.mark.parametrize("name", HARMLESS)
def test_one_value_changes_and_no_other_line(
    run: Run, values: dict[str, str], decrypted: Decrypted, secrets_file: Path, name: str
) -> None:
    secrets_file.write_text(secrets_file.read_text() + "# a colleague's remark\n")
    before = secrets_file.read_text()
    assert run("rotate", "ministry", name) == Exit.DONE
    after = decrypted()
    assert {key for key in values if values[key] != after[key]} == {name}
    assert catalogue.problems(after) == {}
    assert secrets_file.read_text().endswith("# a colleague's remark\n")
    kept = [line for line in before.splitlines() if line.startswith(("#", "instance", "  " + name))]
    assert set(kept) <= set(secrets_file.read_text().splitlines())


@pytest.mark.parametrize("name", sorted(set(catalogue.KINDS) - set(HARMLESS)))
def test_what_does_damage_is_refused_with_the_damage(
    run: Run, values: dict[str, str], decrypted: Decrypted, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run("rotate", "ministry", name) == Exit.REFUSED
    err = " ".join(capsys.readouterr().err.split())
    assert catalogue.KINDS[name].loss in err
    assert "--force" in err
    assert decrypted() == values


def test_forced_the_pair_changes_as_a_pair(
    run: Run, values: dict[str, str], decrypted: Decrypted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("rotate", "ministry", "vapid_public_key", "--force") == Exit.DONE
    after = decrypted()
    assert {key for key in values if values[key] != after[key]} == set(catalogue.VAPID)
    assert catalogue.problems(after) == {}
    assert "forced: every push subscription" in " ".join(capsys.readouterr().err.split())


def test_an_unknown_secret(run: Run, values: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert values
    assert run("rotate", "ministry", "password") == Exit.USAGE
    assert "there are: secret_key_base" in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Path]:
    """Private keys of two people, of age and of ssh; the public halves in recipients.txt."""
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "age").write_text(f"# made by age-keygen\n{identity}\n")
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "safe", "-f", str(tmp_path / "ssh")]
    subprocess.run(command, check=True)
    public = (tmp_path / "ssh.pub").read_text()
    (tmp_path / "recipients.txt").write_text(f"# the board\n{identity.to_public()}\n\n{public}")
    return {"age": tmp_path / "age", "ssh": tmp_path / "ssh"}


@pytest.fixture
def copy(run: Run, values: dict[str, str], people: dict[str, Path], tmp_path: Path) -> Path:
    assert values
    assert people
    path = tmp_path / "ministry.age"
    arguments = ["export", "ministry", "--recipients-file", str(tmp_path / "recipients.txt"), "--output", str(path)]
    assert run(*arguments) == Exit.DONE
    assert run(*arguments) == Exit.USAGE, "an existing file is not overwritten"
    return path


@pytest.mark.parametrize("person", ["age", "ssh"])
def test_each_person_opens_it_alone(
    run: Run, values: dict[str, str], decrypted: Decrypted, copy: Path, people: dict[str, Path],
    secrets_file: Path, person: str,
) -> None:  # fmt: skip
    assert not [name for name, value in values.items() if value.encode() in copy.read_bytes()]
    arguments = ["import", "ministry", str(copy), "--identity", str(people[person])]
    assert run(*arguments) == Exit.DONE, "it is there already"
    secrets_file.unlink()
    assert run(*arguments, "--check") == Exit.DONE
    assert not secrets_file.exists()
    assert run(*arguments) == Exit.DONE
    assert decrypted() == values


def test_other_values_are_not_overwritten(
    run: Run, values: dict[str, str], decrypted: Decrypted, copy: Path, people: dict[str, Path]
) -> None:
    assert run("rotate", "ministry", "cache_password") == Exit.DONE
    rotated = decrypted()
    assert run("import", "ministry", str(copy), "--identity", str(people["age"])) == Exit.REFUSED
    assert decrypted() == rotated != values


def test_a_stranger_and_a_changed_copy(
    run: Run, copy: Path, people: dict[str, Path], tmp_path: Path, secrets_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    secrets_file.unlink()
    stranger = tmp_path / "stranger"
    stranger.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    assert run("import", "ministry", str(copy), "--identity", str(stranger)) == Exit.REFUSED
    assert "not among the recipients" in " ".join(capsys.readouterr().err.split())
    copy.write_bytes(copy.read_bytes()[:-20] + b"x" * 20)
    assert run("import", "ministry", str(copy), "--identity", str(people["age"])) == Exit.REFUSED
    copy.write_text("nothing")
    assert run("import", "ministry", str(copy), "--identity", str(people["age"])) == Exit.USAGE
    assert not secrets_file.exists()


def test_another_instances_copy(run: Run, copy: Path, people: dict[str, Path]) -> None:
    assert run("import", "town", str(copy), "--identity", str(people["age"])) == Exit.REFUSED


@pytest.mark.parametrize("key", ["hello", "ecdsa-sha2-nistp256 AAAA", "age1wrong", "ssh-ed25519 AAAA"])
@pytest.mark.usefixtures("values")
def test_a_recipient_that_is_none(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
    path = tmp_path / "copy.age"
    assert run("export", "ministry", "--recipient", key, "--output", str(path)) == Exit.USAGE
    assert "recipient 1 is no public key" in " ".join(capsys.readouterr().err.split())
    assert run("export", "ministry", "--output", str(path)) == Exit.USAGE
    assert not path.exists()
