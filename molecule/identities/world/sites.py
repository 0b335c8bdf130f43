"""The departments' web sites, right, wrong, redirecting and hostile; the argument is the folder of their certificate.

The path names the case, and the account that the page is to link back to.
"""

import contextlib
import http.server
import ssl
import sys
import time
from pathlib import Path

SOCIAL = "https://social.tides.example.test"
PRIVATE = "https://private.storm.example.test/"
MEGABYTE = 1024 * 1024
SWITCH = Path("/run/redesigned")


def back(name: str) -> str:
    return f'<!DOCTYPE html><html><head><link rel="me" href="{SOCIAL}/@{name}"></head><body>Welcome</body></html>'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the capture is what counts."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        host = self.headers["Host"]
        path, _, query = self.path.partition("?")
        case = path.strip("/")
        with contextlib.suppress(OSError):
            if path.startswith("/.well-known/"):
                self.well_known(host, path, query)
            elif host.startswith("private."):
                self.page(back("rebinding") + back("inside"))
            else:
                self.case(host, case)

    def well_known(self, host: str, path: str, query: str) -> None:
        """The handle's domain leads to the server, as a webmaster sets it up."""
        if host == "tides.example.test":
            target = f"{SOCIAL}{path}{'?' + query if query else ''}"
            self.answer(301, b"", {"Location": target, "Access-Control-Allow-Origin": "*"})
        else:
            self.answer(404, b"", {})

    def case(self, host: str, case: str) -> None:
        redirects = {
            "within": "https://www.dunes.example.test/landed-within",
            "stranger": "https://www.lakes.example.test/landed-stranger",
            "downgrade": "http://www.dunes.example.test/landed-downgrade",
            "endless": "https://www.dunes.example.test/endless",
            "inside": PRIVATE,
            "rebinding": "https://rebind.storm.example.test/again",
            "again": "https://rebind.storm.example.test/second",
            "profile": f"{SOCIAL}/@headredirect",
        }
        if case in redirects:
            self.answer(302, b"", {"Location": redirects[case]})
        elif case.startswith("landed-"):
            self.page(back(case.removeprefix("landed-")))
        elif case == "right":
            self.page("<p>redesigned" if SWITCH.exists() else back("right"))
        elif case in {"wrongcase", "slash", "script", "late", "huge", "slow", "headredirect"}:
            getattr(self, case)()
        elif case == "nolink":
            self.page("<p>Welcome")
        elif case == "gone":
            self.answer(404, b"", {})
        else:
            self.page(back(case))

    def wrongcase(self) -> None:
        self.page(f'<a rel="nofollow me" href="{SOCIAL.upper().replace("HTTPS", "https")}/@WrongCase">us</a>')

    def slash(self) -> None:
        self.page(f'<a rel="me" href="{SOCIAL}/@slash/">us</a>')

    def script(self) -> None:
        self.page(f'<script>document.write(\'<a rel="me" href="{SOCIAL}/@script">\')</script>')

    def late(self) -> None:
        self.page(f"{'x' * 2 * MEGABYTE}{back('late')}")

    def headredirect(self) -> None:
        self.page('<a rel="me" href="https://www.dunes.example.test/profile">us</a>')

    def huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(500):
            self.wfile.write(b"x" * MEGABYTE)
        self.close_connection = True

    def slow(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Connection", "close")
        self.end_headers()
        for letter in back("slow")[:60]:
            self.wfile.write(letter.encode())
            self.wfile.flush()
            time.sleep(1)
        self.close_connection = True

    def page(self, text: str) -> None:
        self.answer(200, text.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(folder: Path) -> None:
    server = Server(("", 443), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
