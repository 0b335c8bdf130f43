"""Which configurations of sshd would shut a run out, decided from what `sshd -T` prints."""

from types import ModuleType

import pytest

from tests.plugins import load

CONNECTION = "192.0.2.7 50022 192.0.2.10 22"
PRINTED = """port 22
pubkeyauthentication yes
permitrootlogin no
authenticationmethods publickey
allowusers beheer
allowusers operator
authorizedkeysfile .ssh/authorized_keys
pubkeyacceptedalgorithms ssh-ed25519,rsa-sha2-512
"""


@pytest.fixture(scope="module")
def trial() -> ModuleType:
    return load("roles/ssh/library/ssh_trial.py")


Changes = dict[str, str]


def problems(trial: ModuleType, changes: Changes, user: str = "operator", keys: int = 1) -> list[str]:
    """What stands against a configuration, with some of its lines replaced; an empty value takes a line out."""
    settings = trial.parse(PRINTED) | {name: value.split("|") for name, value in changes.items()}
    told: list[str] = trial.lockout(settings, user, ["staff"], CONNECTION, keys)
    return told


def test_what_lets_the_run_in_again_is_fine(trial: ModuleType) -> None:
    assert problems(trial, {}) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"allowusers": "beheer|someone"}, "operator is not in AllowUsers (beheer, someone)"),
        ({"allowusers": "operator@198.51.100.*"}, "operator is not in AllowUsers"),
        ({"denyusers": "oper*"}, "operator is in DenyUsers (oper*)"),
        ({"allowgroups": "admins"}, "operator is not in AllowGroups (admins)"),
        ({"denygroups": "staff"}, "operator is in DenyGroups (staff)"),
        ({"port": "2222|2223"}, "this run came in on port 22, and it listens on 2222, 2223"),
        ({"pubkeyauthentication": "no"}, "it accepts no keys"),
        ({"authenticationmethods": "publickey,keyboard-interactive:pam"}, "List operator in ssh_automation_users"),
    ],
)
def test_what_would_shut_it_out(trial: ModuleType, changes: Changes, message: str) -> None:
    (problem,) = problems(trial, changes)
    assert message in problem


@pytest.mark.parametrize(
    "changes",
    [
        {"allowusers": "oper*"},
        {"allowusers": "operator@192.0.2.*"},
        {"allowgroups": "sta??"},
        {"denyusers": "operator@198.51.100.*"},
        {"port": "2222|22"},
        {"authenticationmethods": "any"},
        {"authenticationmethods": "publickey,keyboard-interactive publickey"},
    ],
)
def test_what_only_looks_like_it(trial: ModuleType, changes: Changes) -> None:
    assert problems(trial, changes) == []


@pytest.mark.parametrize(
    ("value", "fine"), [("no", False), ("forced-commands-only", False), ("prohibit-password", True)]
)
def test_root(trial: ModuleType, value: str, fine: bool) -> None:
    told = problems(trial, {"allowusers": "root", "permitrootlogin": value}, user="root")
    assert (told == []) == fine
    assert fine or "this run logs in as root" in told[0]


def test_without_a_key_of_a_kind_that_is_accepted(trial: ModuleType) -> None:
    (problem,) = problems(trial, {}, keys=0)
    assert "operator has no key that it accepts in .ssh/authorized_keys" in problem
    assert problems(trial, {}, keys=-1) == [], "keys of an authority or a directory cannot be counted"


def test_everything_is_said_at_once(trial: ModuleType) -> None:
    assert len(problems(trial, {"port": "2222", "allowusers": "beheer"}, keys=0)) == 3


def test_keys_are_counted_by_kind(trial: ModuleType) -> None:
    blob = "AAAAB3NzaC1yc2EAAAADAQABAAABgQDssh-ed25519" + "x" * 60
    lines = ["# ssh-ed25519 AAAA", "", f"ssh-rsa {blob} old", f'from="192.0.2.0/24",pty ssh-ed25519 {blob} new']
    assert trial.usable_keys(lines, ["ssh-ed25519"]) == 1
    assert trial.usable_keys(lines, ["rsa-sha2-512"]) == 1
    assert trial.usable_keys(lines, ["ssh-ed25519", "rsa-sha2-256"]) == 2
    assert trial.usable_keys(lines, ["sk-ssh-ed25519@openssh.com"]) == 0
