"""TLS as it goes over the wire: a ClientHello that offers exactly what is asked, and what the server answers in clear.

What a server accepts must not depend on what this machine's OpenSSL can still speak, so no library makes the handshake.
It ends before any secret is made. Sources: RFC 5246 (1.2), RFC 8446 (1.3), RFC 8422 (elliptic curves), RFC 7627, 5746.
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
VERSIONS = {"SSL 3.0": SSL3, "TLS 1.0": TLS10, "TLS 1.1": TLS11, "TLS 1.2": TLS12, "TLS 1.3": TLS13}

_HANDSHAKE, _ALERT = 22, 21
_SERVER_HELLO, _CERTIFICATE_STATUS, _SERVER_KEY_EXCHANGE, _SERVER_HELLO_DONE = 2, 22, 12, 14
_SERVER_NAME, _STATUS_REQUEST, _GROUPS, _POINT_FORMATS, _SIGNATURES = 0, 5, 10, 11, 13
_EXTENDED_MASTER_SECRET, _SUPPORTED_VERSIONS, _KEY_SHARE, _RENEGOTIATION = 23, 43, 51, 0xFF01
_NAMED_CURVE = 3
_LARGEST_RECORD = 2**14 + 2048


@dataclass(frozen=True)
class Hello:
    """What a client offers. Numbers are those of IANA's TLS registries."""

    name: str
    version: int
    ciphers: Sequence[int]
    groups: Sequence[int]
    signatures: Sequence[int] = field(default=())
    compressions: Sequence[int] = field(default=(0,))


@dataclass
class Answer:
    """What the server chose, as far as it says so in the clear. `alert` is set where it refused (RFC 8446, 6)."""

    version: int | None = None
    cipher: int | None = None
    compression: int = 0
    extensions: frozenset[int] = frozenset()
    group: int | None = None
    signature: int | None = None
    stapled: bool = False
    alert: int | None = None

    @property
    def accepted(self) -> bool:
        """Whether the server went on with the handshake."""
        return self.cipher is not None and self.alert is None

    @property
    def extended_master_secret(self) -> bool:
        """Whether the session's secret is bound to the handshake (RFC 7627)."""
        return _EXTENDED_MASTER_SECRET in self.extensions

    @property
    def secure_renegotiation(self) -> bool:
        """Whether the server knows RFC 5746."""
        return _RENEGOTIATION in self.extensions


def _counted(size: int, data: bytes) -> bytes:
    """Put the length of some data, as `size` bytes, before it."""
    return len(data).to_bytes(size, "big") + data


