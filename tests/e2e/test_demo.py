"""The demo as a newcomer runs it: up, again without a change, looked at closely, and gone. Needs root."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "inventories/demo"
INSTANCES = ("bridges", "tides")
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="embedded hosts need root")


def run(*command: str, check: bool = True) -> str:
    environment = dict(os.environ, ANSIBLE_VAULT_PASSWORD_FILE=str(INVENTORY / ".vault-password"))
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout)
    assert not check or done.returncode == 0, f"{' '.join(command)} failed; its output stands above"
    return done.stdout


def inside(instance: str, command: str) -> str:
    return run("scripts/embedded-host", "shell", instance, "sh", "-c", command)


def recap(output: str) -> dict[str, int]:
    """Changed tasks per host, over every play book that ran."""
    changed: dict[str, int] = {}
    for host, ok, count, unreachable, failed in RECAP.findall(output):
        assert (unreachable, failed) == ("0", "0"), host
        assert int(ok) > 0, host
        changed[host] = changed.get(host, 0) + int(count)
    return changed


@pytest.fixture(scope="module")
def first_run() -> Iterator[str]:
    hosts = json.loads(run("scripts/embedded-host", "list", "--json"))["hosts"]
    if any(host["group"] == "demo" for host in hosts):
        pytest.fail("a demo is up on this machine: remove it with scripts/demo --destroy, then test")
    try:
        yield run("scripts/demo")
    finally:
        run("scripts/demo", "--destroy", "--keep-image", check=False)


@pytest.fixture(scope="module")
def secret_values(first_run: str) -> list[str]:
    assert first_run
    password = (INVENTORY / ".vault-password").read_bytes().strip()
    vault = VaultLib([("default", VaultSecret(password))])
    values = []

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!vault", lambda loader, node: str(node.value))
    for instance in INSTANCES:
        document = yaml.load((INVENTORY / f"host_vars/{instance}/secrets.yml").read_text(), Loader)
        values += [vault.decrypt(text).decode() for text in document["instance_secrets"].values()]
    assert len(values) >= 2 * 9
    return values


def test_every_page_answers_over_a_verified_chain(first_run: str) -> None:
    answers = re.findall(r"^(\S+\.example\.test)\t(\S+)\t(\S+)$", first_run, re.MULTILINE)
    assert len(answers) == 8
    assert {answer[2] for answer in answers} == {"200"}
    paths = {answer[1].partition("?")[0] for answer in answers}
    assert paths == {"/", "/api/v2/instance", "/.well-known/webfinger", "/api/v1/streaming/health"}


def test_a_second_run_changes_nothing(first_run: str) -> None:
    assert first_run
    changed = recap(run("scripts/demo"))
    assert set(INSTANCES) <= set(changed)
    assert sum(changed.values()) == 0, changed


def test_limit_and_tags_mean_what_they_say(first_run: str) -> None:
    assert first_run
    output = run(
        "ansible-playbook", "-i", "inventories/demo", "playbooks/site.yml", "--limit", "tides", "--tags", "nginx"
    )
    assert recap(output) == {"tides": 0}
    tasks = re.findall(r"^TASK \[(\w+) : (.+)\] \**$", output, re.MULTILINE)
    # the entry is checked, and what each role asks of its values, whatever the tags are
    done = {(role, task) for role, task in tasks if not task.startswith("Validating arguments")}
    done.remove(("mastodon", "Resolve what the application has to reach"))
    assert {role for role, _ in done} == {"instance", "nginx"}


@pytest.mark.parametrize("instance", INSTANCES)
def test_no_unit_has_failed(first_run: str, instance: str) -> None:
    assert first_run
    assert inside(instance, "systemctl --failed --plain --no-legend") == ""


def test_no_secret_was_printed(first_run: str, secret_values: list[str]) -> None:
    assert not [value for value in secret_values if value in first_run]


@pytest.mark.parametrize("instance", INSTANCES)
def test_no_secret_is_readable_on_a_host(instance: str, secret_values: list[str]) -> None:
    """Neither in the process list nor in a file that everyone may read, nor in the journal."""
    patterns = "\n".join(secret_values) + "\n"
    script = """
        ps -eo args > /run/process-list
        grep -Fl -f /root/patterns /run/process-list
        journalctl --no-pager -o cat > /run/journal-text; grep -Fl -f /root/patterns /run/journal-text
        find / -xdev -type f -perm -o=r -newer /run/systemd/container \\
            -not -path '/proc/*' -not -path '/sys/*' -print0 2>/dev/null | xargs -0 -r grep -Fl -f /root/patterns
        rm -f /root/patterns /run/process-list /run/journal-text
    """
    subprocess.run(
        [str(ROOT / "scripts/embedded-host"), "shell", instance, "sh", "-c", "umask 077; cat > /root/patterns"],
        input=patterns, text=True, check=True,
    )  # fmt: skip
    assert inside(instance, script) == ""


@pytest.mark.parametrize("instance", INSTANCES)
def test_the_operator_can_log_in(first_run: str, instance: str) -> None:
    assert first_run
    login = INVENTORY / f".state/{instance}-login.txt"
    assert login.stat().st_mode & 0o777 == 0o600
    assert "beheer" in login.read_text()


def test_destroy_leaves_no_trace(first_run: str) -> None:
    assert first_run
    run("scripts/demo", "--destroy", "--keep-image")
    hosts = json.loads(run("scripts/embedded-host", "list", "--json"))["hosts"]
    assert not [host for host in hosts if host["group"] == "demo"]
    for path in (".vault-password", ".state", "host_vars"):
        assert not (INVENTORY / path).exists()
