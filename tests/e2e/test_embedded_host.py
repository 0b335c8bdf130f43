"""Embedded hosts for real: booted, reached, interrupted, removed. Needs root; scripts/test runs it."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / "scripts/embedded-host")
GROUP = "embedded-host-test"
FIRST = ("eh-one", "10.87.32.11", "fd87:6d65:656e::32:11")
SECOND = ("eh-two", "10.87.32.12", "fd87:6d65:656e::32:12")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="embedded hosts need root")


def tool(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([TOOL, *words], capture_output=True, text=True, timeout=300, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def state_of(name: str) -> str | None:
    hosts = json.loads(tool("list", "--json").stdout)["hosts"]
    return next((host["state"] for host in hosts if host["name"] == name), None)


def start(host: tuple[str, str, str], *more: str) -> subprocess.CompletedProcess[str]:
    name, ip4, ip6 = host
    return tool("up", name, "--ip4", ip4, "--ip6", ip6, "--group", GROUP, *more, check=False)


def traces(name: str) -> list[str]:
    """Whatever a host leaves on this machine: processes, namespaces, interfaces, mounts, folders."""
    found = []
    namespaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    found += [line for line in namespaces.splitlines() if line.split()[0] == f"meentwerk-{name}"]
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    third, last = {"eh-one": ("32", "11"), "eh-two": ("32", "12")}[name]
    found += [line for line in links.splitlines() if line.startswith(f"mw{third}x{last}@")]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f"/run/{name}/" in line]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"systemd-nspawn" in words[0] and f"--machine={name}".encode() in words:
            found.append(str(process))
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/meentwerk-{name}")]
    return found


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    tool("down", "--group", GROUP)
    yield
    tool("down", "--group", GROUP)
    tool("down", FIRST[0], SECOND[0])


def test_hosts_of_a_group_reach_each_other_by_name_on_both_protocols() -> None:
    assert start(FIRST).returncode == 0
    # a neighbour that comes later is known to the earlier one too
    assert start(SECOND, "--alias", "two.example.test").returncode == 0
    for version, address in (("ahostsv4", SECOND[1]), ("ahostsv6", SECOND[2])):
        assert address in tool("shell", FIRST[0], "getent", version, "two.example.test").stdout
    code = "import socket,sys; print(socket.create_connection((sys.argv[1], 22), 5).recv(4))"
    for name in (SECOND[0], SECOND[1], SECOND[2]):
        assert "SSH-" in tool("shell", FIRST[0], "python3", "-c", code, name).stdout


def test_a_host_is_a_debian_13_with_its_own_systemd_and_identity() -> None:
    start(FIRST)
    start(SECOND)
    assert 'VERSION_ID="13"' in tool("shell", FIRST[0], "cat", "/etc/os-release").stdout
    assert tool("shell", FIRST[0], "cat", "/proc/1/comm").stdout.strip() == "systemd"
    assert tool("shell", FIRST[0], "systemctl", "--failed", "--plain", "--no-legend").stdout == ""
    identities = {tool("shell", host[0], "cat", "/etc/machine-id").stdout for host in (FIRST, SECOND)}
    keys = {tool("shell", host[0], "cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout for host in (FIRST, SECOND)}
    assert len(identities) == len(keys) == 2


def test_ssh_checks_the_identity_of_a_host() -> None:
    start(FIRST)
    home = Path.home() / ".cache/meentwerk/embedded"
    state = Path(os.environ.get("MEENTWERK_STATE", home))
    done = subprocess.run(
        ["ssh", "-i", str(state / "id_ed25519"), "-o", f"UserKnownHostsFile={state / 'known_hosts'}",
         "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", f"root@{FIRST[1]}", "hostname"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == FIRST[0], done.stderr


def test_machine_wide_settings_can_be_written_and_change_nothing_outside() -> None:
    start(FIRST)
    outside = Path("/proc/sys/vm/swappiness").read_text()
    tool("shell", FIRST[0], "sh", "-c", "echo 7 > /proc/sys/vm/swappiness")
    assert tool("shell", FIRST[0], "cat", "/proc/sys/vm/swappiness").stdout.strip() == "7"
    assert Path("/proc/sys/vm/swappiness").read_text() == outside


def test_settings_are_laid_over_with_few_mounts_and_the_hosts_own_stay_real() -> None:
    """systemd looks at every mount, for each service with a sandbox: hundreds made each start a second slower."""
    start(FIRST)
    inside = tool("shell", FIRST[0], "sh", "-c", "wc -l </proc/self/mountinfo; cat /proc/sys/kernel/hostname").stdout
    mounts, name = inside.split()
    assert int(mounts) < 150
    assert name == FIRST[0]
    boots = {tool("shell", FIRST[0], "cat", "/proc/sys/kernel/random/boot_id").stdout for _ in range(2)}
    assert len(boots) == 1
    assert re.fullmatch(r"[0-9a-f-]{36}\n", boots.pop())


def test_a_used_name_and_a_used_address_are_refused() -> None:
    start(FIRST)
    again = start(FIRST)
    assert again.returncode == 2
    assert "eh-one exists already" in again.stderr
    clash = start((SECOND[0], FIRST[1], SECOND[2]))
    assert clash.returncode != 0
    assert "belongs to the embedded host eh-one" in clash.stderr
    assert state_of(SECOND[0]) is None


def test_keep_leaves_a_running_host_alone() -> None:
    start(FIRST)
    tool("shell", FIRST[0], "touch", "/root/kept")
    assert start(FIRST, "--keep").returncode == 0
    tool("shell", FIRST[0], "test", "-e", "/root/kept")


def test_down_leaves_no_trace() -> None:
    start(FIRST)
    assert traces(FIRST[0])
    tool("down", FIRST[0])
    assert traces(FIRST[0]) == []
    assert state_of(FIRST[0]) is None


@pytest.mark.parametrize("moment", [0.4, 0.9, 1.3])
def test_a_killed_up_is_cleared_by_the_next(moment: float) -> None:
    name, ip4, ip6 = FIRST
    process = subprocess.Popen(
        [TOOL, "up", name, "--ip4", ip4, "--ip6", ip6, "--group", GROUP],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # the host itself may have come up before: then it is a host like any other, and --replace takes its place
    done = start(FIRST, "--replace")
    assert done.returncode == 0, done.stderr
    tool("down", name)
    assert traces(name) == []


def test_a_host_that_does_not_come_up_shows_its_console(tmp_path: Path) -> None:
    script = tmp_path / "break.sh"
    script.write_text(
        "rm /sbin/init /lib/systemd/systemd\n"
        "printf '#!/bin/sh\\necho broken on purpose\\n' > /sbin/init\n"
        "chmod +x /sbin/init\n"
    )
    tool("image", "broken", "--run", str(script))
    try:
        done = start(FIRST, "--image", "broken")
        assert done.returncode != 0
        assert "does not come up" in done.stderr
        assert "broken on purpose" in done.stderr
        assert traces(FIRST[0]) == []
    finally:
        state = Path(os.environ.get("MEENTWERK_STATE", Path.home() / ".cache/meentwerk/embedded"))
        for folder in (state / "images").glob("broken-*"):
            subprocess.run(["rm", "-r", str(folder)], check=True)


def test_a_missing_host_is_told_with_those_that_run() -> None:
    start(FIRST)
    done = tool("shell", "eh-none", "true", check=False)
    assert done.returncode == 2
    assert "running now:" in done.stderr
