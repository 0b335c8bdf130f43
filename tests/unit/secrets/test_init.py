"""`meentwerk secrets init`: once, whole, encrypted, silent."""

import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from meentwerk import cli
from meentwerk.exits import Exit
from meentwerk.secrets import catalogue, document

from .conftest import ENTRY, Decrypted, Run, write_password


def outcomes(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    shown = json.loads(capsys.readouterr().out)
    return {instance["name"]: instance["outcome"] for instance in shown["instances"]}


def test_makes_every_secret_encrypted(run: Run, decrypted: Decrypted, secrets_file: Path) -> None:
    assert run("init", "ministry") == Exit.DONE
    values = decrypted()
    assert set(values) == set(catalogue.KINDS)
    assert catalogue.problems(values) == {}
    text = secrets_file.read_text()
    assert not [name for name, value in values.items() if value in text]
    entries = document.parse(text).entries
    assert all(entry.vaulted and entry.text.startswith("$ANSIBLE_VAULT;1.1;AES256") for entry in entries.values())


def test_ansible_reads_the_file(run: Run, inventory: Path, password_file: Path) -> None:
    run("init", "ministry")
    command = ["ansible-inventory", "-i", str(inventory), "--host", "ministry"]
    environment = os.environ | {"ANSIBLE_VAULT_PASSWORD_FILE": str(password_file)}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert set(json.loads(shown)["instance_secrets"]) == set(catalogue.KINDS)


def test_only_the_operator_can_read_it(run: Run, secrets_file: Path) -> None:
    old = os.umask(0)
    try:
        run("init", "ministry")
    finally:
        os.umask(old)
    assert stat.S_IMODE(secrets_file.stat().st_mode) == 0o600


def test_a_second_run_changes_no_byte(run: Run, secrets_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("init", "ministry")
    before = (secrets_file.read_bytes(), secrets_file.stat().st_mtime_ns, secrets_file.stat().st_ino)
    capsys.readouterr()
    assert run("init", "ministry", "--json") == Exit.DONE
    assert outcomes(capsys) == {"ministry": "unchanged"}
    assert (secrets_file.read_bytes(), secrets_file.stat().st_mtime_ns, secrets_file.stat().st_ino) == before


def test_all_means_the_group_of_instances(run: Run, inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", "--all", "--json") == Exit.DONE
    assert outcomes(capsys) == {"ministry": "created", "town": "created"}
    assert not (inventory / "host_vars/db-1").exists()


def test_instances_share_no_secret(run: Run, decrypted: Decrypted) -> None:
    run("init", "--all")
    ministry, town = (decrypted(name) for name in ("ministry", "town"))
    assert not set(ministry.values()) & set(town.values())


def test_check_mode_writes_nothing(run: Run, inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", "--all", "--check", "--json") == Exit.DONE
    assert outcomes(capsys) == {"ministry": "created", "town": "created"}
    assert not (inventory / "host_vars").exists()


@pytest.mark.parametrize("name", ["cache_password", "vapid_public_key", "secret_key_base"])
def test_a_missing_secret_is_added_and_the_others_kept(
    run: Run, decrypted: Decrypted, secrets_file: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run("init", "ministry")
    values = decrypted()
    remove(secrets_file, name)
    secrets_file.write_text(secrets_file.read_text() + "# a colleague's remark\n")
    secrets_file.chmod(0o640)
    without = secrets_file.read_text()
    capsys.readouterr()
    assert run("init", "ministry", "--check") == Exit.DONE
    assert f"would be completed with {name}" in capsys.readouterr().out
    assert secrets_file.read_text() == without
    assert run("init", "ministry") == Exit.DONE
    assert f"completed with {name}" in capsys.readouterr().out
    completed = decrypted()
    assert {key: value for key, value in completed.items() if key != name} == {
        key: value for key, value in values.items() if key != name
    }
    assert catalogue.problems(completed) == {}
    assert set(without.splitlines()) <= set(secrets_file.read_text().splitlines())
    assert stat.S_IMODE(secrets_file.stat().st_mode) == 0o640


def test_a_public_key_without_its_private_half_stops(
    run: Run, secrets_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("init", "ministry")
    remove(secrets_file, "vapid_private_key")
    before = secrets_file.read_text()
    assert run("init", "ministry") == Exit.FINDINGS
    assert "restore the file" in capsys.readouterr().err
    assert secrets_file.read_text() == before


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace"])
def test_an_interruption_leaves_no_half_file(
    run: Run, inventory: Path, secrets_file: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(moment, interrupt)
        assert run("init", "ministry") == Exit.INTERRUPTED
    assert list(secrets_file.parent.iterdir()) == []
    assert run("init", "ministry") == Exit.DONE
    assert run("check", "ministry") == Exit.DONE


def test_what_a_killed_run_left_is_cleared(run: Run, secrets_file: Path) -> None:
    secrets_file.parent.mkdir(parents=True)
    left = secrets_file.parent / ".secrets.yml.abc.new"
    left.write_text("half")
    assert run("init", "ministry") == Exit.DONE
    assert [file.name for file in secrets_file.parent.iterdir()] == ["secrets.yml"]


def test_runs_side_by_side_make_one_set(inventory: Path, password_file: Path) -> None:
    command = [sys.executable, "-m", "meentwerk.cli", "secrets", "init", "ministry", "--json"]
    command += ["--inventory", str(inventory), "--vault-password-file", str(password_file)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    shown = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert sorted(run["instances"][0]["outcome"] for run in shown) == ["created", "unchanged", "unchanged"]


def test_no_value_is_shown(
    run: Run,
    decrypted: Decrypted,
    password_file: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither on stdout, stderr and in logs, nor in a trace of an error, nor in the command line of a child."""
    caplog.set_level(logging.DEBUG)
    started: list[str] = []
    sys.addaudithook(lambda event, arguments: started.append(str(arguments)) if event == "subprocess.Popen" else None)
    for arguments in (["init", "ministry"], ["init", "ministry", "--json"], ["check", "ministry", "--json"]):
        assert run(*arguments) == Exit.DONE
    shown = "".join(capfd.readouterr()) + caplog.text + "".join(started)
    values = decrypted()
    assert not [name for name, value in values.items() if value in shown]
    assert password_file.read_text().strip() not in shown


def test_another_vault_password_is_explained(
    run: Run, tmp_path: Path, password_file: Path, secrets_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("init", "ministry")
    remove(secrets_file, "cache_password")
    before = secrets_file.read_text()
    write_password(password_file, "another")
    capsys.readouterr()
    assert run("init", "ministry") == Exit.USAGE
    message, cure = capsys.readouterr().err.splitlines()
    assert f"{secrets_file}:5: secret_key_base cannot be decrypted" in message
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in cure
    assert secrets_file.read_text() == before, "a file with two passwords would be worse than an error"


def test_without_a_vault_password_nothing_is_made(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    command = [sys.executable, "-m", "meentwerk.cli", "secrets", "init", "ministry", "-i", str(inventory)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == Exit.USAGE
    assert "no vault password" in done.stderr
    assert not (inventory / "host_vars").exists()


def test_the_password_may_come_from_the_environment_and_from_a_program(
    inventory: Path, tmp_path: Path, decrypted: Decrypted
) -> None:
    program = tmp_path / "from-the-keyring"
    program.write_text("#!/bin/sh\necho geheim\n")
    program.chmod(0o700)
    environment = os.environ | {"ANSIBLE_VAULT_PASSWORD_FILE": str(program), "ANSIBLE_INVENTORY": str(inventory)}
    command = [sys.executable, "-m", "meentwerk.cli", "secrets", "init", "ministry"]
    subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    same = write_password(tmp_path / "same", "geheim")
    assert set(decrypted(password=same)) == set(catalogue.KINDS)


def test_a_vault_id_labels_the_text(inventory: Path, password_file: Path, secrets_file: Path) -> None:
    arguments = ["--inventory", str(inventory), "--vault-id", f"production@{password_file}"]
    assert cli.run(["secrets", "init", "ministry", *arguments]) == Exit.DONE
    assert "$ANSIBLE_VAULT;1.2;AES256;production" in secrets_file.read_text()


def test_of_several_identities_one_is_chosen_to_encrypt(
    inventory: Path, password_file: Path, tmp_path: Path, secrets_file: Path
) -> None:
    other = write_password(tmp_path / "other", "other")
    environment = os.environ | {"ANSIBLE_VAULT_ENCRYPT_IDENTITY": "second"}
    command = [sys.executable, "-m", "meentwerk.cli", "secrets", "init", "ministry", "--inventory", str(inventory)]
    command += ["--vault-id", f"first@{password_file}", "--vault-id", f"second@{other}"]
    subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    assert "AES256;second" in secrets_file.read_text()
    assert "AES256;first" not in secrets_file.read_text()


def test_a_missing_password_file_is_named(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--inventory", str(inventory), "--vault-password-file", "/nonexistent/password"]
    assert cli.run(["secrets", "init", "ministry", *arguments]) == Exit.USAGE
    assert "/nonexistent/password" in capsys.readouterr().err


def test_a_readable_password_file_is_a_warning(
    run: Run, password_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    password_file.chmod(0o644)
    assert run("init", "ministry") == Exit.DONE
    assert f"chmod 600 {password_file}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minstry", "did you mean ministry?"),
        ("zzz", "known instances: ministry, town"),
        ("db-1", "db-1 is a host of"),
        ("../ministry", "is no host name"),
        ("..", "is no host name"),
        ("a/b", "is no host name"),
        ("", "is no host name"),
        ("a b", "is no host name"),
        ("all", "knows no host named 'all'"),
        ("localhost", "knows no host named 'localhost'"),
    ],
)
def test_a_name_that_is_no_instance_is_refused(
    run: Run, inventory: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    assert run("init", "town", name) == Exit.USAGE
    assert message in capsys.readouterr().err
    assert not (inventory / "host_vars").exists(), "the good name beside the bad one must wait"


@pytest.mark.parametrize("arguments", [[], ["ministry", "--all"]])
def test_names_or_all_but_not_both(run: Run, arguments: list[str]) -> None:
    assert run("init", *arguments) == Exit.USAGE


@pytest.mark.parametrize("part", ["departments", "departments/all.yml"])
def test_a_part_of_an_inventory_is_refused(inventory: Path, password_file: Path, part: str) -> None:
    arguments = ["--inventory", str(inventory / part), "--vault-password-file", str(password_file)]
    assert cli.run(["secrets", "init", "ministry", *arguments]) == Exit.USAGE


def test_an_inventory_file_beside_host_vars_is_fine(inventory: Path, password_file: Path, secrets_file: Path) -> None:
    (inventory / "hosts.yml").write_text(ENTRY)
    arguments = ["--inventory", str(inventory / "hosts.yml"), "--vault-password-file", str(password_file)]
    assert cli.run(["secrets", "init", "ministry", *arguments]) == Exit.DONE
    assert secrets_file.exists()


def test_secrets_kept_elsewhere_are_not_shadowed(
    run: Run, inventory: Path, secrets_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inventory / "group_vars").mkdir()
    (inventory / "group_vars/mastodon_instances.yml").write_text("instance_secrets: {}\n")
    assert run("init", "ministry") == Exit.REFUSED
    assert "another file of the inventory" in capsys.readouterr().err
    assert not secrets_file.exists()


def test_host_vars_as_a_single_file_is_explained(run: Run, inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars/ministry").write_text("a: 1\n")
    assert run("init", "ministry") == Exit.USAGE
    assert "host_vars/ministry/variables.yml" in capsys.readouterr().err


def test_one_failure_among_many_is_code_4(run: Run, inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars/ministry").write_text("a: 1\n")
    assert run("init", "--all", "--json") == Exit.PARTIAL
    assert outcomes(capsys) == {"ministry": "failed", "town": "created"}


def remove(file: Path, name: str) -> None:
    """Take one secret out of a secrets file, as an older version would have written it."""
    kept = {key: entry.text for key, entry in document.parse(file.read_text()).entries.items() if key != name}
    file.write_text(document.render("ministry", kept))
