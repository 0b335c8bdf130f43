"""The module hardening_host: what it would do, from what it sees."""

from pathlib import Path

import pytest

from tests.plugins import load

MODULE = load("roles/hardening/library/hardening_host.py")
AGES = {"max": 365, "inactive": 45}
HASH = "$y$j9T$x$y"


def says(steps: list[object]) -> list[str]:
    return [step.says for step in steps]  # type: ignore[attr-defined]


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    for name, value in {"kernel/sysrq": "438", "net/conf/a/rp": "2", "net/conf/b.1/rp": "1"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    return tmp_path


def test_a_setting_that_differs_is_set_and_one_that_is_right_is_not(kernel: Path) -> None:
    steps, missing = MODULE.sysctl_steps({"kernel.sysrq": 0, "net.conf.*.rp": 1}, kernel)
    assert says(steps) == ["kernel/sysrq: 438 -> 0", "net/conf/a/rp: 2 -> 1"]
    assert missing == []


def test_a_setting_that_the_kernel_does_not_have_is_missing(kernel: Path) -> None:
    assert MODULE.sysctl_steps({"kernel.yama.ptrace_scope": 1}, kernel) == ([], ["kernel.yama.ptrace_scope"])


def test_a_slash_stands_for_a_dot_in_a_name() -> None:
    assert MODULE.sysctl_path("net.conf.eth0/100.rp") == Path("/proc/sys/net/conf/eth0.100/rp")


def test_a_mount_gets_what_it_lacks_and_what_is_no_mount_nothing() -> None:
    mounts = "tmpfs /tmp tmpfs rw,nosuid 0 0\ntmpfs /tmp tmpfs rw,nosuid,nodev 0 0\n"
    wanted = {"/tmp": ["nosuid", "nodev", "noexec"], "/var/tmp": ["noexec"]}
    (step,) = MODULE.mount_steps(wanted, mounts)
    assert step.command == ["mount", "--options", "remount,noexec", "/tmp"]
    assert MODULE.mount_steps({"/tmp": ["nodev"]}, mounts) == []


def test_system_accounts_lose_their_shell_and_people_and_root_do_not() -> None:
    accounts = [
        ("root", 0, "/bin/bash"),
        ("sync", 4, "/bin/sync"),
        ("postgres", 101, "/bin/bash"),
        ("valkey", 102, "/usr/sbin/nologin"),
        ("operator", 1000, "/bin/bash"),
    ]
    (step,) = MODULE.shell_steps(accounts)
    assert step.command == ["usermod", "--shell", "/usr/sbin/nologin", "postgres"]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (f"a:{HASH}:20000:0:99999:7:::", "chage --maxdays 365 --inactive 45 a"),
        (f"a:{HASH}:20000:0:365:7:45::", None),
        # Its owner would be locked out this very moment
        (f"a:{HASH}:19000:0:99999:7:::", None),
        (f"root:{HASH}:20000:0:99999:7:::", None),
        # Only a key: an end would close it
        ("a:!:20000:0:365:7:45::", "chage --maxdays -1 --inactive -1 a"),
        ("a:*:20000:0:99999:7:::", None),
        ("a:!*:20000::::::", None),
    ],
)
def test_passwords_age_and_accounts_without_one_do_not(line: str, command: str | None) -> None:
    steps = MODULE.age_steps(line, AGES, ["root"], 20100)
    assert [" ".join(step.command) for step in steps] == ([command] if command else [])


def test_a_group_is_made_and_emptied() -> None:
    assert [step.command for step in MODULE.group_steps(["su"], "root:x:0:\n")] == [["groupadd", "--system", "su"]]
    (step,) = MODULE.group_steps(["su"], "su:x:900:someone\n")
    assert step.command == ["gpasswd", "--members", "", "su"]
    assert MODULE.group_steps(["su"], "su:x:900:\n") == []
