"""What each service may see and do: the figures, what is behind them, and a sandbox that does not fit."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://services-1"]

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
CRON = "/etc/systemd/system/cron.service.d/40-sandbox.conf"
# Figures of systemd-analyze that no unit may be above; the release is part of the application's names
LIMITS = {
    "nginx.service": 2.4,
    "postgresql@17-main.service": 1.5,
    "valkey-server.service": 1.2,
    "mastodon-web@": 1.2,
    "mastodon-sidekiq@": 1.2,
    "mastodon-streaming@": 1.0,
    "chrony.service": 3.0,
    "prometheus-node-exporter.service": 3.0,
}
# What a unit may not do, no login through it may: see the README of the role
EXEMPT = {"ssh.service"}


@pytest.fixture(scope="module")
def exposure(host: Host) -> dict[str, float]:
    units = json.loads(host.check_output("systemd-analyze security --no-pager --json=short"))
    return {unit["unit"]: float(unit["exposure"]) for unit in units}


@pytest.mark.parametrize("name", LIMITS)
def test_no_figure_is_above_its_limit(exposure: dict[str, float], name: str) -> None:
    found = {unit: figure for unit, figure in exposure.items() if unit.startswith(name)}
    assert found, f"{name} does not run here"
    assert {unit: figure for unit, figure in found.items() if figure > LIMITS[name]} == {}


def test_whatever_listens_on_the_network_is_confined(host: Host, exposure: dict[str, float]) -> None:
    """Also what nobody thought of: units are found by their sockets."""
    listening = host.check_output("ss -Htulnp")
    pids = {
        word.split("=")[1]
        for line in listening.splitlines()
        if not line.split()[4].startswith(("127.", "[::1]"))
        for word in line.replace(",", " ").replace(")", " ").split()
        if word.startswith("pid=")
    }
    assert pids
    units = {host.check_output(f"systemctl whoami {pid}") for pid in pids}
    assert {"nginx.service", "ssh.service", "prometheus-node-exporter.service"} <= units
    assert {unit: exposure.get(unit) for unit in units - EXEMPT if exposure.get(unit, 10.0) > 3.0} == {}


def main_pid(host: Host, unit: str) -> str:
    return str(host.check_output(f"systemctl show -P MainPID '{unit}'"))


@pytest.mark.parametrize("unit", ["nginx.service", "postgresql@17-main.service", "valkey-server.service"])
def test_the_running_process_is_confined(host: Host, unit: str) -> None:
    """A drop-in that came after the start would show in the figures, and in nothing else."""
    status = dict(
        line.split(":\t", 1) for line in host.file(f"/proc/{main_pid(host, unit)}/status").content_string.splitlines()
    )
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    allowed = int(status["CapBnd"], 16)
    # CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN, CAP_NET_RAW
    assert not allowed & (1 << 21 | 1 << 19 | 1 << 12 | 1 << 13)
    inside = f"nsenter --target {main_pid(host, unit)} --mount --"
    assert host.run(f"{inside} touch /etc/x").rc != 0
    assert not host.file("/etc/x").exists
    assert host.run(f"{inside} ls /root").stdout == ""


@pytest.mark.parametrize("name", ["postgresql@*", "valkey-server", "mastodon-streaming@*"])
def test_what_speaks_by_sockets_alone_has_no_network(host: Host, name: str) -> None:
    pid = main_pid(host, f"{name}.service")
    assert host.check_output(f"readlink /proc/{pid}/ns/net") != host.check_output("readlink /proc/1/ns/net")


def test_a_database_that_others_ask_has_its_network(host: Host) -> None:
    assert sandbox(services_networked=["postgresql"]).returncode == 0
    pid = main_pid(host, "postgresql@17-main.service")
    assert host.check_output(f"readlink /proc/{pid}/ns/net") == host.check_output("readlink /proc/1/ns/net")
    assert sandbox().returncode == 0
    assert json.loads(host.check_output("mastodon-run check"))["checks"]["database"]["ok"]


def test_the_database_is_nobody_else_from_its_start(host: Host) -> None:
    pid = main_pid(host, "postgresql@17-main.service")
    assert host.user("postgres").uid == int(host.check_output(f"stat -c %u /proc/{pid}"))


def test_the_instance_is_well(host: Host) -> None:
    health = json.loads(host.check_output("mastodon-run check"))
    assert health["healthy"], health


def test_time_is_kept_within_the_sandbox(host: Host) -> None:
    """An embedded host may not set the clock: chronyd runs here without doing so, and with everything else."""
    folder = "/run/systemd/system/chrony.service.d"
    lines = "[Unit]\\nConditionCapability=\\n[Service]\\nExecStart=\\nExecStart=!/usr/sbin/chronyd -x\\n"
    host.check_output(f"mkdir -p {folder}; printf '{lines}' >{folder}/90-test.conf; systemctl daemon-reload")
    try:
        host.check_output("systemctl start chrony.service")
        assert host.service("chrony").is_running
        assert "Leap status" in host.check_output("chronyc tracking")
    finally:
        host.check_output(f"systemctl stop chrony.service; rm -r {folder}; systemctl daemon-reload")


def test_jobs_run(host: Host) -> None:
    host.check_output("printf '@reboot root id -un >/run/job\\n' >/etc/cron.d/job")
    try:
        # What cron takes for a boot
        host.check_output("rm -f /run/crond.reboot && systemctl restart cron")
        host.check_output("for i in $(seq 50); do [ -s /run/job ] && exit 0; sleep .2; done; exit 1")
        assert host.file("/run/job").content_string.strip() == "root"
    finally:
        host.check_output("rm -f /etc/cron.d/job /run/job")


def test_the_exporter_sees_the_machine(host: Host) -> None:
    page = host.check_output(
        "python3 -c %s", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9100/metrics').read().decode())"
    )
    for figure in ("node_memory_MemTotal_bytes", "node_cpu_seconds_total", "node_filesystem_size_bytes", "node_load1"):
        assert figure in page


def test_why_ssh_has_no_sandbox(host: Host) -> None:
    """What holds for the unit holds for every session: with NoNewPrivileges, nobody becomes root by sudo any more."""
    done = host.run("systemd-run --quiet --wait --pipe -p NoNewPrivileges=yes -p User=nobody sudo -n true")
    assert 'the "no new privileges" flag is set' in done.stderr.lower()


# ---------------------------------------------------------------- what does not fit


def sandbox(**variables: object) -> subprocess.CompletedProcess[str]:
    """Run the role alone with other variables."""
    return subprocess.run(
        [
            "ansible-playbook",
            "-i",
            os.environ["MOLECULE_HOSTS"],
            "-e",
            json.dumps(variables),
            str(SCENARIO / "role.yml"),
        ],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=dict(os.environ, ANSIBLE_CALLBACK_RESULT_FORMAT="json"),
    )


def test_a_sandbox_that_keeps_a_service_from_starting_is_taken_back(host: Host) -> None:
    before = host.file(CRON).content_string
    done = sandbox(services_units={"cron.service": {"InaccessiblePaths": "/usr/sbin/cron"}})
    assert done.returncode != 0
    assert "Not with this sandbox: cron.service" in done.stdout
    assert "Former drop-ins are back for cron.service; they run as before" in done.stdout
    assert host.file(CRON).content_string == before
    assert host.service("cron").is_running


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"cron.service": {"ProtectEverything": True}}, "Nothing was changed: systemd does not understand"),
        ({"cron": {"ProtectHome": True}}, "services_units or services_exempt names cron:"),
        ({"cron.service": {"protect_home": True}}, "services_units has protect_home"),
        ({"mastodon-web@.service": {"ProtectHome": False}}, "the role mastodon closes its own units"),
    ],
)
def test_what_cannot_be_right_is_refused(host: Host, units: dict[str, object], message: str) -> None:
    before, pid = host.file(CRON).content_string, main_pid(host, "cron.service")
    done = sandbox(services_units=units)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Nothing was changed" in done.stdout
    assert host.file(CRON).content_string == before
    assert main_pid(host, "cron.service") == pid


def test_an_exempt_unit_is_left_alone_and_comes_back(host: Host) -> None:
    done = sandbox(services_exempt=["cron.service"])
    assert done.returncode == 0, done.stdout
    assert not host.file(CRON).exists
    assert host.check_output("systemctl show -P ProtectKernelModules cron.service") == "no"
    assert sandbox().returncode == 0
    assert host.check_output("systemctl show -P ProtectKernelModules cron.service") == "yes"


def test_a_run_that_was_cut_off_before_the_restart_is_finished_by_the_next(host: Host) -> None:
    pids = [main_pid(host, unit) for unit in ("cron.service", "nginx.service")]
    host.check_output(f"touch {CRON}")
    assert "changed=1" in sandbox().stdout
    after = [main_pid(host, unit) for unit in ("cron.service", "nginx.service")]
    assert after[0] != pids[0]
    assert after[1] == pids[1]
    assert "changed=0" in sandbox().stdout
