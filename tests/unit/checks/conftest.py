"""A certificate of a CA of the tests' own, and servers that speak TLS as badly as it is asked for."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from meentwerk.checks.probe import Target

NAME = "social.example.test"
Serve = Callable[..., Target]


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and for ec and rsa a key and a certificate for NAME."""
    folder = tmp_path_factory.mktemp("authority")
    new_key = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["-newkey", "rsa:2048"]}
    ca = ["-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem", "-subj", "/CN=Tests"]
    _openssl("req", "-x509", "-nodes", *new_key["ec"], *ca, "-addext", "keyUsage=critical,keyCertSign")
    for kind, options in new_key.items():
        request = ["-keyout", f"{folder}/{kind}.key", "-out", f"{folder}/{kind}.csr", "-subj", f"/CN={NAME}"]
        _openssl("req", "-nodes", *options, *request, "-addext", f"subjectAltName=DNS:{NAME}")
        sign = ["-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-days", "90", "-copy_extensions", "copy"]
        _openssl("x509", "-req", "-in", f"{folder}/{kind}.csr", "-out", f"{folder}/{kind}.pem", *sign)
    return folder


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("openssl s_server does not listen")


@pytest.fixture
def serve(authority: Path) -> Iterator[Serve]:
    """Start `openssl s_server` with options; returns where it is. Ended after the test."""
    running = []

    def start(*options: str, key: str = "ec", page: bool = True) -> Target:
        port = _free_port()
        files = ["-cert", str(authority / f"{key}.pem"), "-key", str(authority / f"{key}.key")]
        pages = ["-www"] if page else []
        process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", *pages, *files, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running.append(process)
        _wait(port)
        return Target([NAME], ["127.0.0.1"], str(authority / "ca.pem"), port=port, timeout=5)

    yield start
    for process in running:
        process.kill()
        process.wait()
