"""`meentwerk secrets check`, `fingerprints` and `login`."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from meentwerk.exits import Exit
from meentwerk.secrets import catalogue

from .conftest import Decrypted, Run, write_password


@pytest.fixture
def values(run: Run, decrypted: Decrypted, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The decrypted secrets of `ministry`, freshly made."""
    assert run("init", "ministry") == Exit.DONE
    capsys.readouterr()
    return decrypted()


@pytest.mark.usefixtures("values")
def test_good_secrets_pass(run: Run) -> None:
    assert run("check", "ministry") == Exit.DONE


def test_missing_secrets_are_a_finding(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "ministry") == Exit.FINDINGS
    assert "is missing: meentwerk secrets init makes it" in capsys.readouterr().out


@pytest.mark.usefixtures("values")
def test_another_password_is_a_finding_for_each(
    run: Run, password_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_password(password_file, "another")
    assert run("check", "ministry", "--json") == Exit.FINDINGS
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert len([finding for finding in findings if "cannot be decrypted" in finding["problem"]]) == len(catalogue.KINDS)


@pytest.mark.usefixtures("values")
def test_plain_text_is_a_finding_and_not_repeated(
    run: Run, secrets_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = secrets_file.read_text()
    plain = "cache_password: hunter2hunter2hunter2hunter2hun"
    secrets_file.write_text(text[: text.index("  cache_password")] + f"  {plain}\n")
    assert run("check", "ministry") == Exit.FINDINGS
    out = capsys.readouterr().out
    assert "cache_password stands in plain text" in out
    assert "owner_password is missing" in out
    assert "hunter2" not in out


@pytest.mark.usefixtures("values")
def test_a_changed_text_is_a_finding(run: Run, secrets_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = secrets_file.read_text().splitlines()
    lines[6] = lines[6].translate(str.maketrans("0123456789", "1234567890"))
    secrets_file.write_text("\n".join(lines) + "\n")
    assert run("check", "ministry") == Exit.FINDINGS
    assert f"{secrets_file}:5: secret_key_base cannot be decrypted" in capsys.readouterr().out


def test_a_file_encrypted_as_a_whole_is_read(
    run: Run, secrets_file: Path, password_file: Path, values: dict[str, str]
) -> None:
    secrets_file.write_text(yaml.safe_dump({"instance_secrets": values}))
    environment = os.environ | {"ANSIBLE_VAULT_PASSWORD_FILE": str(password_file)}
    subprocess.run(["ansible-vault", "encrypt", str(secrets_file)], env=environment, check=True, capture_output=True)
    assert run("check", "ministry") == Exit.DONE
    assert run("init", "ministry") == Exit.DONE


def test_fingerprints_follow_the_documented_formula(
    run: Run, values: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fingerprints", "ministry", "--salt", "abc", "--json") == Exit.DONE
    shown = json.loads(capsys.readouterr().out)
    assert shown["salt"] == "abc"
    assert shown["fingerprints"] == {n: catalogue.fingerprint(n, v, "abc") for n, v in values.items()}


@pytest.mark.usefixtures("values")
def test_fingerprints_without_a_salt_differ_each_time(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("fingerprints", "ministry")
    first = capsys.readouterr().out
    run("fingerprints", "ministry")
    assert capsys.readouterr().out != first


def test_login_goes_to_a_private_file_only(
    run: Run, values: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "login"
    assert run("login", "ministry", "--output", str(output)) == Exit.DONE
    assert yaml.safe_load(output.read_text()) == {
        "url": "https://social.example.org/",
        "username": "owner",
        "email": "owner@example.org",
        "password": values["owner_password"],
    }
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert values["owner_password"] not in "".join(capsys.readouterr())


@pytest.mark.usefixtures("values")
@pytest.mark.parametrize("kind", ["file", "dangling link", "terminal"])
def test_login_never_writes_to_what_exists(run: Run, tmp_path: Path, kind: str) -> None:
    output = tmp_path / "login"
    if kind == "file":
        output.write_text("mine")
    elif kind == "dangling link":
        output.symlink_to(tmp_path / "elsewhere")
    else:
        output = Path("/dev/stdout")
    assert run("login", "ministry", "--output", str(output)) == Exit.USAGE
    assert not (tmp_path / "elsewhere").exists()
    if kind == "file":
        assert output.read_text() == "mine"


@pytest.mark.usefixtures("values")
def test_login_stays_out_of_version_control(run: Run, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    assert run("login", "ministry", "--output", str(repository / "login")) == Exit.REFUSED
    assert not (repository / "login").exists()
    (repository / ".gitignore").write_text("login\n")
    assert run("login", "ministry", "--output", str(repository / "login")) == Exit.DONE


def test_login_without_secrets_says_how_to_make_them(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("login", "ministry", "--output", str(tmp_path / "login")) == Exit.USAGE
    assert "meentwerk secrets init ministry" in capsys.readouterr().err


def test_login_needs_an_owner(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("init", "town")
    assert run("login", "town", "--output", str(tmp_path / "login")) == Exit.USAGE
    assert "instance_owner" in capsys.readouterr().err
    assert not (tmp_path / "login").exists()


def test_login_knows_the_defaults_of_an_entry(run: Run, tmp_path: Path, inventory: Path) -> None:
    entry = {"instance_domain": "town.example", "instance_contact": {"email": "web@town.example"}}
    text = yaml.safe_dump({"mastodon_instances": {"hosts": {"town": entry}}})
    (inventory / "departments/town.yml").write_text(text)
    run("init", "town")
    assert run("login", "town", "--output", str(tmp_path / "login")) == Exit.DONE
    written = yaml.safe_load((tmp_path / "login").read_text())
    assert (written["url"], written["email"]) == ("https://town.example/", "web@town.example")
