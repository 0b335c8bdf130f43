"""`scripts/apply-moderation` beside fediblockhole from PyPI. Run it with benchmarks/moderation.

Both get the same CSV lists and the same server, which must be one for tests: its domain blocks are deleted. A first
load by fediblockhole takes a second for each block, so it loads a part only and the table says so; everything else is
done whole. Requests are counted in both programs in the same way, by a hook in the library `requests` that both use.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from meentwerk.api import Client, Server, read_token

RESULTS = Path(__file__).parent / "results"
REPEATS = 3
# Runs before each program: counts what requests sends, and leads the server's name to its address
HOOK = """\
import atexit, os, socket
name, address = os.environ.get("BENCH_NAME"), os.environ.get("BENCH_ADDRESS")
if name and address:
    plain = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *a, **k: plain(address if host == name else host, *a, **k)
def count():
    import requests
    send, sent = requests.Session.send, [0]
    def counted(self, *a, **k):
        sent[0] += 1
        return send(self, *a, **k)
    requests.Session.send = counted
    atexit.register(lambda: open(os.environ["BENCH_COUNT"], "w").write(str(sent[0])))
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "requests":
            sys.meta_path.remove(self)
            import importlib.util
            spec = importlib.util.find_spec(name)
            load = spec.loader.exec_module
            def exec_module(module):
                load(module)
                sys.modules["requests"] = module
                count()
            spec.loader.exec_module = exec_module
            return spec
sys.meta_path.insert(0, Finder())
"""


@dataclass
class Run:
    """One command: seconds, requests over HTTP, exit code, what it printed."""

    seconds: float
    requests: int
    code: int
    output: str


@dataclass
class Bench:
    """The server, the tools and a folder for their files."""

    options: argparse.Namespace
    folder: Path
    client: Client
    token: str

    @property
    def host(self) -> str:
        """The server's name."""
        return self.client.server.host

    def run(self, command: Sequence[str | Path], **environment: str) -> Run:
        """Run a command and measure it."""
        counter = self.folder / "count"
        counter.unlink(missing_ok=True)
        extra = {"BENCH_NAME": self.host, "BENCH_ADDRESS": self.options.address or "", "BENCH_COUNT": str(counter)}
        if self.options.ca_file:
            extra["REQUESTS_CA_BUNDLE"] = str(self.options.ca_file)
        begin = time.perf_counter()
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(self.folder / "hook"), **extra, **environment},
        )
        seconds = time.perf_counter() - begin
        sent = int(counter.read_text()) if counter.exists() else 0
        return Run(seconds, sent, done.returncode, done.stdout + done.stderr)

    # --- Meentwerk

    def meentwerk(self, verb: str, policy: Path, *, way: str) -> Run:
        """Run apply-moderation with a policy."""
        command: list[str | Path] = [sys.executable, "-m", "meentwerk.cli", "moderation", verb, "-p", policy, "--json"]
        if way == "batch":
            command += ["--instance", self.options.instance, "-i", self.options.inventory, "--way", "batch"]
        else:
            command += ["--server", self.client.server.url, "--token-file", self.options.token_file]
            command += ["--ca-file", self.options.ca_file] if self.options.ca_file else []
            command += ["--address", self.options.address] if self.options.address else []
        return self.run(command)

    def policy(self, name: str, source: Path | None) -> Path:
        """Write a policy whose domain blocks are exactly those of a list."""
        body: dict[str, Any] = {"layer": name, "owner": "Bench", "ownership": {"domain_blocks": "exclusive"}}
        body["domain_blocks"] = []
        body["guards"] = {"most_deletions_percent": 100}
        if source:
            body["sources"] = [{"name": "bench", "file": source.name, "reason": "Measured"}]
        file = self.folder / f"{name}.yml"
        file.write_text(yaml.safe_dump(body))
        return file

    def clear(self) -> None:
        """Delete every domain block."""
        done = self.meentwerk("apply", self.policy("nothing", None), way="batch")
        if done.code:
            raise SystemExit(f"the server could not be cleared: {done.output}")

    # --- fediblockhole

    def fediblockhole(self, source: Path) -> Run:
        """Push a list as fediblockhole does."""
        configuration = self.folder / "fediblockhole.toml"
        configuration.write_text(
            f"blocklist_url_sources = [{{ url = 'file://{source}', format = 'csv' }}]\n"
            f"blocklist_instance_destinations = [{{ domain = '{self.host}', token = '{self.token}' }}]\n"
            "import_fields = ['public_comment', 'reject_media', 'reject_reports', 'obfuscate']\n"
        )
        configuration.chmod(0o600)
        return self.run([self.folder / "venv/bin/fediblock-sync", "-c", configuration])

    # --- the server

    def state(self) -> dict[str, tuple[Any, ...]]:
        """Every domain block by what both programs set."""
        fields = ("severity", "reject_media", "reject_reports", "obfuscate", "public_comment")
        rows = self.client.pages("/api/v1/admin/domain_blocks", limit=500)
        return {row["domain"]: tuple(row[field] or "" for field in fields) for row in rows}


def write_list(file: Path, blocks: int) -> Path:
    """Write a list that both programs read; silence only, since fediblockhole 0.4.6 ends at the first suspend."""
    lines = ["domain,severity,public_comment,reject_media,reject_reports,obfuscate"]
    lines += [f"spam{number}.bench.example.com,silence,Spam,true,false,false" for number in range(blocks)]
    file.write_text("\n".join(lines) + "\n")
    return file


