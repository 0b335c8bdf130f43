"""bin/check: whether everything behind the instance works, as JSON."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg
import redis

from . import release, schema, sockets
from .cache import Valkey, connect
from .config import Config, run

UNHEALTHY = 3
BEAT_SECONDS = 30
LATENCY_SECONDS = 300
DISK_FREE = 0.05
TIMEOUT = 5
STREAMING_SOCKET = "/run/mastodon/streaming.sock"


class _BadError(Exception):
    """A check failed; the message says what was seen."""


def main() -> int:
    """Print {"healthy":..,"version":..,"checks":{..}}; exit 0 when healthy, else 3."""
    return run("check", _run)


def _run(config: Config) -> int:
    valkey = connect(config)
    checks: dict[str, Callable[[], str]] = {
        "database": lambda: _database(config),
        "cache": lambda: _cache(valkey),
        "queues": lambda: _queues(valkey),
        "streaming": _streaming,
        "disk": lambda: _disk(config),
        "migrations": lambda: _migrations(config),
    }
    results = {name: _result(check) for name, check in checks.items()}
    healthy = all(result["ok"] for result in results.values())
    sys.stdout.write(json.dumps({"healthy": healthy, "version": release.VERSION, "checks": results}) + "\n")
    return 0 if healthy else UNHEALTHY


def _result(check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"ok": True, "detail": check()}
    except (_BadError, psycopg.Error, redis.RedisError, OSError) as error:
        return {"ok": False, "detail": " ".join(str(error).split()) or type(error).__name__}


def _connection(config: Config) -> psycopg.Connection:
    return psycopg.connect(**config.database, connect_timeout=TIMEOUT, autocommit=True)  # type: ignore[arg-type]


def _database(config: Config) -> str:
    started = time.monotonic()
    with _connection(config) as connection:
        # A transactional message: needs a writable primary, changes nothing.
        connection.execute("SELECT pg_logical_emit_message(true, 'check', 'x')")
    return f"writable, {(time.monotonic() - started) * 1000:.0f} ms"


def _cache(valkey: Valkey) -> str:
    valkey.set(f"sandbox:check:{os.getpid()}", "x", ex=10)
    persistence = valkey.info("persistence")
    problems = [name for name in ("rdb_last_bgsave_status", "aof_last_write_status") if persistence.get(name) == "err"]
    if problems:
        raise _BadError(f"writable, but not kept on disk: {', '.join(problems)}")
    return "writable"


def _queues(valkey: Valkey) -> str:
    now = time.time()
    beats = [float(valkey.hget(identity, "beat") or 0) for identity in valkey.smembers("processes")]
    alive = sum(now - beat < BEAT_SECONDS for beat in beats)
    if not alive:
        raise _BadError(f"no worker gave a sign of life in {BEAT_SECONDS} s")
    latencies = [0.0]
    waiting = 0
    for queue in valkey.smembers("queues"):
        waiting += int(valkey.llen(f"queue:{queue}"))
        oldest = valkey.lindex(f"queue:{queue}", -1)
        if oldest:
            latencies.append(now - json.loads(oldest)["enqueued_at"] / 1000)
    if max(latencies) > LATENCY_SECONDS:
        raise _BadError(f"{waiting} jobs wait, the oldest for {max(latencies):.0f} s")
    return f"{alive} process(es), {waiting} jobs wait, {int(valkey.zcard('retry'))} to retry"


def _streaming() -> str:
    path = os.environ.get("STREAMING_SOCKET") or STREAMING_SOCKET
    if Path(path).exists():
        return _health(sockets.UnixConnection(path, timeout=TIMEOUT), path)
    port = int(os.environ.get("STREAMING_PORT") or 4000)
    return _health(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT), f"port {port}")


def _health(connection: HTTPConnection, place: str) -> str:
    try:
        connection.request("GET", "/api/v1/streaming/health")
        answer = connection.getresponse()
        if answer.status != 200 or answer.read() != b"OK":  # noqa: PLR2004
            raise _BadError(f"{place} answered {answer.status}")
    except OSError as error:
        raise _BadError(f"{place}: {error}") from error
    finally:
        connection.close()
    return f"{place} answers"


def _disk(config: Config) -> str:
    path = config.media_path
    while not path.exists() and path != path.parent:
        path = path.parent
    usage = shutil.disk_usage(path)
    free = usage.free / usage.total
    if free < DISK_FREE:
        raise _BadError(f"{path}: only {free:.1%} free")
    if not os.access(path, os.W_OK):
        raise _BadError(f"{path} is not writable for this user")
    return f"{path}: {free:.0%} free"


def _migrations(config: Config) -> str:
    with _connection(config) as connection:
        todo = schema.pending(schema.applied(connection))
    if todo["pre"]:
        raise _BadError(f"pending: {', '.join(todo['pre'])}")
    return f"pending after the switch: {', '.join(todo['post'])}" if todo["post"] else "none pending"
