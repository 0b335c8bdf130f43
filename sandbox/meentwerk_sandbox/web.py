"""bin/web: a parent that holds the sockets and keeps its workers alive; each worker is a uvicorn server."""

import asyncio
import os
import selectors
import signal
import socket
import sys
import time
from types import FrameType

import uvicorn

from . import app, logs, systemd
from .config import Config, run
from .front import Front

DEFAULT_PORT = 3000
DRAIN_SECONDS = 30
GRACE_SECONDS = 1.0
KEEPALIVE_SECONDS = 75
RESTART_PAUSE = 1.0
FAST_FAILURES = 5
FAST_SECONDS = 10.0


class _Server(uvicorn.Server):
    """A uvicorn server that says when it serves, and loses nothing when it stops."""

    def __init__(self, config: uvicorn.Config, application: Front, ready: int) -> None:
        super().__init__(config)
        self._application = application
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            os.write(self._ready, b"1")
            os.close(self._ready)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, then wait for what was accepted: its request may not have been read yet.

        Uvicorn closes such connections at once, and the client sees a reset.
        """
        self._application.draining = True
        loop = asyncio.get_running_loop()
        # Not server.close(): asyncio then drops what it has accepted and not yet made a connection of
        for listening in sockets or ():
            loop.remove_reader(listening)
        await asyncio.sleep(GRACE_SECONDS)
        await super().shutdown(sockets)


class Parent:
    """Starts workers, restarts dead ones, drains them on TERM."""

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        self._config = config
        self._sockets = sockets
        self._workers: dict[int, float] = {}
        self._stopping = False
        self._failures = 0
        self._log = logs.setup("web")

    def run(self) -> int:
        """Serve until told to stop; 1 when workers keep dying at the start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if not all([self._start() for _ in range(max(self._config.web_concurrency, 1))]):  # noqa: C419  (start all)
            self._stop(signal.SIGTERM, None)
            self._reap_all()
            return 1
        systemd.notify("READY=1")
        self._log.info("serving with %d worker(s)", len(self._workers))
        while not self._stopping:
            self._wait()
        self._reap_all()
        return 0

    def _start(self) -> bool:
        """Fork a worker and wait until it serves."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._work(writer)
        os.close(writer)
        self._workers[pid] = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(reader, selectors.EVENT_READ)
            selector.select()
        ready = os.read(reader, 1) == b"1"
        os.close(reader)
        return ready

    def _work(self, ready: int) -> None:
        """The worker's whole life; never returns."""
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            application = app.create(self._config)
            config = uvicorn.Config(
                application,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEPALIVE_SECONDS,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                backlog=systemd.BACKLOG,
            )
            server = _Server(config, application, ready)
            server.run(sockets=self._sockets)
            code = 0 if server.started else 1
        except BaseException:
            self._log.exception("worker failed")
        finally:
            os._exit(code)

    def _wait(self) -> None:
        try:
            pid, status = os.waitpid(-1, 0)
        except InterruptedError:
            return
        except ChildProcessError:
            time.sleep(RESTART_PAUSE)
            return
        started = self._workers.pop(pid, 0.0)
        if self._stopping:
            return
        self._log.error("worker %d ended with %d: starting another", pid, os.waitstatus_to_exitcode(status))
        fast = time.monotonic() - started < FAST_SECONDS
        self._failures = self._failures + 1 if fast else 0
        if self._failures >= FAST_FAILURES:
            self._log.error("workers keep dying at their start: giving up")
            self._stop(signal.SIGTERM, None)
            return
        if fast:
            time.sleep(RESTART_PAUSE)
        self._start()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            systemd.notify("STOPPING=1")
        for pid in self._workers:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue

    def _reap_all(self) -> None:
        while self._workers:
            try:
                pid, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            self._workers.pop(pid, None)


def _serve(config: Config) -> int:
    try:
        sockets = [systemd.listen(DEFAULT_PORT), *systemd.listen_for_probes()]
    except systemd.SocketError as error:
        sys.stderr.write(f"bin/web: {error}\n")
        return 1
    return Parent(config, sockets).run()


def main() -> int:
    """Serve HTTP."""
    return run("web", _serve)
