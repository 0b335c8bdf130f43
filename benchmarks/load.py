"""A constant load of real requests on an instance, and an account of what became of each.

Reads, posts, and a held stream, over https as apps do it, at the instance's own address. What a user would miss counts
as lost: a request that fails, a post that was accepted and is gone, a post that no follower gets.
"""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT = 30
PATIENCE = 60


@dataclass(frozen=True)
class Target:
    """Where an instance is, and whom its certificate is trusted by."""

    address: str
    domain: str
    authority: Path

    def connect(self) -> http.client.HTTPSConnection:
        """Open a connection to the address, with the instance's name checked."""
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(self.domain, timeout=TIMEOUT, context=context)
        plain = socket.create_connection((self.address, 443), timeout=TIMEOUT)
        connection.sock = context.wrap_socket(plain, server_hostname=self.domain)
        return connection

    def ask(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, Any]:
        """Ask once on a new connection; returns status and JSON, or None where the answer is none."""
        connection = self.connect()
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body)
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, None


@dataclass
class Report:
    """What happened while the load lasted. Times are seconds."""

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    posted: dict[str, float] = field(default_factory=dict)
    """Post -> when it was accepted."""
    streamed: dict[str, float] = field(default_factory=dict)
    """Post -> when the stream brought it."""
    cuts: list[float] = field(default_factory=list)
    """How long the stream was away, for each time it was cut."""
    lost_posts: list[str] = field(default_factory=list)
    undelivered: list[str] = field(default_factory=list)
    """Posts that never arrived at a follower: their job is lost."""
    unseen: list[str] = field(default_factory=list)
    """Posts that a follower's app saw neither by the stream nor by what it fetches when it connects again."""
    caught_up: int = 0
    """Posts that came by that fetch only."""
    duration: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.requests} requests in {self.duration:.1f} s, {len(self.failed)} failed, longest stall "
            f"{self.slowest:.2f} s; {len(self.posted)} posts, {len(self.lost_posts)} lost, "
            f"{len(self.undelivered)} jobs lost; "
            f"stream: {len(self.streamed)} events, cut {len(self.cuts)} times for at most "
            f"{max(self.cuts, default=0.0):.2f} s, {self.caught_up} events fetched after a cut, {len(self.unseen)} lost"
        )


