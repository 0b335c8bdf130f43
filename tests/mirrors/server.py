"""Serve a folder with git/, gems/ and npm/ over HTTP, and Debian's archive; write down what was asked for.

It takes the requests of those for whom it is a proxy just as well, whatever the host they name.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from tests.mirrors import small
from tests.mirrors.npm import UPSTREAM, passed_through

DEBIAN = (
    os.environ.get("MEENTWERK_DEBIAN_MIRROR", "http://deb.debian.org/debian").removesuffix("/").removesuffix("/debian")
)


class Mirrors(SimpleHTTPRequestHandler):
    """One request: a file of gems or npm, or git's own server behind it."""

    protocol_version = "HTTP/1.1"
    root: Path
    cache: Path

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self.note(path)
        if (self.root / "down").exists():
            self.answer(503, b"the mirror is down")
        elif path.startswith("git/"):
            self.git(path.removeprefix("git/"))
        elif path.startswith("npm/"):
            self.npm(path.removeprefix("npm/"))
        elif path.startswith(("debian/", "debian-security/")):
            self.debian(path)
        else:
            self.file(self.root / path)

    do_POST = do_GET  # noqa: N815  the name of the base class

    def do_CONNECT(self) -> None:
        """Open a tunnel, as yarn wants one for http too; what comes through it is for this server anyway."""
        self.note(f"CONNECT {self.path}")
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self.close_connection = False

    def note(self, asked: str) -> None:
        with (self.root / "requests.log").open("a") as log:
            log.write(f"{asked}\n")

    def npm(self, path: str) -> None:
        try:
            content = passed_through(path, self.cache)
        except OSError as error:
            self.answer(502, str(error).encode())
            return
        if content is not None:
            self.answer(200, content)
            return
        place = self.root / "npm" / path
        if place.is_dir():
            # Yarn writes an address into the lockfile unless it is the registry's own
            here = f"http://{self.headers['Host']}/npm/"
            self.answer(200, (place / "index.json").read_text().replace(UPSTREAM, here).encode())
        else:
            self.file(place)

    def debian(self, path: str) -> None:
        """Pass Debian's archive through."""
        try:
            with urlopen(f"{DEBIAN}/{path}", timeout=60) as answer:
                self.answer(200, answer.read())
        except HTTPError as error:
            self.answer(error.code, str(error).encode())
        except OSError as error:
            self.answer(502, str(error).encode())

    def file(self, path: Path) -> None:
        if path.is_file():
            self.answer(200, path.read_bytes())
        else:
            self.answer(404, b"not here")

    def answer(self, code: int, content: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def git(self, path: str) -> None:
        """Run git's CGI program, which answers with headers, an empty line and a body."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root / "git"),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{path}",
            "QUERY_STRING": urlsplit(self.path).query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            # The repositories belong to whoever runs the tests
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.answer(int(fields.get("Status", "200").split()[0]), content, fields.get("Content-Type", "text/plain"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of the base class
        pass


def serve(root: Path, listen: str, cache: Path) -> None:
    """Serve until told to stop; the port is written to ROOT/port when it answers."""
    Mirrors.root, Mirrors.cache = root, cache
    server = ThreadingHTTPServer((listen, 0), Mirrors)
    partial = root / "port.part"
    partial.write_text(str(server.server_address[1]))
    partial.rename(root / "port")
    server.serve_forever()


def start(root: Path, listen: str) -> None:
    """Fill ROOT with the small application, serve it in the background, and write variables for a build from it."""
    stop(root)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    commit = small.make(root)
    with (root / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.mirrors.server", "--listen", listen, str(root)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    (root / "pid").write_text(str(server.pid))
    for _ in range(100):
        if (root / "port").exists():
            break
        time.sleep(0.1)
    base = f"http://{listen}:{(root / 'port').read_text()}"
    row = {"tag": small.TAG, "commit": commit, "repository": "https://github.com/example/small"}
    variables = {
        "release_build_flavour": "mastodon",
        "release_build_version": "1.0.0",
        "release_build_catalogue_extra": {"1.0.0": row},
        "release_build_git_mirror": f"{base}/git",
        "release_build_gem_mirror": f"{base}/gems",
        "release_build_npm_mirror": f"{base}/npm",
    }
    (root / "variables.json").write_text(json.dumps(variables, indent=1))


def stop(root: Path) -> None:
    """End the server of ROOT; nothing is said when there is none."""
    try:
        pid = int((root / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if str(root).encode() in command:
        os.kill(pid, signal.SIGTERM)
        sys.stdout.write(f"stopped {pid}\n")


def main() -> None:
    """Serve a folder, or start and stop that in the background."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--stop", action="store_true")
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/meentwerk/test/npm")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    if arguments.stop:
        stop(root)
    elif arguments.start:
        start(root, arguments.listen)
    else:
        serve(root, arguments.listen, arguments.cache)


if __name__ == "__main__":
    main()
