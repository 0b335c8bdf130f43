"""A rule can be left out for one run, be the only one of a run, and be switched off; a wrong value is refused."""

import json
import os
import subprocess

import pytest
from testinfra.host import Host

SITE = ["ansible-playbook", "-i", os.environ["MOLECULE_HOSTS"], "playbooks/site.yml"]
BANNER, JOBS = "/etc/issue", "/etc/cron.allow"


def site(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SITE, *words], capture_output=True, text=True, cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"], check=False
    )


def spoil(host: Host) -> None:
    host.check_output(f"echo spoiled > {BANNER}; echo spoiled > {JOBS}")


def spoiled(host: Host) -> set[str]:
    return {path for path in (BANNER, JOBS) if host.file(path).content_string == "spoiled\n"}


def test_one_rule_by_its_id_one_by_its_reference_and_one_left_out(host: Host) -> None:
    spoil(host)
    done = site("--tags", "HRD-033")
    assert done.returncode == 0, done.stdout[-3000:]
    assert spoiled(host) == {JOBS}
    done = site("--tags", "hardening", "--skip-tags", "HRD-031")
    assert done.returncode == 0, done.stdout[-3000:]
    assert spoiled(host) == {JOBS}
    done = site("--tags", "cis:2.4.1.9")
    assert done.returncode == 0, done.stdout[-3000:]
    assert spoiled(host) == set()


def test_a_rule_that_is_switched_off_is_left_alone(host: Host) -> None:
    spoil(host)
    done = site("--tags", "hardening", "--extra-vars", json.dumps({"hardening_skip": ["HRD-031", "HRD-012"]}))
    assert done.returncode == 0, done.stdout[-3000:]
    assert spoiled(host) == {JOBS}
    assert "forwarding" not in host.file("/etc/sysctl.d/95-meentwerk-hardening.conf").content_string
    assert site("--tags", "hardening").returncode == 0
    assert spoiled(host) == set()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"hardening_skip": ["HRD-999"]}, "HRD-999"),
        ({"hardening_password_max_days": 1}, "hardening_password_max_days above 7"),
        ({"hardening_job_users": ["no such name"]}, "login names in hardening_job_users"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_changes(values: dict[str, object], said: str) -> None:
    done = site("--tags", "hardening", "--extra-vars", json.dumps(values))
    assert done.returncode == 2
    assert said in " ".join(done.stdout.split())
    assert "changed=0" in done.stdout


def test_what_a_cut_off_run_wrote_is_read_by_the_next(host: Host) -> None:
    host.check_output("touch /etc/systemd/journald.conf /etc/rsyslog.d/10-meentwerk.conf")
    since = host.check_output("systemctl show -P ActiveEnterTimestampMonotonic systemd-journald.service")
    assert site("--tags", "hardening").returncode == 0
    assert host.check_output("systemctl show -P ActiveEnterTimestampMonotonic systemd-journald.service") != since
    assert "changed=0 " in site("--tags", "hardening").stdout