def install(folder: Path) -> str:
    """Install fediblockhole into a virtual environment of its own; return its version."""
    python = folder / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "fediblockhole"], check=True, stderr=subprocess.DEVNULL)
    code = "from importlib.metadata import version; print(version('fediblockhole'))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def middle(runs: Sequence[Run]) -> Run:
    """Return the run of median time; all must have ended well."""
    for run in runs:
        if run.code:
            raise SystemExit(f"a run failed: {run.output[-2000:]}")
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]


def measure(bench: Bench) -> dict[str, Any]:
    """Do the whole comparison; return its figures."""
    blocks, part = bench.options.blocks, bench.options.part
    whole = write_list(bench.folder / "whole.csv", blocks)
    some = write_list(bench.folder / "part.csv", part)
    result: dict[str, Any] = {"blocks": blocks, "part": part}
    say(f"fediblockhole loads {part} blocks")
    bench.clear()
    theirs = middle([bench.fediblockhole(some)])
    wanted_part = bench.state()
    say(f"Meentwerk loads {part} blocks over the API")
    bench.clear()
    ours_api = middle([bench.meentwerk("apply", bench.policy("part", some), way="api")])
    result["same_after_part"] = wanted_part == bench.state()
    say(f"Meentwerk loads {blocks} blocks with bin/batch")
    bench.clear()
    ours = middle([bench.meentwerk("apply", bench.policy("whole", whole), way="batch")])
    state = bench.state()
    say("both run again, with nothing to change")
    ours_again = middle([bench.meentwerk("apply", bench.policy("whole", whole), way="api") for _ in range(REPEATS)])
    theirs_again = middle([bench.fediblockhole(whole) for _ in range(REPEATS)])
    result["same_after_whole"] = state == bench.state() and len(state) == blocks
    for name, run in {
        "fediblockhole_part": theirs, "meentwerk_part_api": ours_api, "meentwerk_whole_batch": ours,
        "fediblockhole_again": theirs_again, "meentwerk_again": ours_again,
    }.items():  # fmt: skip
        result[name] = {"seconds": round(run.seconds, 2), "requests": run.requests}
    result["per_block"] = statistics.mean([theirs.seconds / part])
    return result


def table(result: Mapping[str, Any]) -> str:
    """Return the figures as a table in Markdown."""
    blocks, part = result["blocks"], result["part"]
    theirs, ours_part, ours = (
        result[name] for name in ("fediblockhole_part", "meentwerk_part_api", "meentwerk_whole_batch")
    )
    whole = theirs["seconds"] / part * blocks
    again, theirs_again = result["meentwerk_again"], result["fediblockhole_again"]
    rows = [
        (f"first load of {part}, API", theirs, ours_part, theirs["seconds"] / ours_part["seconds"]),
        (
            f"first load of {blocks}, bin/batch",
            {"seconds": f"{whole:.0f} (from {part})", "requests": round(theirs["requests"] / part * blocks)},
            ours,
            whole / ours["seconds"],
        ),
        (f"again, {blocks} blocks, nothing to change", theirs_again, again, theirs_again["seconds"] / again["seconds"]),
    ]
    lines = [
        "|  | fediblockhole: seconds, requests | Meentwerk: seconds, requests | times faster |",
        "| --- | --- | --- | --- |",
    ]
    for name, one, other, ratio in rows:
        lines.append(
            f"| {name} | {one['seconds']}, {one['requests']} | {other['seconds']}, {other['requests']} | {ratio:.1f} |"
        )
    same = "yes" if result["same_after_part"] and result["same_after_whole"] else "NO"
    return "\n".join([*lines, "", f"Final state the same: {same}. fediblockhole {result['fediblockhole']}."])


def say(text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print the table, and keep the figures."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/moderation",
        description="scripts/apply-moderation beside fediblockhole, on a server for tests: its blocks are deleted.",
    )
    parser.add_argument("--server", required=True, help="its address")
    parser.add_argument("--token-file", required=True, type=Path, help="scopes: profile admin:read admin:write")
    parser.add_argument("--ca-file", type=Path)
    parser.add_argument("--address", help="where to connect when DNS does not know the name")
    parser.add_argument("--instance", required=True, help="the same server in an inventory, for bin/batch")
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--blocks", type=int, default=2000)
    parser.add_argument("--part", type=int, default=60, help="how many fediblockhole loads (a second each)")
    options = parser.parse_args()
    server = Server.parse(options.server, options.ca_file, options.address)
    token = read_token(options.token_file)
    folder = Path(tempfile.mkdtemp(prefix="meentwerk-bench-"))
    try:
        (folder / "hook").mkdir()
        (folder / "hook/sitecustomize.py").write_text(HOOK)
        bench = Bench(options, folder, Client(server, token), token)
        version = install(folder)
        result = {"fediblockhole": version, "at": datetime.now(UTC).isoformat(timespec="seconds"), **measure(bench)}
        bench.clear()
    finally:
        shutil.rmtree(folder)
    print(table(result))
    (RESULTS / f"moderation-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0 if result["same_after_part"] and result["same_after_whole"] else 1


if __name__ == "__main__":
    sys.exit(main())
