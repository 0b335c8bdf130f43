"""Passwords of database and cache change while everybody is served, and the old ones are worth nothing afterwards."""

import json
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
HOSTS = os.environ["MOLECULE_HOSTS"]
ADDRESS = "10.87.151.11"
OLD, NEW = "only-for-this-test-1", "only-for-this-test-2"
CHANGED = {"login": "b", "database_password": NEW, "cache_password": NEW}
NAMES = [f"author{number}" for number in range(10)]


@pytest.fixture(scope="module")
def host() -> Host:
    return testinfra.get_host(f"ansible://rotation-1?ansible_inventory={HOSTS}")


@pytest.fixture(scope="module")
def tokens(host: Host) -> list[str]:
    """Those who ask, each with three apps."""

    def batch(name: str, items: list[dict[str, Any]]) -> list[dict[str, str]]:
        question = json.dumps({"contract": 1, "items": items})
        answer = json.loads(host.check_output(f"echo %s | mastodon-run batch {name}", question))
        results: list[dict[str, str]] = answer["results"]
        return results

    people = [{"username": it, "email": f"{it}@example.org", "confirmed": True, "approved": True} for it in NAMES]
    batch("accounts", people)
    # A token is told once: with applications of its own, this can be run again
    session = secrets.token_hex(4)
    apps = [
        {"username": it, "application": f"{session} {app}", "scopes": "read write"} for it in NAMES for app in range(3)
    ]
    return [result["token"] for result in batch("tokens", apps)]


def play(**variables: object) -> str:
    """Run the roles as an operator does; returns what was printed."""
    command = ["ansible-playbook", "--inventory", HOSTS, str(SCENARIO / "converge.yml")]
    done = subprocess.run(
        [*command, "--extra-vars", json.dumps(variables)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def asked(host: Host, tokens: list[str]) -> Iterator[dict[str, Any]]:
    """Let everybody ask meanwhile; the answer is filled in at the end."""
    host.check_output("rm -f /root/stop")
    report: dict[str, Any] = {}

    def run() -> None:
        done = host.run("echo %s | python3 /root/load.py", "\n".join(tokens))
        report.update(json.loads(done.stdout) if done.rc == 0 else {"failed": -1, "wrong": [done.stderr]})

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield report
    finally:
        host.check_output("touch /root/stop")
        thread.join(60)


def database(host: Host, login: str, password: str) -> bool:
    """Say whether one comes into the database over the network."""
    place = f"host={ADDRESS} dbname=mastodon user=mastodon_{login} sslmode=require"
    return bool(host.run(f"PGPASSWORD={password} psql %s -XAtqc 'SELECT current_user'", place).stdout == "mastodon\n")


def cache(host: Host, password: str) -> bool:
    """Say whether one comes into the cache over the network."""
    login = f"REDISCLI_AUTH={password} valkey-cli --no-auth-warning --user mastodon -h 127.0.0.1 ping"
    return bool(host.run(login).stdout == "PONG\n")


def started(host: Host, unit: str) -> str:
    answer: str = host.check_output(f"systemctl show --property=ActiveEnterTimestampMonotonic --value {unit}")
    return answer


def test_why_one_login_is_not_enough(host: Host) -> None:
    """PostgreSQL keeps one password for each role: sessions outlive it; who comes anew with the old one does not."""
    place = f"host={ADDRESS} dbname=mastodon user=mastodon_a sslmode=require"
    script = f"""
        exec 3> >(PGPASSWORD={OLD} psql "{place}" -XAtq > /tmp/session 2>&1)
        echo "SELECT 'before';" >&3; sleep 1
        runuser -u postgres -- psql -qc "ALTER ROLE mastodon_a PASSWORD 'only-for-a-moment-1234'"
        PGPASSWORD={OLD} psql "{place}" -XAtqc 'SELECT 1' > /tmp/fresh 2>&1
        echo "SELECT 'after';" >&3; sleep 1
        runuser -u postgres -- psql -qc "ALTER ROLE mastodon_a PASSWORD '{OLD}'"
        exec 3>&-; sleep 0.5; cat /tmp/session /tmp/fresh"""
    said = host.check_output("cd / && bash -c %s", script)
    assert "before\nafter\n" in said
    assert "password authentication failed" in said


def test_nobody_notices(host: Host, tokens: list[str]) -> None:
    assert database(host, "a", OLD)
    assert cache(host, OLD)
    units = {unit: started(host, unit) for unit in ("valkey-server", "postgresql@17-main")}
    web = host.check_output("systemctl list-units --no-legend 'mastodon-web@*' | grep -o 'mastodon-web@[^ ]*'")
    web_started = started(host, web)
    with asked(host, tokens) as report:
        # Cut off between accepting and the rest: both passwords hold, and everybody is served
        play(only_accept=True, **CHANGED)
        both = [database(host, "a", OLD), database(host, "b", NEW), cache(host, OLD), cache(host, NEW)]
        play(**CHANGED)
    print(f"while passwords changed: {report['asked']} requests, {report['failed']} failed {report['wrong']}")
    assert both == [True] * 4
    assert report["failed"] == 0, report
    assert report["asked"] > 300
    assert started(host, web) != web_started, "the application came anew"
    assert {unit: started(host, unit) for unit in units} == units, "neither database nor cache was restarted"


def test_the_old_ones_are_worth_nothing(host: Host) -> None:
    assert database(host, "b", NEW)
    assert not database(host, "a", OLD)
    assert cache(host, NEW)
    assert not cache(host, OLD)
    users = host.check_output("runuser -u postgres -- psql -XAtqc 'SELECT DISTINCT usename FROM pg_stat_activity'")
    assert "mastodon_a" not in users.split()


def test_a_second_run_changes_nothing(host: Host) -> None:
    before = started(host, "valkey-server")
    assert "changed=0 " in play(**CHANGED)
    assert started(host, "valkey-server") == before


def test_whoever_reads_users_again_may_do_nothing_else(host: Host) -> None:
    login = "REDISCLI_AUTH=$(cat /etc/valkey/meentwerk.loader) valkey-cli --no-auth-warning --user meentwerk-loader"
    for command in ("GET x", "ACL LIST", "CONFIG GET dir", "SHUTDOWN"):
        assert "NOPERM" in host.run(f"{login} -s /run/valkey/valkey.sock {command}").stdout, command
    assert host.file("/etc/valkey/meentwerk.loader").mode == 0o600
    assert "only-for-this-test" not in host.check_output("cat /etc/valkey/meentwerk.acl")
