"""Writes down each packet that begins a conversation on any interface, TCP with SYN or UDP, as "to port from".

The file is the argument. It is read off the wire (packet(7)), so it sees attempts that no program answers.
"""

import socket
import struct
import sys
from pathlib import Path

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
TCP, UDP = 6, 17
SYN, ACK = 0x02, 0x10


def conversation(frame: bytes, protocol: int) -> str | None:
    """Return "to port from" of a packet that begins something, else None."""
    if protocol == ETH_P_IP and len(frame) >= 20:
        length = (frame[0] & 15) * 4
        kind, source, target = frame[9], socket.inet_ntoa(frame[12:16]), socket.inet_ntoa(frame[16:20])
    elif protocol == ETH_P_IPV6 and len(frame) >= 40:
        length, kind = 40, frame[6]
        source, target = (socket.inet_ntop(socket.AF_INET6, frame[at : at + 16]) for at in (8, 24))
    else:
        return None
    rest = frame[length:]
    begins = kind == UDP or (kind == TCP and len(rest) > 13 and rest[13] & (SYN | ACK) == SYN)
    if not begins or len(rest) < 4:
        return None
    (port,) = struct.unpack_from("!H", rest, 2)
    return f"{target} {port} {source}"


def main(place: Path) -> None:
    # Cooked: the frame begins with the IP header, on every kind of interface
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    with place.open("w", buffering=1) as log:
        log.write("listening\n")
        while True:
            frame, (_, protocol, *_) = wire.recvfrom(256)
            line = conversation(frame, protocol)
            if line:
                log.write(f"{line}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
