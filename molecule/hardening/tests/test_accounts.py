"""Passwords, shells, sudo, jobs, packages: tried, not read."""

import re
from collections.abc import Iterator

import pytest
from testinfra.host import Host

PERSON = "someone"
# Made up; the account is gone after the tests
GOOD, BAD = "Ab3-kelderluik.zwaan", "wrong"
TRY = """
import ctypes, ctypes.util, sys
pam, c = ctypes.CDLL("libpam.so.0"), ctypes.CDLL(None)
c.calloc.restype = c.strdup.restype = ctypes.c_void_p
class Message(ctypes.Structure): _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]
class Answer(ctypes.Structure): _fields_ = [("text", ctypes.c_void_p), ("code", ctypes.c_int)]
Talk = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(Message)),
                        ctypes.POINTER(ctypes.POINTER(Answer)), ctypes.c_void_p)
def talk(count, _messages, answers, _):
    place = c.calloc(count, ctypes.sizeof(Answer))
    answers[0] = ctypes.cast(place, ctypes.POINTER(Answer))
    for n in range(count): answers[0][n].text = c.strdup(sys.argv[2].encode())
    return 0
class Conversation(ctypes.Structure): _fields_ = [("talk", Talk), ("data", ctypes.c_void_p)]
handle, way = ctypes.c_void_p(), Conversation(Talk(talk), None)
assert pam.pam_start(b"other", sys.argv[1].encode(), ctypes.byref(way), ctypes.byref(handle)) == 0
print(pam.pam_authenticate(handle, 0))
"""


def attempt(host: Host, password: str) -> int:
    """Log in by a password through PAM, as a console does; returns PAM's code, 0 for success."""
    return int(host.check_output(f"python3 -c '{TRY}' {PERSON} '{password}'"))


def change(host: Host, password: str) -> bool:
    """Give the account another password, as root does; returns whether it was accepted."""
    done: int = host.run(f"printf '%s\\n%s\\n' '{password}' '{password}' | passwd {PERSON}").rc
    return done == 0


@pytest.fixture
def person(host: Host) -> Iterator[str]:
    # An account's old passwords outlive it
    away = f"faillock --user {PERSON} --reset; userdel --remove {PERSON}; sed -i '/^{PERSON}:/d' /etc/security/opasswd"
    host.run(away)
    host.check_output(f"useradd --create-home --shell /bin/bash {PERSON}")
    host.check_output(f"echo '{PERSON}:{GOOD}' | chpasswd")
    yield PERSON
    host.run(away)


@pytest.mark.usefixtures("person")
def test_failed_attempts_close_an_account_for_a_while(host: Host) -> None:
    assert attempt(host, GOOD) == 0
    for _ in range(3):
        assert attempt(host, BAD) != 0
    assert attempt(host, GOOD) == 0, "a success before the limit forgets the failures"
    for _ in range(4):
        assert attempt(host, BAD) != 0
    assert attempt(host, GOOD) != 0, "the right password must not help now"
    host.check_output(f"faillock --user {PERSON} --reset")
    assert attempt(host, GOOD) == 0


@pytest.mark.usefixtures("person")
def test_an_empty_password_opens_nothing(host: Host) -> None:
    host.check_output(f"passwd --delete {PERSON}")
    assert attempt(host, "") != 0


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize("password", ["short1!A", "alllowercaseletters", "Password123456!!!!"])
def test_a_weak_password_is_refused_from_root_too(host: Host, password: str) -> None:
    assert not change(host, password), f"{password} was accepted"


@pytest.mark.usefixtures("person")
def test_an_old_password_does_not_come_back(host: Host) -> None:
    assert change(host, f"{GOOD}-2")
    assert not change(host, GOOD)


@pytest.mark.usefixtures("person")
def test_a_new_account_has_ends_for_its_password_and_a_closed_home(host: Host) -> None:
    fields = host.check_output(f"getent shadow {PERSON}").split(":")
    assert fields[4] == "365"
    assert host.file(f"/home/{PERSON}").mode == 0o700


@pytest.mark.usefixtures("person")
def test_nobody_becomes_root_by_su_and_root_still_becomes_anyone(host: Host) -> None:
    refused = host.run(f"runuser -u {PERSON} -- su -c true root < /dev/null")
    assert refused.rc != 0
    assert host.check_output(f"su -c 'id -un' {PERSON}") == PERSON
    assert host.check_output("getent group sugroup").endswith(":")


@pytest.mark.usefixtures("person")
def test_new_files_are_not_for_everyone_and_idle_shells_end(host: Host) -> None:
    assert host.check_output(f"su - {PERSON} -c umask") == "0027"
    assert host.check_output("bash -lc umask") == "0027"
    assert host.check_output("bash -lc 'echo $TMOUT'") == "900"
    assert host.run("bash -lc 'TMOUT=0'").stderr, "it can be switched off"


@pytest.mark.usefixtures("person")
def test_sudo_writes_down_what_was_done(host: Host) -> None:
    host.check_output(f"echo '{PERSON} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/test && chmod 440 /etc/sudoers.d/test")
    host.check_output(f"runuser -u {PERSON} -- sudo -n /usr/bin/id; rm /etc/sudoers.d/test")
    assert "COMMAND=/usr/bin/id" in host.file("/var/log/sudo.log").content_string
    assert host.file("/var/log/sudo.log").mode == 0o600
    assert host.run("grep -rx 'Defaults use_pty' /etc/sudoers.d").rc == 0
    assert host.run("logrotate --debug /etc/logrotate.d/meentwerk-sudo").rc == 0


def test_accounts_of_services_have_no_shell_and_the_services_run(host: Host) -> None:
    shells = [line.split(":") for line in host.check_output("getent passwd").splitlines()]
    open_ones = [a[0] for a in shells if 0 < int(a[2]) < 1000 and not re.search(r"nologin|false|/sync$", a[6])]
    assert not open_ones
    for unit in ("postgresql@17-main", "valkey-server", "nginx"):
        assert host.service(unit).is_running


@pytest.mark.parametrize("path", ["/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/cron.allow"])
def test_a_file_of_accounts_is_closed(host: Host, path: str) -> None:
    assert host.file(path).mode & 0o037 == 0
    assert host.file(path).user == "root"


def test_only_root_has_jobs(host: Host) -> None:
    assert host.file("/etc/cron.allow").content_string == "root\n"
    assert host.file("/etc/at.allow").content_string == "root\n"
    assert not host.file("/etc/cron.deny").exists
    for folder in host.check_output("find /etc -maxdepth 1 -type d -name 'cron.*'").split():
        assert host.file(folder).mode == 0o700


@pytest.mark.parametrize("path", ["/etc/issue", "/etc/issue.net", "/etc/motd"])
def test_whoever_connects_is_told(host: Host, path: str) -> None:
    text = host.file(path).content_string
    assert "Authorized users only" in text
    assert "Debian" not in text


@pytest.mark.parametrize("package", ["telnet", "rpcbind", "ftp", "avahi-daemon"])
def test_what_nobody_uses_is_not_installed(host: Host, package: str) -> None:
    assert not host.package(package).is_installed
