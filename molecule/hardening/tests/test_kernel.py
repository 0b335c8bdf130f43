"""Kernel, network, modules and mounts: what is set now, and what the next boot will set."""

import socket

import pytest
from testinfra.host import Host

SETTINGS = {
    "kernel.kptr_restrict": "2",
    "kernel.randomize_va_space": "2",
    "kernel.unprivileged_bpf_disabled": "1",
    "fs.suid_dumpable": "0",
    "fs.protected_hardlinks": "1",
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.default.accept_source_route": "0",
    "net.ipv4.conf.all.log_martians": "1",
    "net.ipv4.conf.all.forwarding": "0",
    "net.ipv6.conf.all.accept_ra": "0",
    "net.ipv4.tcp_syncookies": "1",
    "vm.overcommit_memory": "1",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_holds_now_and_after_the_next_boot(host: Host, name: str) -> None:
    assert host.check_output(f"cat /proc/sys/{name.replace('.', '/')}") == SETTINGS[name]
    # The last file that systemd-sysctl reads wins
    lines = host.check_output("systemd-analyze cat-config sysctl.d --no-pager").splitlines()
    values = [line.split("=")[1].strip() for line in lines if line.split("=")[0].strip() == name]
    assert values[-1:] == [SETTINGS[name]]


def test_a_setting_that_this_kernel_does_not_have_is_laid_down_for_one_that_has(host: Host) -> None:
    assert "kernel.yama.ptrace_scope = 1" in host.file("/etc/sysctl.d/95-meentwerk-hardening.conf").content_string


def test_every_interface_drops_impossible_senders(host: Host) -> None:
    assert set(host.check_output("cat /proc/sys/net/ipv4/conf/*/rp_filter").split()) == {"1"}


def test_the_host_still_reaches_the_archive_and_is_reached_over_ipv6(host: Host) -> None:
    assert host.run("apt-get -qq update").rc == 0
    with socket.create_connection(("fd87:6d65:656e::50:11", 443), timeout=5):
        pass


@pytest.mark.parametrize("module", ["cramfs", "sctp", "rds", "tipc", "usb-storage", "firewire-core"])
def test_a_module_that_nobody_needs_cannot_be_loaded(host: Host, module: str) -> None:
    lines = host.file("/etc/modprobe.d/meentwerk-hardening.conf").content_string.splitlines()
    assert f"install {module} /bin/false" in lines
    assert f"blacklist {module}" in lines


@pytest.mark.parametrize("place", ["/tmp", "/var/tmp", "/dev/shm"])
def test_nothing_is_executed_where_everyone_writes(host: Host, place: str) -> None:
    done = host.run(f"cp /usr/bin/true {place}/probe && {place}/probe; code=$?; rm -f {place}/probe; exit $code")
    assert done.rc == 126, "a program ran"
    assert {"nosuid", "nodev", "noexec"} <= set(host.check_output(f"findmnt -no OPTIONS -T {place}").split(","))


def test_mounts_are_there_after_the_next_boot(host: Host) -> None:
    assert host.service("var-tmp.mount").is_enabled
    assert "noexec" in host.check_output("systemctl cat tmp.mount | grep ^Options= | tail -1")
    assert "noexec" in host.check_output("grep -E '^tmpfs /dev/shm ' /etc/fstab")
    assert host.run("findmnt --verify").rc == 0


def test_a_crash_leaves_no_memory(host: Host) -> None:
    assert host.check_output("su -s /bin/sh -c 'ulimit -Hc' nobody") == "0"
    assert "Storage=none" in host.check_output("systemd-analyze cat-config systemd/coredump.conf --no-pager")


def test_settings_are_applied_again_when_the_network_is_up(host: Host) -> None:
    assert host.service("sysctl-reapply-network.service").is_enabled
    host.check_output("sysctl -qw net.ipv4.conf.all.accept_redirects=1")
    host.check_output("systemctl restart sysctl-reapply-network.service")
    assert host.check_output("cat /proc/sys/net/ipv4/conf/all/accept_redirects") == "0"
