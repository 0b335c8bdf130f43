"""The streaming server on a socket of systemd's: shared with another, left as it was, ended in good order."""

import http.client
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OVERLAY = HERE.parents[2] / "roles/release_build/files/mastodon"
NODE = shutil.which("node")
HEALTH = "/api/v1/streaming/health"


def _too_old() -> bool:
    if NODE is None:
        return True
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=False).stdout
    return int(version.lstrip("v").split(".")[0] or 0) < 20


pytestmark = pytest.mark.skipif(_too_old(), reason="no Node.js 20 or later on this machine")


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket as systemd makes it: bound, listening, mode 0660."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(tmp_path / "streaming.sock"))
        Path(made.getsockname()).chmod(0o660)
        made.listen(1024)
        yield made


@contextmanager
def _server(path: Path, handed: socket.socket | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a server; with a socket handed over, under the numbers that systemd uses."""
    script = 'exec "$0" --import "$1" "$2"'
    if handed is not None:
        script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 " + script
    process = subprocess.Popen(
        [
            "/bin/sh",
            "-c",
            script,
            str(NODE),
            str(OVERLAY / "meentwerk/streaming.mjs"),
            str(HERE / "streaming_server.mjs"),
        ],
        env={**os.environ, "SOCKET": str(path)},
        stdout=subprocess.PIPE,
        text=True,
        stdin=handed.fileno() if handed is not None else subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"now listening on {path}\n"
        yield process
    finally:
        process.kill()
        process.wait()


def _connect(path: Path) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(10)
    connection.sock.connect(str(path))
    return connection


def _ask(path: Path) -> bytes:
    connection = _connect(path)
    try:
        connection.request("GET", HEALTH)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_the_socket_stays_as_systemd_made_it(listening: socket.socket) -> None:
    path = Path(listening.getsockname())
    before = path.stat()
    with _server(path, listening) as server:
        assert _ask(path) == b"OK"
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=10) == 0
    after = path.stat()
    assert (after.st_ino, stat.S_IMODE(after.st_mode)) == (before.st_ino, 0o660)


def test_two_releases_share_the_socket_and_no_request_is_lost(listening: socket.socket) -> None:
    path = Path(listening.getsockname())
    with _server(path, listening) as old, _server(path, listening):
        for _ in range(50):
            assert _ask(path) == b"OK"
        old.send_signal(signal.SIGTERM)
        answered = 0
        while old.poll() is None or answered < 200:
            assert _ask(path) == b"OK"
            answered += 1


def test_who_connected_before_the_end_is_still_answered(listening: socket.socket) -> None:
    path = Path(listening.getsockname())
    with _server(path, listening) as server:
        late = _connect(path)
        assert _ask(path) == b"OK"  # by now the first one is accepted, too
        server.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        late.request("GET", HEALTH)
        assert late.getresponse().read() == b"OK"
        assert server.wait(timeout=10) == 0


def test_a_reader_of_events_gets_a_whole_answer(listening: socket.socket) -> None:
    path = Path(listening.getsockname())
    with _server(path, listening) as server:
        reader = _connect(path)
        reader.request("GET", "/api/v1/streaming/user")
        answer = reader.getresponse()
        assert answer.readline() == b":)\n"
        server.send_signal(signal.SIGTERM)
        # http.client raises IncompleteRead where the last chunk is missing
        assert set(answer.read().split(b"\n")) <= {b":thump", b""}
        assert server.wait(timeout=10) == 0


def test_a_websocket_is_told_that_the_server_goes_away(listening: socket.socket) -> None:
    path = Path(listening.getsockname())
    with _server(path, listening) as server, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(
            b"GET /api/v1/streaming HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 101")
        server.send_signal(signal.SIGTERM)
        assert client.recv(1000) == b"\x88\x02\x03\xe9"  # close, 1001: going away
        assert client.recv(1000) == b""
        client.close()
        assert server.wait(timeout=10) == 0


def test_it_can_be_asked_alone(listening: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, probe = Path(listening.getsockname()), tmp_path / "probe.sock"
    probe.touch()  # what a killed one left
    monkeypatch.setenv("PROBE_SOCKET", str(probe))
    with _server(path, listening) as server:
        assert _ask(probe) == _ask(path) == b"OK"
        reader = _connect(probe)
        reader.request("GET", "/api/v1/streaming/user")
        answer = reader.getresponse()
        server.send_signal(signal.SIGTERM)
        answer.read()
        assert server.wait(timeout=10) == 0


def test_systemd_is_told_when_it_serves(listening: socket.socket, tmp_path: Path) -> None:
    """Only where the program is that Node asks to tell: Node itself cannot write to such a socket."""
    if not Path("/usr/bin/systemd-notify").exists():
        pytest.skip("no systemd-notify on this machine")
    path, notify = Path(listening.getsockname()), tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, pytest.MonkeyPatch.context() as patch:
        told.bind(str(notify))
        told.settimeout(10)
        patch.setenv("NOTIFY_SOCKET", str(notify))
        with _server(path, listening):
            assert b"READY=1" in told.recv(1000)


def test_many_readers_are_let_go_within_seconds(listening: socket.socket) -> None:
    path = Path(listening.getsockname())
    with _server(path, listening) as server:
        readers = [_connect(path) for _ in range(100)]
        for reader in readers:
            reader.request("GET", "/api/v1/streaming/user")
        answers = [reader.getresponse() for reader in readers]
        started = time.monotonic()
        server.send_signal(signal.SIGTERM)
        for answer in answers:
            answer.read()
        spread = time.monotonic() - started
        assert server.wait(timeout=10) == 0
        # All at once would have them all come back at once
        assert 0.5 < spread < 4


def test_without_a_socket_from_systemd_it_makes_its_own(tmp_path: Path) -> None:
    path = tmp_path / "own.sock"
    with _server(path) as server:
        assert _ask(path) == b"OK"
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=10) == 0


def test_a_socket_meant_for_another_process_is_not_taken(listening: socket.socket, tmp_path: Path) -> None:
    path = tmp_path / "own.sock"
    environment = {**os.environ, "SOCKET": str(path), "LISTEN_PID": "1", "LISTEN_FDS": "1"}
    command = [str(NODE), "--import", str(OVERLAY / "meentwerk/streaming.mjs"), str(HERE / "streaming_server.mjs")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert _ask(path) == b"OK"
        finally:
            process.kill()
