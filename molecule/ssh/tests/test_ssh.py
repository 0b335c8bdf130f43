"""Who gets in, what an auditor says, and that no change shuts the operator out."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from testinfra.host import Host

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
KEY = Path("~/.cache/meentwerk/embedded/id_ed25519").expanduser()
ADDRESS = "10.87.60.11"
CONFIG = "/etc/ssh/sshd_config"


def ssh(user: str, *options: str, command: str = "id -un", key: Path = KEY) -> subprocess.CompletedProcess[str]:
    """Log in over a connection of its own."""
    fixed = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ControlPath=none", "BatchMode=yes"]
    words = [word for option in (*fixed, *options) for word in ("-o", option)]
    return subprocess.run(
        [
            "ssh",
            "-v",
            "-F",
            "/dev/null",
            *words,
            "-o",
            "IdentitiesOnly=yes",
            "-i",
            str(key),
            f"{user}@{ADDRESS}",
            command,
        ],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=False,
    )


def root(command: str) -> str:
    """Run a command as root, past sshd: what these tests do must not depend on what they test."""
    words = [f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/scripts/embedded-host", "shell", "ssh-1", "sh", "-c", command]
    return subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout.strip()


def play(
    playbook: str = "converge.yml", *options: str, inventory: str = os.environ["MOLECULE_HOSTS"], **variables: object
) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the scenario with other variables."""
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, "-e", json.dumps(variables), *options, str(SCENARIO / playbook)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=dict(os.environ, ANSIBLE_CALLBACK_RESULT_FORMAT="json"),
        check=False,
    )


@pytest.fixture(autouse=True)
def forgiven() -> None:
    """Forget the penalties of the test before: sshd keeps them in memory, and they would be those of this machine."""
    root("systemctl reset-failed ssh.service; systemctl restart ssh.service")


# ---------------------------------------------------------------- who gets in


@pytest.mark.parametrize("user", ["operator", "beheer"])
def test_who_is_listed_comes_in_by_key(user: str) -> None:
    assert ssh(user).stdout.strip() == user


@pytest.mark.parametrize("user", ["stranger", "root"])
def test_who_is_not_listed_stays_out_with_a_key_that_is_right(user: str) -> None:
    done = ssh(user)
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_a_password_is_not_even_asked_for() -> None:
    """The drop-in that a cloud's image left says otherwise, and is not read."""
    assert "PasswordAuthentication yes" in root("cat /etc/ssh/sshd_config.d/*.conf")
    done = ssh("operator", "PubkeyAuthentication=no")
    assert re.search(r"Authentications that can continue: publickey\r?\n", done.stderr)
    assert "Permission denied (publickey)" in done.stderr


def test_key_exchange_is_post_quantum() -> None:
    assert re.search(r"kex: algorithm: (mlkem768x25519|sntrup761x25519)-sha(256|512)", ssh("operator").stderr)
    classic = ssh("operator", "KexAlgorithms=curve25519-sha256")
    assert "no matching key exchange method found" in classic.stderr


