"""What watches: journal, audit rules, AIDE, AppArmor, permissions of logs, upgrades."""

import re

import pytest
from testinfra.host import Host

RULES = "/etc/audit/rules.d/50-meentwerk.rules"
# As auditctl(8) lists them
FIELDS = {"arch", "auid", "exit", "a0", "dir", "perm"}


def test_the_journal_is_kept_on_disk(host: Host) -> None:
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf --no-pager")
    for line in ("Storage=persistent", "Compress=yes", "ForwardToSyslog=no"):
        assert line in settings.splitlines()


def test_audit_rules_are_well_formed(host: Host) -> None:
    """No kernel here takes them: system calls, fields and paths are checked one by one."""
    lines = [line for line in host.file(RULES).content_string.splitlines() if line and not line.startswith("#")]
    calls = {call for line in lines for group in re.findall(r"-S (\S+)", line) for call in group.split(",")}
    assert len(calls) > 20
    known = host.check_output("ausyscall x86_64 --dump").split()
    assert not calls - set(known), "system calls that do not exist"
    fields = {field for line in lines for field in re.findall(r"-F (\w+)", line)}
    assert fields <= FIELDS
    watches = [line for line in lines if line.startswith("-w")]
    assert all(re.fullmatch(r"-w /[\w./-]+ -p [rwxa]+ -k [a-z-]+", line) for line in watches)
    assert all(re.search(r" -k [a-z-]+$", line) for line in lines if line.startswith("-a"))


def test_audit_rules_are_what_augenrules_will_load(host: Host) -> None:
    # Its own program, but for the one that talks to the kernel
    host.check_output("sed 's#/sbin/auditctl#/usr/bin/true#' /usr/sbin/augenrules | bash -s -- --load")
    merged = host.file("/etc/audit/audit.rules").content_string
    assert "-k mastodon-secrets" in merged
    assert "-w /etc/sudoers.d -p wa -k rights" in merged


def test_the_audit_daemon_waits_for_a_kernel_of_its_own(host: Host) -> None:
    assert host.package("auditd").is_installed
    assert host.check_output("systemctl show -P ActiveState auditd.service") == "inactive"
    assert "ConditionVirtualization=!container" in host.check_output("systemctl cat auditd.service audit-rules.service")
    assert "max_log_file_action = ROTATE" in host.file("/etc/audit/auditd.conf").content_string


def test_a_changed_file_is_noticed_and_can_be_accepted(host: Host) -> None:
    assert host.service("aidecheck.timer").is_running
    assert host.service("aidecheck.timer").is_enabled
    host.check_output("systemctl start aidecheck.service")
    record = host.file("/var/lib/aide/aide.db")
    assert (record.user, record.mode) == ("root", 0o600)
    host.check_output("touch /usr/local/sbin/unexpected")
    try:
        host.check_output("systemctl start aidecheck.service")
        report = host.check_output("journalctl -u aidecheck.service -o cat")
        assert "/usr/local/sbin/unexpected" in report
        assert "/var/lib/postgresql" not in report
        accepted = host.check_output("nice -n 19 meentwerk-aide accept")
        assert "/usr/local/sbin/unexpected" in accepted, "what is accepted is shown"
        assert "on record" in accepted
        assert "/usr/local/sbin/unexpected" in host.check_output("zcat -f /var/lib/aide/aide.db | grep unexpected")
    finally:
        host.check_output("rm /usr/local/sbin/unexpected")


@pytest.mark.parametrize("profile", ["meentwerk-nginx", "meentwerk-mastodon"])
def test_profiles_of_apparmor_are_right_and_only_watch(host: Host, profile: str) -> None:
    """No kernel here takes them: the compiler does."""
    path = f"/etc/apparmor.d/{profile}"
    assert host.run(f"apparmor_parser --skip-kernel-load --skip-cache {path}").rc == 0
    assert host.check_output(f"apparmor_parser --names {path}") == profile
    assert re.search(r"flags=\(.*complain.*\)", host.file(path).content_string)


def test_units_name_the_profile_and_run_where_there_is_none(host: Host) -> None:
    unit = host.check_output("systemctl list-units --plain --no-legend 'mastodon-web@*' | cut -d' ' -f1")
    assert "meentwerk-mastodon" in host.check_output(f"systemctl cat {unit}")
    host.check_output(f"systemctl restart {unit}")
    assert host.service(unit).is_running


def test_logs_are_not_for_everyone(host: Host) -> None:
    loose = host.check_output("find /var/log -type f -perm /o=rwx ! -name '[bw]tmp*' ! -name 'lastlog*'")
    assert loose == ""


def test_an_upgrade_keeps_changed_files_and_goes_on(host: Host) -> None:
    options = host.check_output("apt-config dump Dpkg::Options")
    assert "--force-confold" in options
    assert "--force-confdef" in options
