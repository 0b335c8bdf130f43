"""What a process and systemd say to each other: inherited sockets, readiness."""

import contextlib
import os
import socket
import sys
from pathlib import Path

FIRST_FD = 3
BACKLOG = 1024


class SocketError(Exception):
    """No place to listen; the message is one line for the operator."""


def listen(default_port: int) -> socket.socket:
    """The listening socket: inherited (LISTEN_FDS), else SOCKET (a path), else BIND and PORT.

    An inherited socket is shared with the process before and after this one, so nothing is unlinked or closed here.
    """
    inherited = os.environ.pop("LISTEN_FDS", "")
    pid = os.environ.pop("LISTEN_PID", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if inherited and pid in {"", str(os.getpid())}:
        if int(inherited) != 1:
            raise SocketError(f"LISTEN_FDS is {inherited}: exactly one socket was expected")
        return socket.socket(fileno=FIRST_FD)
    if path := os.environ.get("SOCKET"):
        return _unix(Path(path))
    host = os.environ.get("BIND") or "127.0.0.1"
    port = int(os.environ.get("PORT") or default_port)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        raise SocketError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    sock.listen(BACKLOG)
    return sock


def listen_for_probes() -> list[socket.socket]:
    """The socket of PROBE_SOCKET, a path; none where it is not set.

    Two releases share the socket of `listen` during a switch. Here only this process answers, so that it can be asked
    whether it is well before the other one stops.
    """
    path = os.environ.get("PROBE_SOCKET")
    return [_unix(Path(path))] if path else []


def _unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # left by a process that was killed
        sock.bind(str(path))
        path.chmod(0o660)
    except OSError as error:
        raise SocketError(f"cannot listen on {path}: {error.strerror}") from error
    sock.listen(BACKLOG)
    return sock


def notify(state: str) -> None:
    """Tell systemd (sd_notify): `READY=1`, `STOPPING=1`. Nothing happens when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(address)
            sock.sendall(state.encode())
        except OSError as error:
            sys.stderr.write(f"cannot notify systemd: {error.strerror}\n")