def test_nothing_is_forwarded() -> None:
    tunnel = ssh("operator", "ExitOnForwardFailure=yes", "LocalForward=127.0.0.1:0 127.0.0.1:22", command="true")
    words = ["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", str(KEY)]
    jump = subprocess.run(
        ["ssh", *words, "-W", "127.0.0.1:22", f"operator@{ADDRESS}"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=30,
        check=False,
    )
    assert "prohibited" in jump.stderr
    assert "SSH-2.0" not in jump.stdout
    assert tunnel.returncode != 0 or "disabled" in tunnel.stderr


def test_files_are_still_copied(tmp_path: Path) -> None:
    """Ansible and people need sftp, which is sshd's own here."""
    (tmp_path / "file").write_text("whole")
    words = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", str(KEY)]
    subprocess.run(
        ["scp", *words, str(tmp_path / "file"), f"operator@{ADDRESS}:copied"], check=True, capture_output=True
    )
    assert root("cat /home/operator/copied") == "whole"


def test_a_login_names_its_key_in_the_log() -> None:
    ssh("operator")
    assert re.search(
        r"Accepted publickey for operator from \S+ port \d+ ssh2: ED25519 SHA256:", root("journalctl -u ssh")
    )


def test_who_fails_is_shut_out_for_a_while() -> None:
    """sshd's own answer to guessing: after some failures, every connection from this machine is dropped."""
    tries = 0
    while "Permission denied" in ssh("stranger").stderr:
        tries += 1
        assert tries < 15, "guessing goes on without end"
    assert tries >= 2, "one mistake is nobody's end"
    shut = ssh("operator")
    assert shut.returncode == 255
    assert "publickey" not in shut.stderr.rpartition("Connecting to")[2]
    assert "penalty" in root("journalctl -u ssh --since -1min")


def test_an_auditor_has_nothing_to_say() -> None:
    done = subprocess.run(
        ["ssh-audit", "--json", "--skip-rate-test", ADDRESS],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    report = json.loads(done.stdout)
    told = [
        (kind, item["algorithm"], level, text)
        for kind in ("kex", "key", "enc", "mac")
        for item in report[kind]
        for level in ("fail", "warn")
        for text in item["notes"].get(level, [])
    ]
    assert told == []
    offered = [item["algorithm"] for item in report["kex"]]
    assert {"mlkem768x25519-sha256", "sntrup761x25519-sha512"} <= set(offered)
    assert [item["algorithm"] for item in report["key"]] == ["ssh-ed25519"]
    assert not report.get("cves")


def test_the_whole_configuration_is_one_file(host: Host) -> None:
    with host.sudo():
        assert "Include" not in host.file(CONFIG).content_string
        assert host.file(CONFIG).mode == 0o600
        assert "channeltimeout session=12h" in host.check_output("sshd -T").lower()


# ---------------------------------------------------------------- what is refused, before it is applied

REFUSED: list[tuple[dict[str, object], str]] = [
    # The configuration of ssh, and not the inventory, says who comes
    ({"ansible_user": None, "ansible_ssh_extra_args": "-o User=operator"}, "operator is not in AllowUsers (beheer)"),
    ({"ssh_ports": [2222]}, "this run came in on port 22, and it listens on 2222"),
    (
        {"ssh_authentication_methods": "publickey,keyboard-interactive:pam"},
        "List operator in ssh_automation_users",
    ),
    ({"ssh_hardware_keys": True}, "operator has no key that it accepts in .ssh/authorized_keys"),
    ({"ssh_settings": {"DenyUsers": "oper*"}}, "operator is in DenyUsers (oper*)"),
    ({"ssh_settings": {"NoSuchThing": "x"}}, "sshd does not accept the configuration"),
    ({"ssh_settings": {"PasswordAuthentication": "yes"}}, "ssh_settings has passwordauthentication, which this role"),
    ({"ssh_authentication_methods": "password"}, "it begins with publickey"),
    ({"ssh_allow_users": ["beheer@192.0.2.1"]}, "Not the name of an account: beheer@192.0.2.1"),
    ({"ssh_trial_seconds": 5}, "ssh_trial_seconds is 5; expected 20 to 600"),
    ({"ssh_listen_addresses": ["localhost"]}, "names resolve too late at boot"),
]


def state() -> str:
    return root(f"sha256sum {CONFIG}; systemctl show -P StateChangeTimestamp ssh.service; ls /var/lib/meentwerk/ssh")


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str, str]:
    """What each wrong request is told, all in one run on the same host; and the host's state before and after."""
    inventory = yaml.safe_load(Path(os.environ["MOLECULE_HOSTS"]).read_text())
    entry = inventory["all"]["hosts"]["ssh-1"]
    inventory["all"]["hosts"] = {
        f"wrong-{number}": {name: value for name, value in (entry | change).items() if value is not None}
        for number, (change, _) in enumerate(REFUSED)
    }
    path = tmp_path_factory.mktemp("wrong") / "hosts.yml"
    path.write_text(yaml.safe_dump(inventory))
    before = state()
    done = play("converge.yml", inventory=str(path))
    told: dict[str, str] = {}
    for line in done.stdout.split("fatal: [")[1:]:
        name, _, message = line.partition("]")
        told[name] = told.get(name, "") + message.replace('\\"', '"')
    return told, before, state()


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[message[:40] for _, message in REFUSED])
def test_what_would_shut_this_run_out_is_refused(refusals: tuple[dict[str, str], str, str], number: int) -> None:
    told = refusals[0][f"wrong-{number}"]
    assert REFUSED[number][1] in told
    assert "Nothing was changed" in told