class Load:
    """Threads that read, post and listen until they are told to stop."""

    def __init__(
        self, target: Target, tokens: list[str], listener: str, *, reads: float = 12.0, posts: float = 4.0
    ) -> None:
        """Take tokens of authors (used in turn, each has a rate limit) and of one who follows them all."""
        self.target = target
        self.tokens = tokens
        self.listener = listener
        self.reads = reads
        self.posts = posts
        self.report = Report()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._turn = 0
        self._threads: list[threading.Thread] = []
        self._caught: set[str] = set()
        self._listening = threading.Event()
        self._stream: socket.socket | None = None
        self._started = 0.0

    def start(self) -> None:
        """Begin, and return when the stream is open."""
        self._started = time.monotonic()
        pages = (
            "/api/v1/timelines/home?limit=5",
            "/api/v1/accounts/verify_credentials",
            "/api/v1/notifications?limit=5",
        )
        self._run(self._listen)
        if not self._listening.wait(TIMEOUT):
            self._stop.set()
            raise TimeoutError("the stream did not open")
        for number in range(4):
            self._run(self._repeat, 4 / self.reads, lambda number=number: self._read(pages[number % len(pages)]))
        for _ in range(2):
            self._run(self._repeat, 2 / self.posts, self._post)

    def stop(self) -> Report:
        """End, wait for what is under way, and look up what became of every post."""
        self._stop.set()
        for thread in self._threads[1:]:
            thread.join(TIMEOUT + 5)
        report = self.report
        report.duration = time.monotonic() - self._started
        self._wait(lambda: set(report.posted) <= set(report.streamed) | self._home(), PATIENCE)
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(TIMEOUT)
        home = self._home()
        report.lost_posts = [post for post in report.posted if not self._exists(post)]
        # A home holds the last 800 posts (Mastodon's FeedManager::MAX_ITEMS); what the stream brought was delivered too
        report.undelivered = sorted(set(report.posted) - home - set(report.streamed))
        report.unseen = sorted(set(report.posted) - set(report.streamed) - self._caught)
        report.caught_up = len((set(report.posted) - set(report.streamed)) & self._caught)
        return report

    def _run(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _token(self) -> str:
        with self._lock:
            self._turn += 1
            return self.tokens[self._turn % len(self.tokens)]

    def _repeat(self, pause: float, function: Callable[[], None]) -> None:
        while not self._stop.wait(pause):
            function()

    def _timed(self, method: str, path: str, token: str, body: object = None) -> dict[str, Any] | None:
        begin = time.monotonic()
        try:
            status, answer = self.target.ask(method, path, token, body)
        except (OSError, http.client.HTTPException) as error:
            status, answer = 0, repr(error)
        took = time.monotonic() - begin
        with self._lock:
            self.report.requests += 1
            self.report.slowest = max(self.report.slowest, took)
            if status != http.client.OK:
                moment = time.strftime("%H:%M:%S")
                self.report.failed.append(f"{moment} {method} {path}: {status or answer} after {took:.2f} s")
        return answer if status == http.client.OK else None

    def _read(self, path: str) -> None:
        self._timed("GET", path, self._token())

    def _post(self) -> None:
        text = f"The tide is at {time.time():.4f}."
        answer = self._timed("POST", "/api/v1/statuses", self._token(), {"status": text, "visibility": "public"})
        if answer is not None:
            with self._lock:
                self.report.posted[answer["id"]] = time.monotonic()

    # --- the stream

    def _listen(self) -> None:
        cut = 0.0
        while not self._stop.is_set():
            try:
                lines = self._open()
                if cut:
                    self.report.cuts.append(time.monotonic() - cut)
                    self._run(self._catch_up)
                cut = 0.0
                self._listening.set()
                self._take(lines)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.02)
            cut = cut or time.monotonic()

    def _catch_up(self) -> None:
        """Fetch what came meanwhile, as Mastodon's web app does after it has connected again (fillHomeTimelineGaps)."""
        time.sleep(1)  # until the new subscription stands
        self._caught |= self._home()

    def _open(self) -> Iterator[bytes]:
        connection = self.target.connect()
        self._stream = connection.sock
        connection.request("GET", "/api/v1/streaming/user", headers={"Authorization": f"Bearer {self.listener}"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise OSError(f"the stream answers {answer.status}")
        return iter(answer.readline, b"")

    def _take(self, lines: Iterator[bytes]) -> None:
        event = b""
        for line in lines:
            if line.startswith(b"event:"):
                event = line.removeprefix(b"event:").strip()
            elif line.startswith(b"data:") and event == b"update":
                post = json.loads(line.removeprefix(b"data:"))["id"]
                self.report.streamed[post] = time.monotonic()

    # --- looking up

    def _home(self) -> set[str]:
        """Return the posts in the follower's home, newest first, as far back as ours go."""
        wanted, seen, path = set(self.report.posted), set(), "/api/v1/timelines/home?limit=40"
        for _ in range(1 + len(wanted) // 20):
            status, page = self._look_up(path, self.listener)
            if status != http.client.OK or not page:
                break
            seen |= {post["id"] for post in page}
            if min(int(post["id"]) for post in page) <= min(map(int, wanted), default=0):
                break
            path = f"/api/v1/timelines/home?limit=40&max_id={page[-1]['id']}"
        return seen

    def _exists(self, post: str) -> bool:
        return self._look_up(f"/api/v1/statuses/{post}", self._token())[0] == http.client.OK

    def _look_up(self, path: str, token: str) -> tuple[int, Any]:
        """Ask, and again while there is no answer, as apps do: this is no part of the load and of its failures."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                status, answer = self.target.ask("GET", path, token)
                if status < http.client.INTERNAL_SERVER_ERROR or time.monotonic() > deadline:
                    return status, answer
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.5)
