"""bin/sidekiq: works the queues, in the shape and with the signals of Sidekiq.

A job moves in one step from its queue to this process's own list, and leaves that list only when it is done. What a
killed process held is found there and queued again by another one.
"""

import json
import os
import queue as handoff
import resource
import secrets
import signal
import socket
import threading
import time
from types import FrameType
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from . import jobs, logs, release, self_destruct, systemd, tasks
from .cache import Valkey, connect
from .config import Config, run
from .context import Services
from .db import sessions

BEAT_SECONDS = 10
PROCESS_TTL = 60
FINISH_SECONDS = 25
POLL_SECONDS = 5
VACUUM_SECONDS = 3600
HELD = "sandbox:held"  # the identities that may hold jobs


def retry_delay(count: int) -> int:
    """Seconds until the next attempt (Sidekiq::JobRetry, without its jitter)."""
    return int(count**4) + 15


class Worker:
    """One process: a fetcher, threads that work, a heart that beats."""

    def __init__(self, config: Config) -> None:
        self._services = Services(config, sessions(config, pool=config.sidekiq_concurrency + 1), connect(config))
        self._valkey: Valkey = self._services.valkey
        self._leaving = self_destruct.active(config)
        self._concurrency = max(config.sidekiq_concurrency, 1)
        self.identity = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"
        self._held = f"{HELD}:{self.identity}"
        self._started = time.time()
        self._quiet = threading.Event()
        self._stopping = threading.Event()
        self._free = threading.Semaphore(self._concurrency)
        self._next: handoff.SimpleQueue[str] = handoff.SimpleQueue()
        self._busy: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._log = logs.setup("sidekiq")

    def run(self) -> int:
        """Work until TERM."""
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGTSTP, self._on_quiet)
        self._beat()
        fetcher = threading.Thread(target=self._fetch_forever, daemon=True)
        fetcher.start()
        for target in (self._beat_forever, self._poll_forever):
            threading.Thread(target=target, daemon=True).start()
        for _ in range(self._concurrency):
            threading.Thread(target=self._work_forever, daemon=True).start()
        systemd.notify("READY=1")
        self._log.info("%s works with %d threads", self.identity, self._concurrency)
        while not self._stopping.wait(1):
            pass
        fetcher.join(timeout=2)  # it may be taking one last job: that one must be given back as well
        self._finish()
        return 0

    # --- signals: only flags here, work elsewhere

    def _on_quiet(self, _number: int, _frame: FrameType | None) -> None:
        self._quiet.set()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._quiet.set()
        self._stopping.set()

    # --- fetching

    def _fetch_forever(self) -> None:
        while True:
            self._free.acquire()
            payload = None
            while payload is None:
                if self._quiet.is_set():
                    return
                try:
                    payload = self._fetch()
                except RedisError as error:
                    self._log.warning("Valkey: %s; trying again", type(error).__name__)
                    time.sleep(1)
            self._next.put(payload)

    def _fetch(self) -> str | None:
        for name in jobs.QUEUES:
            payload: str | None = self._valkey.lmove(f"queue:{name}", self._held, "RIGHT", "LEFT")
            if payload is not None:
                return payload
        found: str | None = self._valkey.blmove("queue:default", self._held, 1, "RIGHT", "LEFT")
        return found

    # --- working

    def _work_forever(self) -> None:
        while True:
            payload = self._next.get()
            thread = f"{threading.get_ident():x}"
            try:
                job = json.loads(payload)
                with self._lock:
                    self._busy[thread] = {"queue": job["queue"], "payload": payload, "run_at": int(time.time())}
                self._work(job, payload)
            except (ValueError, KeyError, TypeError):
                self._log.error("dropped a job that is no Sidekiq job")
                self._valkey.lrem(self._held, 1, payload)
            except RedisError as error:
                # The job stays in this process's list and is queued again by recovery.
                self._log.warning("Valkey: %s", type(error).__name__)
            finally:
                with self._lock:
                    self._busy.pop(thread, None)
                self._free.release()

    def _work(self, job: dict[str, Any], payload: str) -> None:
        try:
            tasks.perform(self._services, str(job["class"]), job["args"])
        except tasks.UnknownTaskError:
            self._log.error("no such job class: %s", job["class"])
            self._bury(job, payload, "UnknownTaskError")
        except Exception as error:
            if not isinstance(error, SQLAlchemyError | RedisError | OSError):
                self._log.exception("%s failed", job["class"])
            self._retry(job, payload, type(error).__name__)
        else:
            pipe = self._valkey.pipeline()
            pipe.lrem(self._held, 1, payload)
            pipe.incr("stat:processed")
            pipe.execute()

    def _retry(self, job: dict[str, Any], payload: str, error: str) -> None:
        count = int(job.get("retry_count", -1)) + 1
        if count >= int(job.get("retry", jobs.RETRIES)):
            self._bury(job, payload, error)
            return
        job |= {"retry_count": count, "error_class": error, "failed_at": int(time.time() * 1000)}
        pipe = self._valkey.pipeline()
        pipe.zadd("retry", {json.dumps(job): time.time() + retry_delay(count)})
        pipe.lrem(self._held, 1, payload)
        pipe.incr("stat:failed")
        pipe.execute()
        self._log.warning("%s failed with %s, attempt %d", job["class"], error, count + 1)

    def _bury(self, job: dict[str, Any], payload: str, error: str) -> None:
        pipe = self._valkey.pipeline()
        pipe.zadd("dead", {json.dumps({**job, "error_class": error}): time.time()})
        pipe.lrem(self._held, 1, payload)
        pipe.incr("stat:failed")
        pipe.execute()

    # --- heart

    def _beat_forever(self) -> None:
        while True:
            try:
                self._beat()
            except RedisError as error:
                self._log.warning("no heartbeat: Valkey: %s", type(error).__name__)
            time.sleep(BEAT_SECONDS)

    def _beat(self) -> None:
        with self._lock:
            busy = dict(self._busy)
        info = {
            "hostname": socket.gethostname(),
            "started_at": self._started,
            "pid": os.getpid(),
            "tag": "sandbox",
            "concurrency": self._concurrency,
            "queues": list(jobs.QUEUES),
            "labels": [],
            "identity": self.identity,
            "version": release.VERSION,
            "embedded": False,
        }
        work = f"{self.identity}:work"
        pipe = self._valkey.pipeline()
        pipe.sadd("processes", self.identity)
        pipe.sadd(HELD, self.identity)
        pipe.hset(
            self.identity,
            mapping={
                "info": json.dumps(info),
                "concurrency": self._concurrency,
                "busy": len(busy),
                "beat": time.time(),
                "quiet": "true" if self._quiet.is_set() else "false",
                "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            },
        )
        pipe.expire(self.identity, PROCESS_TTL)
        pipe.delete(work)
        if busy:
            pipe.hset(work, mapping={thread: json.dumps(job) for thread, job in busy.items()})
            pipe.expire(work, PROCESS_TTL)
        pipe.execute()

    # --- retries, recovery, periodic work

    def _poll_forever(self) -> None:
        while not self._quiet.is_set():
            try:
                self._due("retry")
                self._due("schedule")
                self._recover()
                if self._leaving:
                    # Nothing else is scheduled any more, as upstream has it
                    if self._valkey.set(self_destruct.TURN, self.identity, nx=True, ex=self_destruct.SECONDS_BETWEEN):
                        jobs.push(self._valkey, "Scheduler::SelfDestructScheduler")
                elif self._valkey.set("sandbox:vacuum", self.identity, nx=True, ex=VACUUM_SECONDS):
                    jobs.push(self._valkey, "Scheduler::VacuumScheduler")
            except RedisError as error:
                self._log.warning("Valkey: %s", type(error).__name__)
            time.sleep(POLL_SECONDS)

    def _due(self, name: str) -> None:
        for payload in self._valkey.zrangebyscore(name, "-inf", time.time(), start=0, num=100):
            # Whoever removes it queues it: two processes cannot both.
            if self._valkey.zrem(name, payload):
                job = json.loads(payload) | {"enqueued_at": int(time.time() * 1000)}
                self._valkey.sadd("queues", job["queue"])
                self._valkey.lpush(f"queue:{job['queue']}", json.dumps(job))

    def _recover(self) -> None:
        for identity in self._valkey.smembers(HELD):
            if identity == self.identity or self._valkey.exists(identity):
                continue
            held = f"{HELD}:{identity}"
            count = self._give_back(held)
            pipe = self._valkey.pipeline()
            pipe.srem(HELD, identity)
            pipe.srem("processes", identity)
            pipe.execute()
            if count:
                self._log.warning("queued %d job(s) again that %s had begun", count, identity)

    def _give_back(self, held: str) -> int:
        count = 0
        for payload in self._valkey.lrange(held, 0, -1):
            name = json.loads(payload).get("queue", "default")
            pipe = self._valkey.pipeline()
            pipe.lrem(held, 1, payload)
            pipe.rpush(f"queue:{name}", payload)
            pipe.execute()
            count += 1
        return count

    def _finish(self) -> None:
        systemd.notify("STOPPING=1")
        deadline = time.monotonic() + FINISH_SECONDS
        while time.monotonic() < deadline:
            with self._lock:
                if not self._busy:
                    break
            time.sleep(0.1)
        count = self._give_back(self._held)
        pipe = self._valkey.pipeline()
        pipe.srem("processes", self.identity)
        pipe.srem(HELD, self.identity)
        pipe.delete(self.identity, f"{self.identity}:work")
        pipe.execute()
        self._log.info("stopped; %d job(s) given back", count)


def main() -> int:
    """Work the queues."""
    return run("sidekiq", lambda config: Worker(config).run())