def test_what_is_refused_changed_nothing(refusals: tuple[dict[str, str], str, str]) -> None:
    _, before, after = refusals
    assert before == after


def test_a_second_factor_that_exempts_this_run_is_taken() -> None:
    done = play(ssh_authentication_methods="publickey,keyboard-interactive:pam", ssh_automation_users=["operator"])
    assert done.returncode == 0, done.stdout[-2000:]
    assert ssh("operator").stdout.strip() == "operator"
    person = ssh("beheer")
    assert 'Authenticated using "publickey" with partial success' in person.stderr
    assert person.returncode == 255
    assert play().returncode == 0


def test_hardware_keys_with_an_exempt_account() -> None:
    done = play(ssh_hardware_keys=True, ssh_automation_users=["operator"])
    assert done.returncode == 0, done.stdout[-2000:]
    assert ssh("operator").stdout.strip() == "operator"
    assert ssh("beheer").returncode == 255
    assert "verify-required" in root("sshd -T -C user=beheer,host=x,addr=192.0.2.1,laddr=192.0.2.2,lport=22")
    assert play().returncode == 0


# ---------------------------------------------------------------- what takes itself back


def waits_for(condition: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if root(f"{condition} && echo yes || true") == "yes":
            return True
        time.sleep(0.5)
    return False


def test_a_configuration_that_lets_nobody_in_takes_itself_back() -> None:
    before = root(f"sha256sum {CONFIG}")
    done = play("trial.yml")
    assert done.returncode != 0
    assert "was not confirmed (Connect anew" in done.stdout
    assert waits_for(f"[ ! -e /var/lib/meentwerk/ssh/previous ] && echo '{before}' | sha256sum --check --quiet", 30)
    # The file comes back a moment before sshd reads it
    end = time.monotonic() + 30
    while (came_in := ssh("operator").stdout.strip()) != "operator" and time.monotonic() < end:
        time.sleep(0.5)
    assert came_in == "operator"
    assert play("converge.yml").returncode == 0


def test_a_trial_that_nobody_finished_is_taken_back_at_boot_and_by_the_next_run() -> None:
    """The controller died; then the host lost its power, or somebody ran the playbook again."""
    before = root(f"sha256sum {CONFIG}")
    leave = f"cp -p {CONFIG} /var/lib/meentwerk/ssh/previous; echo '# unconfirmed' >>{CONFIG}"
    root(leave)
    # What a boot does: enabled, and before sshd
    assert root("systemctl is-enabled meentwerk-ssh-revert.service") == "enabled"
    assert "ssh.service" in root("systemctl show -P Before meentwerk-ssh-revert.service").split()
    root("systemctl start meentwerk-ssh-revert.service")
    assert root(f"sha256sum {CONFIG}") == before
    root(leave)
    done = play("converge.yml")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "changed=1" in done.stdout or "changed=3" in done.stdout
    assert root(f"sha256sum {CONFIG}") == before
    assert root("ls /var/lib/meentwerk/ssh") == ""


def test_a_file_that_sshd_has_not_read_is_read(host: Host) -> None:
    """A run that was cut off between writing and reloading."""
    root(f"touch {CONFIG}; sleep 1")
    assert "sshd has not read the configuration yet" in play("converge.yml", "--check", "-v").stdout
    assert play("converge.yml").returncode == 0
    assert "changed=0" in play("converge.yml").stdout


def test_the_former_ports_answer_on_both_protocols(host: Host) -> None:
    assert {line.split()[3] for line in root("ss -Htln sport = :22").splitlines()} == {"0.0.0.0:22", "[::]:22"}
