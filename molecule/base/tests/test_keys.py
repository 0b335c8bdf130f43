"""The check of administrators and their keys, by itself; keys are made here by ssh-keygen."""

import subprocess
from pathlib import Path

import pytest

from tests.plugins import load

base_admins = load("roles/base/filter_plugins/base_admins.py")


def make(folder: Path, *arguments: str) -> str:
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", folder / "key", *arguments], check=True)
    return (folder / "key.pub").read_text()


@pytest.mark.parametrize(
    "arguments",
    [["-t", "ed25519"], ["-t", "ecdsa", "-b", "256"], ["-t", "ecdsa", "-b", "521"], ["-t", "rsa", "-b", "3072"]],
)
def test_real_keys_pass(tmp_path: Path, arguments: list[str]) -> None:
    assert base_admins.key_problem(make(tmp_path, *arguments)) is None


def test_small_rsa_is_refused(tmp_path: Path) -> None:
    assert "at least 3072 bits" in base_admins.key_problem(make(tmp_path, "-t", "rsa", "-b", "2048"))


def test_every_cut_of_a_key_is_refused(tmp_path: Path) -> None:
    kind, encoded, _ = make(tmp_path, "-t", "ed25519").split(maxsplit=2)
    for length in range(len(encoded)):
        assert base_admins.key_problem(f"{kind} {encoded[:length]}"), length


def test_private_key_is_named_as_such(tmp_path: Path) -> None:
    make(tmp_path, "-t", "ed25519")
    assert "private key" in base_admins.key_problem((tmp_path / "key").read_text())


def test_type_must_match_content(tmp_path: Path) -> None:
    encoded = make(tmp_path, "-t", "ed25519").split()[1]
    assert "not of type ssh-rsa" in base_admins.key_problem(f"ssh-rsa {encoded}")


def test_two_keys_in_one_item(tmp_path: Path) -> None:
    key = make(tmp_path, "-t", "ed25519").strip()
    assert "one line" in base_admins.key_problem(f"{key}\n{key}")


def test_every_problem_is_named_with_its_place(tmp_path: Path) -> None:
    key = make(tmp_path, "-t", "ed25519")
    problems = base_admins.base_admin_problems(
        [
            {"name": "root", "ssh_keys": [key]},
            {"name": "Oper Ator", "ssh_keys": [key]},
            {"name": "auditor", "ssh_keys": []},
            {"name": "press", "ssh_keys": [key]},
            {"name": "press", "ssh_keys": [key]},
        ],
        ["press", "www-data", "deploy"],
        "deploy",
    )
    assert [problem.split(":")[0] for problem in problems] == [
        "base_admin_users[0] 'root'",
        "base_admin_users[1] 'Oper Ator'",
        "base_admin_users[2] 'auditor'",
        "base_admin_users",
        "base_removed_users[0] 'press'",
        "base_removed_users[1] 'www-data'",
        "base_removed_users[2] 'deploy'",
    ]
