"""Removing a host: two who do it at once do it once, and neither fails."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from meentwerk.embedded import boot, network
from meentwerk.embedded.state import Host

ROUNDS = 20


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("MEENTWERK_STATE", str(tmp_path))
    monkeypatch.setattr(network, "disconnect", lambda _host: None)
    return Host("nobody-has-this-name", "10.87.250.11", "fd87:6d65:656e::250:11")


def lay_out(host: Host) -> None:
    for number in range(40):
        folder = host.directory / f"upper/etc/{number}/conf.d"
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    host.save()


def test_two_removals_at_once(host: Host) -> None:
    for _ in range(ROUNDS):
        lay_out(host)
        barrier = Barrier(2)

        def remove(_number: int, barrier: Barrier = barrier) -> None:
            barrier.wait()
            boot.stop(host)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(remove, range(2)))
        assert not host.directory.exists()


def test_a_host_that_is_gone_is_no_error(host: Host) -> None:
    boot.stop(host)


def test_who_waited_does_not_remove_a_new_host_of_that_name(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(host)
    descriptors = []

    def replaced_meanwhile(descriptor: int, _operation: int) -> None:
        descriptors.append(descriptor)
        host.directory.rename(host.directory.with_name("removed-by-another"))
        lay_out(host)

    monkeypatch.setattr("meentwerk.embedded.boot.fcntl.flock", replaced_meanwhile)
    boot.stop(host)
    assert descriptors
    assert (host.directory / "host.json").exists()
