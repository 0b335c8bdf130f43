"""Stand-ins for the web and streaming processes, on the socket of the first argument: they tell what nginx sent."""

import base64
import hashlib
import http.server
import json
import socketserver
import sys
import time
from pathlib import Path

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3

# What the application may say about its answers: everything, nothing, or that other sites may embed this one
OWN_HEADERS = {
    "/own": (
        "text/html",
        {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "SAMEORIGIN",
            "Permissions-Policy": "camera=(self)",
            "Content-Security-Policy": "default-src 'self'",
        },
    ),
    "/embed": ("text/html", {"Content-Security-Policy": "default-src 'self'; frame-ancestors *"}),
    "/bare-page": ("text/html; charset=utf-8", {}),
    "/bare-data": ("application/activity+json; charset=utf-8", {}),
}


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the journal of a stand-in interests nobody."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/v1/streaming"):
            self.stream()
        elif path == "/public":
            type(self).count += 1
            self.answer(f"{self.count}\n", "text/plain", {"Cache-Control": "public, max-age=60", "Vary": "Accept"})
        elif path == "/unmarked":
            type(self).count += 1
            self.answer(f"{self.count}\n", "text/plain", {})
        elif path in OWN_HEADERS:
            kind, headers = OWN_HEADERS[path]
            self.answer("{}", kind, headers)
        elif path == "/unchanged":
            self.send_response(304)
            self.end_headers()
        elif path in {"/page", "/api/v1/long"}:
            kind = "text/html" if path == "/page" else "application/json"
            self.answer(json.dumps({"text": "long " * 2000}), kind, {"Cache-Control": "private, no-store"})
        else:
            self.answer(json.dumps(dict(self.headers)), "application/json", {"Strict-Transport-Security": "max-age=1"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(json.dumps({"received": len(body)}), "application/json", {})

    def stream(self) -> None:
        if self.headers.get("Upgrade", "").lower() == "websocket":
            key = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + MAGIC).encode(), usedforsecurity=False).digest()
            self.send_response(101)
            for name, value in {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Accept": base64.b64encode(key).decode(),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"\x81\x05hello")
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(3):
            self.wfile.write(f"event: update\ndata: {number}\n\n".encode())
            self.wfile.flush()
            time.sleep(1.5)
        self.close_connection = True

    def answer(self, body: str, kind: str, headers: dict[str, str]) -> None:
        data = body.encode()
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    socket = Path(sys.argv[1])
    socket.unlink(missing_ok=True)
    server = Server(str(socket), Handler)
    socket.chmod(0o660)
    server.serve_forever()
