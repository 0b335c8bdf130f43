#!/usr/bin/python3
"""Answer on every port named, over IPv4 and IPv6: "8001" by TCP with one line, "8005/udp" with what was sent."""

import selectors
import socket
import sys


def main() -> None:
    """Serve until killed."""
    watch = selectors.DefaultSelector()
    for word in sys.argv[1:]:
        port, _, protocol = word.partition("/")
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        server = socket.socket(socket.AF_INET6, kind)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("::", int(port)))
        if kind == socket.SOCK_STREAM:
            server.listen()
        watch.register(server, selectors.EVENT_READ)
    while True:
        for key, _ in watch.select():
            assert isinstance(key.fileobj, socket.socket)
            server = key.fileobj
            if server.type == socket.SOCK_STREAM:
                client, _ = server.accept()
                client.sendall(b"here\n")
                client.close()
            else:
                data, sender = server.recvfrom(100)
                server.sendto(data, sender)


main()
