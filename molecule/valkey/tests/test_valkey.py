"""Two hosts: one reachable by its socket only, one over TLS for named users."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from tests.refusals import refusals

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
SOCKET = "/run/valkey/valkey.sock"
BOTH = ["valkey-1", "valkey-2"]


def reach(name: str) -> Host:
    return Host.get_host(f"ansible://{name}", ansible_inventory=os.environ["MOLECULE_HOSTS"])


@pytest.fixture
def local() -> Host:
    return reach("valkey-1")


@pytest.fixture
def remote() -> Host:
    return reach("valkey-2")


def say(host: Host, command: str, user: str = "", where: str = f"-s {SOCKET}") -> str:
    """Answer to a command, without or with logging in first; a refusal is an answer too."""
    login = f"--no-auth-warning --user {user} --pass only-for-this-test-{user}" if user else ""
    done = host.run(f"valkey-cli --no-raw {where} {login} {command}")
    return str(done.stdout + done.stderr).strip()


def over_tls(host: Host, command: str, user: str = "", address: str = "cache.example.test") -> str:
    return say(host, command, user, f"-h {address} --tls --cacert /etc/ssl/authority.crt --sni cache.example.test")


def main_pid(host: Host) -> str:
    return str(host.check_output("systemctl show --property=MainPID --value valkey-server"))


def play(inventory: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge on an inventory; results come as JSON, whose lines are never folded."""
    return subprocess.run(
        ["ansible-playbook", f"--inventory={inventory}", *arguments, str(SCENARIO / "converge.yml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=dict(os.environ, ANSIBLE_CALLBACK_RESULT_FORMAT="json"),
    )


def converge(limit: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Converge one of the hosts again with other variables."""
    return play(os.environ["MOLECULE_HOSTS"], f"--limit={limit}", f"--extra-vars={json.dumps(variables)}")


# --- the socket


def test_nothing_listens_on_the_network(local: Host) -> None:
    assert ":6379" not in local.check_output("ss --no-header --listening --tcp --numeric")
    assert local.check_output("systemctl show --property=PrivateNetwork --value valkey-server") == "yes"


def test_socket_belongs_to_the_group(local: Host) -> None:
    socket = local.file(SOCKET)
    assert (socket.user, socket.group, socket.mode) == ("valkey", "valkey", 0o770)


def test_member_of_the_group_comes_and_others_do_not(local: Host) -> None:
    come = "setpriv --reuid=somebody --regid=somebody {groups} valkey-cli -s " + SOCKET + " PING"
    assert local.check_output(come.format(groups="--groups=valkey")) == "PONG"
    refused = local.run(come.format(groups="--clear-groups"))
    assert "Permission denied" in refused.stdout + refused.stderr


@pytest.mark.parametrize("name", BOTH)
def test_debians_configuration_is_untouched_and_unread(name: str) -> None:
    host = reach(name)
    assert host.check_output("dpkg --verify valkey-server") == ""
    assert "/etc/valkey/meentwerk.conf" in host.check_output("systemctl show --property=ExecStart valkey-server")


@pytest.mark.parametrize("name", BOTH)
def test_files_are_closed_and_hold_no_password(name: str) -> None:
    host = reach(name)
    for path in ("/etc/valkey/meentwerk.conf", "/etc/valkey/meentwerk.acl"):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("root", "valkey", 0o640)
        assert "only-for-this-test" not in file.content_string
    assert "only-for-this-test" not in host.check_output("journalctl --no-pager --unit valkey-server")


@pytest.mark.parametrize("name", BOTH)
def test_service_comes_back_after_a_boot(name: str) -> None:
    service = reach(name).service("valkey-server")
    assert service.is_running
    assert service.is_enabled


def test_server_waits_for_its_addresses(local: Host, remote: Host) -> None:
    order = "systemctl show --property=After valkey-server"
    assert "network-online.target" in remote.check_output(order)
    assert "network-online.target" not in local.check_output(order)


def test_sandbox_is_at_least_debians(local: Host, remote: Host) -> None:
    for host, limit in ((local, 0.5), (remote, 1.2)):
        last = host.check_output("systemd-analyze security --no-pager valkey-server.service").splitlines()[-1]
        assert float(last.split(":")[1].split()[0]) <= limit


# --- what the application may do, and what it may not


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("PING", "PONG"),
        ("LPUSH queue:test job", "(integer)"),
        ("LRANGE queue:test 0 -1", '"job"'),
        ("DEL queue:test", "(integer) 1"),
        ("EVAL 'return 7' 0", "(integer) 7"),
        ("SCRIPT LOAD 'return 7'", '"'),
        ("PUBLISH timeline:1 hello", "(integer)"),
        ("SET session:1 x EX 5", "OK"),
        ("KEYS session:*", '"session:1"'),
        ("CLIENT SETNAME sidekiq", "OK"),
        ("INFO persistence", "aof_enabled:1"),
    ],
)
def test_application_does_its_work(local: Host, remote: Host, command: str, answer: str) -> None:
    assert answer in say(local, command)
    assert answer in over_tls(local, command, "mastodon")


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG GET maxmemory",
        "CONFIG SET dir /tmp",
        "FLUSHALL",
        "FLUSHDB",
        "SHUTDOWN NOSAVE",
        "MODULE LIST",
        "ACL LIST",
        "MONITOR",
        "REPLICAOF 192.0.2.1 6379",
        "MIGRATE 192.0.2.1 6379 key 0 10",
        "CLIENT KILL TYPE normal",
        "RESTORE key 0 x",
        "SWAPDB 0 1",
        "SLOWLOG GET",
    ],
)
def test_application_cannot_do_harm(local: Host, command: str) -> None:
    assert "NOPERM" in say(local, command)
    assert "NOPERM" in over_tls(local, command, "mastodon")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("GET public:1", "(nil)"),
        ("GET private:1", "NOPERM"),
        ("SET public:1 x", "NOPERM"),
        ("KEYS *", "NOPERM"),
        ("INFO", "NOPERM"),
    ],
)
def test_a_limited_user_is_limited(local: Host, command: str, answer: str) -> None:
    assert answer in over_tls(local, command, "reader")


def test_even_the_operator_changes_no_protected_setting(local: Host) -> None:
    assert '"noeviction"' in say(local, "CONFIG GET maxmemory-policy", "operator")
    assert "protected config" in say(local, "CONFIG SET dir /tmp", "operator")
    assert "DEBUG command not allowed" in say(local, "DEBUG SLEEP 0", "operator")
    assert "MODULE command not allowed" in say(local, "MODULE LOAD /tmp/x.so", "operator")


def test_server_cannot_rewrite_its_configuration(local: Host) -> None:
    assert "Read-only file system" in say(local, "CONFIG REWRITE", "operator")


# --- the network


def test_without_a_login_nobody_comes(local: Host, remote: Host) -> None:
    assert "NOAUTH" in over_tls(local, "PING")
    assert "NOAUTH" in say(remote, "PING")
    wrong = "--no-auth-warning --user mastodon --pass not-the-password"
    refused = local.run(f"valkey-cli -h cache.example.test --tls --cacert /etc/ssl/authority.crt {wrong} PING")
    assert "WRONGPASS" in refused.stdout + refused.stderr


def test_without_tls_nobody_comes(local: Host, remote: Host) -> None:
    assert "PONG" not in say(local, "PING", "mastodon", "-h cache.example.test")
    assert "PONG" not in say(remote, "PING", "mastodon", "-h 127.0.0.1")


@pytest.mark.parametrize("address", ["10.87.24.12", "fd87:6d65:656e::24:12"])
def test_both_protocols(local: Host, address: str) -> None:
    assert over_tls(local, "PING", "mastodon", address=address) == "PONG"


SHAKE_HANDS = """
import socket, ssl, sys
context = ssl.create_default_context(cafile="/etc/ssl/authority.crt")
context.minimum_version = context.maximum_version = ssl.TLSVersion[sys.argv[2]]
with socket.create_connection((sys.argv[1], 6379), 5) as plain:
    print(context.wrap_socket(plain, server_hostname=sys.argv[1]).version())
"""


def shake_hands(host: Host, name: str, version: str) -> CommandResult:
    return host.run("python3 -W ignore -c %s %s %s", SHAKE_HANDS, name, version)


def test_certificate_is_the_hosts_and_tls_is_recent(local: Host) -> None:
    assert shake_hands(local, "cache.example.test", "TLSv1_3").stdout.strip() == "TLSv1.3"
    assert shake_hands(local, "cache.example.test", "TLSv1_2").rc != 0
    assert "Hostname mismatch" in shake_hands(local, "valkey-2", "TLSv1_3").stderr


def test_key_stays_closed(remote: Host) -> None:
    assert remote.file("/etc/ssl/meentwerk/cache.example.test").mode == 0o700
    assert remote.run("runuser -u valkey -- cat /etc/ssl/meentwerk/cache.example.test/privkey.pem").rc != 0


# --- no job is lost


# systemd starts it again by itself
WAIT_FOR_ANOTHER = """
for i in $(seq 100); do
    systemctl is-active --quiet valkey-server && [ "$(systemctl show -P MainPID valkey-server)" != %s ] && exit 0
    sleep 0.3
done
exit 1
"""


@pytest.mark.parametrize("name", BOTH)
def test_a_killed_server_comes_back_with_everything(name: str) -> None:
    host, user = reach(name), {"valkey-1": "operator", "valkey-2": "mastodon"}[name]
    where = f"-s {SOCKET}"
    say(host, "DEL queue:crash", user, where)
    jobs = " ".join(f"job-{number}" for number in range(500))
    assert say(host, f"RPUSH queue:crash {jobs}", user, where) == "(integer) 500"
    before = main_pid(host)
    host.check_output("systemctl kill --signal=KILL valkey-server")
    host.check_output(WAIT_FOR_ANOTHER, before)
    assert main_pid(host) != before
    assert say(host, "LLEN queue:crash", user, where) == "(integer) 500"
    assert say(host, "LINDEX queue:crash -1", user, where) == '"job-499"'
    assert "aof_last_write_status:ok" in say(host, "INFO persistence", user, where)


def test_snapshots_are_taken_beside_the_append_only_file(local: Host) -> None:
    assert '"3600 1 300 100 60 10000"' in say(local, "CONFIG GET save", "operator")
    assert "started" in say(local, "BGSAVE SCHEDULE", "operator") or "scheduled" in say(local, "INFO", "operator")
    local.check_output("for i in $(seq 50); do [ -s /var/lib/valkey/dump.rdb ] && break; sleep 0.2; done")
    assert local.file("/var/lib/valkey/dump.rdb").size > 0
    assert "rdb_last_bgsave_status:ok" in say(local, "INFO persistence")


FILL = """
import socket
with socket.socket(socket.AF_UNIX) as s:
    s.connect("/run/valkey/valkey.sock")
    def ask(*parts):
        s.sendall(b"*%d\\r\\n" % len(parts) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(p), p) for p in parts))
        return s.recv(4096).decode().strip()
    ask(b"SET", b"job:first", b"here before")
    written = 0
    while (answer := ask(b"SET", b"fill:%d" % written, b"x" * 500_000)) == "+OK":
        written += 1
    left = sum(ask(b"EXISTS", b"fill:%d" % number) == ":1" for number in range(written))
    read = ask(b"GET", b"job:first")
    for number in range(written):
        ask(b"DEL", b"fill:%d" % number)
    print(written, left, answer, read.split()[-2:], ask(b"SET", b"job:after", b"x"), sep="|")
"""


def test_full_memory_refuses_and_deletes_nothing(local: Host) -> None:
    written, left, refusal, first, after = local.check_output("python3 -c %s", FILL).split("|")
    assert int(written) > 50
    assert left == written
    assert refusal.startswith("-OOM command not allowed")
    assert first == "['here', 'before']"
    assert after == "+OK"
    assert "evicted_keys:0" in say(local, "INFO stats")


def test_snapshots_of_an_older_server_are_not_passed_over(local: Host) -> None:
    """Started with an append-only file, a server with snapshots only would begin empty."""
    local.check_output("systemctl stop valkey-server && touch /var/lib/valkey/dump.rdb")
    local.check_output("mv /var/lib/valkey/appendonlydir /root/")
    try:
        done = converge("valkey-1")
        assert done.returncode != 0
        assert "this Valkey kept snapshots only" in done.stdout
        assert not local.service("valkey-server").is_running
    finally:
        local.check_output("mv /root/appendonlydir /var/lib/valkey/ && systemctl start valkey-server")
    assert say(local, "LLEN queue:crash") == "(integer) 500"


# --- running the role again


def test_second_run_restarts_nothing_and_reports_what_the_kernel_should_do(local: Host) -> None:
    before = [main_pid(reach(name)) for name in BOTH]
    overcommit = local.check_output("cat /proc/sys/vm/overcommit_memory")
    done = converge("all")
    assert done.returncode == 0, done.stdout
    assert [main_pid(reach(name)) for name in BOTH] == before
    assert ("vm.overcommit_memory is 0" in done.stdout) == (overcommit == "0")
    assert local.check_output("cat /proc/sys/vm/overcommit_memory") == overcommit


def test_newer_files_are_taken_over_once(local: Host, remote: Host) -> None:
    """A run that was cut off before its restart is finished by the next, a renewed certificate is handed over."""
    local.check_output("touch /etc/valkey/meentwerk.conf")
    remote.check_output("touch /etc/ssl/meentwerk/cache.example.test/privkey.pem")
    before = [main_pid(reach(name)) for name in BOTH]
    done = converge("all")
    assert done.returncode == 0, done.stdout
    after = [main_pid(reach(name)) for name in BOTH]
    assert not set(before) & set(after)
    assert converge("all").returncode == 0
    assert [main_pid(reach(name)) for name in BOTH] == after


def test_changed_users_need_no_restart(local: Host) -> None:
    local.check_output("touch /etc/valkey/meentwerk.acl")
    before = main_pid(reach("valkey-1"))
    done = converge("valkey-1")
    assert "changed=2 " in done.stdout, done.stdout  # it is seen, and read
    assert main_pid(reach("valkey-1")) == before
    again = converge("valkey-1")
    assert "changed=0 " in again.stdout, again.stdout


def test_dry_run_on_a_stopped_server_says_that_it_would_start_it(local: Host) -> None:
    local.check_output("systemctl stop valkey-server")
    done = play(os.environ["MOLECULE_HOSTS"], "--limit=valkey-1", "--check")
    local.check_output("systemctl start valkey-server")
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout


def test_missing_certificate_is_refused_before_anything_is_written(remote: Host) -> None:
    before = remote.check_output("sha256sum /etc/valkey/meentwerk.conf")
    done = converge("valkey-2", valkey_tls_key="/etc/ssl/nowhere.pem")
    assert done.returncode != 0
    assert "/etc/ssl/nowhere.pem (valkey_tls_certificate or valkey_tls_key) does not exist" in done.stdout
    assert remote.check_output("sha256sum /etc/valkey/meentwerk.conf") == before


def user(**changes: str) -> dict[str, object]:
    return {"valkey_acl_users": [{"name": "mastodon", "password": "x" * 20, "rules": "+@all"} | changes]}


# Changes to valkey-2's variables, and what the operator reads
WRONG: list[tuple[dict[str, object], str]] = [
    ({"valkey_maxmemory_policy": "allkeys-lru"}, "valkey_maxmemory_policy is allkeys-lru"),
    ({"valkey_maxmemory_mb": 8}, "valkey_maxmemory_mb is 8"),
    ({"valkey_unixsocket": "", "valkey_listen_addresses": []}, "nobody could reach this Valkey"),
    ({"valkey_unixsocket": "/tmp/valkey.sock"}, "valkey_unixsocket is /tmp/valkey.sock"),
    ({"valkey_listen_addresses": ["cache.example.test"]}, "valkey_listen_addresses has cache.example.test"),
    ({"valkey_acl_users": []}, "valkey_acl_users is empty"),
    ({"valkey_tls_certificate": "", "valkey_tls_key": ""}, "would cross the network in the clear"),
    ({"valkey_tls_key": ""}, "TLS takes both files"),
    (user(name="default"), "valkey_acl_users names default"),
    (user(password="short"), "the password of mastodon is shorter than 20 characters"),
    (user(rules="~* +@all nopass"), 'has the rules "~* +@all nopass"'),
    (user(rules="~* +@all\nuser root on nopass"), "valkey_acl_users or valkey_socket_rules has the rules"),
    ({"valkey_socket_rules": ">password +@all"}, 'has the rules ">password +@all"'),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every wrong request in one run."""
    return refusals(play, "valkey-2", (change for change, _ in WRONG), tmp_path_factory.mktemp("wrong"))


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[message for _, message in WRONG])
def test_wrong_request_is_refused_before_any_host_is_reached(told: dict[str, str], number: int) -> None:
    assert WRONG[number][1] in told[f"wrong-{number}"]
    assert "UNREACHABLE" not in told[f"wrong-{number}"]