def _numbers(values: Iterable[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def _extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + _counted(2, data)


def _extensions(hello: Hello) -> bytes:
    name = _counted(2, b"\x00" + _counted(2, hello.name.encode("idna")))
    parts = [
        _extension(_SERVER_NAME, name),
        _extension(_GROUPS, _counted(2, _numbers(hello.groups))),
        _extension(_POINT_FORMATS, b"\x01\x00"),
        _extension(_EXTENDED_MASTER_SECRET, b""),
        _extension(_STATUS_REQUEST, b"\x01\x00\x00\x00\x00"),
        _extension(_RENEGOTIATION, b"\x00"),
    ]
    if hello.signatures:
        parts.append(_extension(_SIGNATURES, _counted(2, _numbers(hello.signatures))))
    if hello.version == TLS13:
        parts.append(_extension(_SUPPORTED_VERSIONS, _counted(1, _numbers([TLS13]))))
        # No share at all: the server has to name its group, and nothing has to be calculated (RFC 8446, 4.2.8)
        parts.append(_extension(_KEY_SHARE, b"\x00\x00"))
    return b"".join(parts)


def encode(hello: Hello) -> bytes:
    """Give the bytes of a ClientHello in its record."""
    body = struct.pack("!H", min(hello.version, TLS12)) + os.urandom(32)
    # Clients of TLS 1.3 send a session identifier for the sake of old boxes in between (RFC 8446, D.4)
    body += _counted(1, os.urandom(32) if hello.version == TLS13 else b"")
    body += _counted(2, _numbers(hello.ciphers)) + _counted(1, bytes(hello.compressions))
    if hello.version > SSL3:
        body += _counted(2, _extensions(hello))
    message = b"\x01" + _counted(3, body)
    return struct.pack("!BH", _HANDSHAKE, min(hello.version, TLS10)) + _counted(2, message)


class Reader:
    """Takes numbers and blocks out of bytes; whoever asks for more than there is gets ValueError."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def __bool__(self) -> bool:
        return self.place < len(self.data)

    def take(self, size: int) -> bytes:
        """Take the next `size` bytes."""
        if self.place + size > len(self.data):
            raise ValueError("the server's answer ends in the middle of a message")
        self.place += size
        return self.data[self.place - size : self.place]

    def number(self, size: int) -> int:
        """Take a number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> bytes:
        """Take a block whose length stands before it in `size` bytes."""
        return self.take(self.number(size))


def _read_server_hello(answer: Answer, body: bytes) -> None:
    reader = Reader(body)
    answer.version = reader.number(2)
    reader.take(32)
    reader.block(1)
    answer.cipher = reader.number(2)
    answer.compression = reader.number(1)
    extensions = Reader(reader.block(2) if reader else b"")
    kinds = set()
    while extensions:
        kind, data = extensions.number(2), Reader(extensions.block(2))
        kinds.add(kind)
        if kind == _SUPPORTED_VERSIONS:
            answer.version = data.number(2)
        elif kind == _KEY_SHARE:
            answer.group = data.number(2)
    answer.extensions = frozenset(kinds)


def _read_key_exchange(answer: Answer, body: bytes) -> None:
    reader = Reader(body)
    if reader.number(1) != _NAMED_CURVE:
        return  # DHE: the cipher already says so
    answer.group = reader.number(2)
    reader.block(1)
    if answer.version == TLS12 and reader:  # an anonymous server signs nothing
        answer.signature = reader.number(2)


def understand(answer: Answer, kind: int, body: bytes) -> bool:
    """Read one handshake message into the answer; say whether the server's first flight ends with it."""
    if kind == _SERVER_HELLO:
        _read_server_hello(answer, body)
        return answer.version == TLS13
    if kind == _CERTIFICATE_STATUS:
        answer.stapled = True
    elif kind == _SERVER_KEY_EXCHANGE:
        _read_key_exchange(answer, body)
    return kind == _SERVER_HELLO_DONE


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            return b""
        data += part
    return data


def _records(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    while head := _exactly(connection, 5):
        kind, _, size = struct.unpack("!BHH", head)
        if size > _LARGEST_RECORD:
            raise ValueError("the server does not speak TLS")
        yield kind, _exactly(connection, size)


def _receive(connection: socket.socket) -> Answer:
    answer, waiting = Answer(), b""
    for kind, data in _records(connection):
        if kind == _ALERT:
            if data[:1] == b"\x01":  # a warning, such as unrecognized_name, is no refusal
                continue
            answer.alert = data[1] if len(data) > 1 else 0
            return answer
        if kind != _HANDSHAKE:
            return answer
        waiting += data
        while len(waiting) >= 4 and len(waiting) >= 4 + int.from_bytes(waiting[1:4], "big"):  # noqa: PLR2004
            end = 4 + int.from_bytes(waiting[1:4], "big")
            if understand(answer, waiting[0], waiting[4:end]):
                return answer
            waiting = waiting[end:]
    return answer


def ask(address: str, port: int, hello: Hello, timeout: float) -> Answer:
    """Offer a ClientHello and read the answer. OSError: cannot be reached. ValueError: speaks something else."""
    with socket.create_connection((address, port), timeout) as connection:
        try:
            connection.sendall(encode(hello))
            return _receive(connection)
        except (ConnectionResetError, BrokenPipeError):
            # How some servers refuse: without a word
            return Answer(alert=0)
