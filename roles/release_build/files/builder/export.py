"""Stage `export`: the tree, and on request the downloads, each as one file for the controller to fetch."""

import hashlib
import json
import shutil
from pathlib import Path

from .bench import Bench

CHUNK = 1 << 20


def export(bench: Bench) -> None:
    """Pack the tree quickly; the controller makes the release of it."""
    out = bench.folder(bench.work / "out", empty=True)
    compress = ["--use-compress-program=zstd -q -3 -T0"]
    bench.run(
        ["tar", "--create", "--file", out / "tree.tar.zst", *compress, "--directory", bench.app, "."], "pack the tree"
    )
    shutil.copyfile(bench.work / "components.json", out / "components.json")
    if bench.plan.keep:
        names = sorted(path for path in bench.downloads.rglob("*") if path.is_file() and wanted(path))
        manifest = {path.relative_to(bench.downloads).as_posix(): digest(path) for path in names}
        (bench.downloads / "kept.json").write_text(
            json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        listing = out / "names"
        listing.write_bytes(b"\0".join([*(name.encode() for name in manifest), b"kept.json"]))
        bench.run(["tar", "--create", "--file", out / "downloads.tar", "--directory", bench.downloads, "--null",
                   "--no-recursion", "--files-from", listing], "pack the downloads", root=True)  # fmt: skip


def wanted(path: Path) -> bool:
    """Tell whether a file of the downloads is worth keeping; apt leaves a lock and a folder for halves."""
    return path.name not in {"lock", "kept.json"} and "partial" not in path.parts


def digest(path: Path) -> str:
    """Give a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
