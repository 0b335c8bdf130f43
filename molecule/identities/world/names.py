"""A name server for the scenario: fixed addresses, and one name that leads elsewhere at every second question.

It answers questions for A records (RFC 1035, 4.1) with a lifetime of zero; everything else has no answer.
"""

import socket
import struct

INSTANCES = {"social.tides.example.test": "10.87.100.11", "social.lakes.example.test": "10.87.100.12"}
SITES, PRIVATE = "10.87.100.13", "10.87.100.66"
REBIND = "rebind.storm.example.test"
A = 1


def address(name: str, asked: int) -> str | None:
    if name == REBIND:
        return SITES if asked % 2 == 0 else PRIVATE
    if name == "private.storm.example.test":
        return PRIVATE
    if name == "silent.storm.example.test":
        return None
    return INSTANCES.get(name, SITES) if name.endswith(".example.test") else None


def question(packet: bytes) -> tuple[str, int, int]:
    """Return name, type, and where the question ends."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("ascii").lower())
        at += packet[at] + 1
    (kind,) = struct.unpack_from("!H", packet, at + 1)
    return ".".join(labels), kind, at + 5


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", 53))
    rebound = 0
    while True:
        packet, peer = server.recvfrom(512)
        try:
            name, kind, end = question(packet)
        except (IndexError, struct.error, UnicodeDecodeError):
            continue
        found = address(name, rebound) if kind == A else None
        if kind == A and name == REBIND:
            rebound += 1
        known = name.endswith(".example.test")
        head = packet[:2] + struct.pack("!HHHHH", 0x8580 | (0 if known else 3), 1, 1 if found else 0, 0, 0)
        record = struct.pack("!HHHIH", 0xC00C, A, 1, 0, 4) + socket.inet_aton(found) if found else b""
        server.sendto(head + packet[12:end] + record, peer)


if __name__ == "__main__":
    main()
