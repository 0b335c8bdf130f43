"""What the role leaves behind, asked of the host itself."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from testinfra.host import Host

CONVERGE = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "converge.yml"
KEY = Path("~/.cache/meentwerk/embedded/id_ed25519").expanduser()


def login(host: Host, user: str, command: str) -> subprocess.CompletedProcess[str]:
    """Log in as a person would, by a connection of its own."""
    address = host.ansible.get_variables()["ansible_host"]
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"]
    options += ["ControlPath=none", "IdentitiesOnly=yes"]
    arguments = [word for option in options for word in ("-o", option)]
    return subprocess.run(
        ["ssh", *arguments, "-i", str(KEY), f"{user}@{address}", command],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def refused(extra: dict[str, object]) -> str:
    """Run the role with other values; returns what it said. It must refuse."""
    done = subprocess.run(
        ["ansible-playbook", "-i", os.environ["MOLECULE_HOSTS"], "--extra-vars", json.dumps(extra), str(CONVERGE)],
        capture_output=True,
        text=True,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        check=False,
    )
    assert done.returncode == 2, done.stdout[-2000:]
    recap = re.search(r"changed=(\d+)", done.stdout)
    assert recap and recap.group(1) == "0", "it changed something before it refused"
    return done.stdout


def test_time_service_is_enabled_and_starts_where_the_clock_may_be_set(host: Host) -> None:
    assert host.service("chrony").is_enabled
    assert not host.package("systemd-timesyncd").is_installed
    if host.run("systemd-detect-virt --container").rc != 0:
        assert host.service("chrony").is_running
    else:
        assert host.check_output("systemctl show -P Result chrony.service") == "success"


def test_time_zone_and_locale(host: Host) -> None:
    assert host.check_output("date +%Z") in {"CET", "CEST"}
    assert "LANG=C.UTF-8" in host.check_output("cat /etc/default/locale")
    assert "nl_NL.utf8" in host.check_output("locale -a").splitlines()


def test_login_gets_the_locale(host: Host) -> None:
    assert login(host, "operator", "echo $LANG").stdout.strip() == "C.UTF-8"


def test_extra_package(host: Host) -> None:
    assert host.package("tree").is_installed


def test_journal_is_on_disk_and_bounded(host: Host) -> None:
    machine = host.check_output("cat /etc/machine-id")
    assert host.file(f"/var/log/journal/{machine}/system.journal").exists
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    for line in ("Storage=persistent", "SystemMaxUse=512M", "MaxRetentionSec=30day"):
        assert line in settings
    assert "max 512M" in host.check_output("journalctl -u systemd-journald -o cat --no-pager")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("APT::Periodic::Unattended-Upgrade", "always"),
        ("APT::Periodic::Update-Package-Lists", "always"),
        ("Unattended-Upgrade::Automatic-Reboot", "false"),
        ("Unattended-Upgrade::Automatic-Reboot-Time", "05:00"),
    ],
)
def test_upgrade_settings_as_apt_reads_them(host: Host, key: str, value: str) -> None:
    assert host.check_output("apt-config dump --format '%%f=%%v%%n' %s", key) == f"{key}={value}"


def test_upgrade_takes_debian_only(host: Host) -> None:
    dump = host.check_output("apt-config dump --format '%v%n' Unattended-Upgrade::Origins-Pattern").split()
    assert len(dump) == 3, "the package's own list must be replaced, not added to"
    assert all(pattern.startswith("origin=Debian,") for pattern in dump)
    assert host.check_output("apt-config dump --format '%v%n' Unattended-Upgrade::Package-Blacklist").split() == [
        "^linux-firmware$"
    ]


def test_upgrade_runs_dry(host: Host) -> None:
    done = host.run("unattended-upgrade --dry-run --debug")
    assert done.rc == 0, done.stderr
    said = done.stdout + done.stderr
    assert "origin=Debian,codename=trixie-security,label=Debian-Security" in said
    assert "origin=Debian,codename=trixie,label=Debian" in said
    assert "^linux-firmware$" in said


def test_upgrade_happens_in_the_window(host: Host) -> None:
    assert host.service("apt-daily-upgrade.timer").is_running
    timer = host.check_output(
        "systemctl show -p TimersCalendar -p RandomizedDelayUSec -p Persistent apt-daily-upgrade.timer"
    )
    assert "Mon,Wed,Sun *-*-* 02:30:00" in timer
    assert timer.count("OnCalendar=") == 1
    assert "RandomizedDelayUSec=1h" in timer
    assert "Persistent=no" in timer


def test_services_restart_in_the_window_only(host: Host) -> None:
    assert "NEEDRESTART_MODE=a" in host.check_output("systemctl show -P Environment apt-daily-upgrade.service")
    # -m e: as a script would see it; needrestart fails when a setting does not parse
    done = host.run("needrestart -b -v")
    assert done.rc == 0, done.stderr
    assert "50-meentwerk.conf" in done.stdout + done.stderr


def test_administrators_log_in_and_have_what_was_given(host: Host) -> None:
    assert login(host, "operator", "sudo -n id -u").stdout.strip() == "0"
    assert login(host, "auditor", "id -un").stdout.strip() == "auditor"
    assert login(host, "auditor", "sudo -n id -u").returncode != 0
    assert login(host, "auditor", "journalctl -n 1 -o cat --no-pager").returncode == 0


def test_only_listed_keys(host: Host) -> None:
    keys = host.file("/home/operator/.ssh/authorized_keys")
    assert keys.content_string.strip() == KEY.with_suffix(".pub").read_text().strip()
    assert keys.mode == 0o600
    assert keys.user == "operator"


def test_sudo_rules(host: Host) -> None:
    assert host.file("/etc/sudoers.d/50-meentwerk-admins").mode == 0o440
    assert host.run("visudo -c").rc == 0


def test_removed_user_is_gone(host: Host) -> None:
    assert not host.user("leaver").exists
    assert not host.file("/home/leaver").exists


@pytest.mark.parametrize(
    ("extra", "messages"),
    [
        (
            {"base_admin_users": [{"name": "one", "ssh_keys": []}, {"name": "two", "ssh_keys": ["letmein"]}]},
            ["base_admin_users[0] 'one': has no key", "base_admin_users[1] 'two', ssh_keys[0]: expected a public key"],
        ),
        ({"base_timezone": "Europe/Atlantis"}, ["Europe/Atlantis"]),
        ({"base_upgrade_window_start": "3 o'clock"}, ["times as HH:MM"]),
    ],
)
def test_refuses_before_anything_changes(extra: dict[str, object], messages: list[str]) -> None:
    # Ansible quotes list items that hold quotes, doubling them
    said = refused(extra).replace("''", "'")
    for message in messages:
        assert message in said
