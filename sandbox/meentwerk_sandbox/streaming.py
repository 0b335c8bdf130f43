"""bin/streaming: server-sent events of timelines; health."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from sqlalchemy.orm import Session, sessionmaker
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from . import logs, scopes, systemd
from .cache import Valkey, connect_async
from .config import Config, run
from .context import bearer_of, find_token
from .db import sessions

DEFAULT_PORT = 4000
HEARTBEAT_SECONDS = 15
GRACE_SECONDS = 0.2
HEADERS = {"Cache-Control": "private, no-store", "X-Accel-Buffering": "no", "Access-Control-Allow-Origin": "*"}


@dataclass(frozen=True)
class Listener:
    """Whose token opened the stream."""

    token_id: int
    account_id: int


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# name under /api/v1/streaming -> scopes of which one is needed
CHANNELS: dict[str, tuple[str, ...]] = {
    "user": ("read", "read:statuses"),
    "user/notification": ("read", "read:notifications"),
    "public": ("read", "read:statuses"),
    "public/local": ("read", "read:statuses"),
    "public/remote": ("read", "read:statuses"),
    "public/media": ("read", "read:statuses"),
    "public/local/media": ("read", "read:statuses"),
    "public/remote/media": ("read", "read:statuses"),
    "direct": ("read", "read:statuses"),
    "hashtag": ("read", "read:statuses"),
    "hashtag/local": ("read", "read:statuses"),
}


def channels(name: str, account: int, tag: str) -> list[str]:
    """The Valkey channels behind a stream, named as Mastodon's streaming server does."""
    if name == "user":
        return [f"timeline:{account}", f"timeline:{account}:notifications"]
    if name == "user/notification":
        return [f"timeline:{account}:notifications"]
    if name == "direct":
        return [f"timeline:direct:{account}"]
    if name.startswith("hashtag"):
        return [f"timeline:hashtag:{tag}" + (":local" if name.endswith("local") else "")]
    return ["timeline:" + name.replace("/", ":")]


class Streaming:
    """The handlers, with what they share."""

    def __init__(self, config: Config) -> None:
        self._sessions: sessionmaker[Session] = sessions(config)
        self._valkey: Valkey = connect_async(config)
        self._stopping = asyncio.Event()

    async def health(self, _request: Request) -> Response:
        """GET /api/v1/streaming/health."""
        return Response(b"OK", headers={"Content-Type": "text/plain", "Cache-Control": "private, no-store"})

    async def stream(self, request: Request) -> Response:
        """GET /api/v1/streaming/CHANNEL."""
        name = request.path_params["channel"].strip("/")
        tag = request.query_params.get("tag", "").strip().lower()
        if name not in CHANNELS:
            return _refuse(404, "Not found")
        try:
            listener = await run_in_threadpool(self._authenticate, bearer_of(request), CHANNELS[name])
        except _RefusedError as error:
            return _refuse(error.status, str(error))
        if name.startswith("hashtag") and not tag:
            return _refuse(400, "Missing tag name parameter")
        wanted = channels(name, listener.account_id, tag)
        return StreamingResponse(self._events(listener, wanted), media_type="text/event-stream", headers=HEADERS)

    def _authenticate(self, text: str | None, any_of: tuple[str, ...]) -> Listener:
        if not text:
            raise _RefusedError(401, "Missing access token")
        with self._sessions() as session:
            token = find_token(session, text)
            user = token.user if token else None
            if token is None or token.revoked_at is not None or user is None or user.disabled:
                raise _RefusedError(401, "Invalid access token")
            if not (user.confirmed and user.approved) or user.account.unavailable:
                raise _RefusedError(401, "Invalid access token")
            if not scopes.allows(scopes.split(token.scopes), any_of):
                raise _RefusedError(401, "Access token does not have the required scopes")
            return Listener(token.id, user.account_id)

    async def _events(self, listener: Listener, wanted: list[str]) -> AsyncIterator[str]:
        control = [f"timeline:access_token:{listener.token_id}", f"timeline:system:{listener.account_id}"]
        subscription = self._valkey.pubsub(ignore_subscribe_messages=True)
        try:
            await subscription.subscribe(*wanted, *control)
            yield ":)\n"
            idle = 0
            while not self._stopping.is_set():
                message = await subscription.get_message(timeout=1.0)
                if message is None:
                    idle += 1
                    if idle >= HEARTBEAT_SECONDS:
                        idle = 0
                        yield ":thump\n"
                    continue
                event = json.loads(message["data"])
                if message["channel"] in control:
                    if event.get("event") == "kill":
                        return
                    continue
                yield _event(event)
        finally:
            await subscription.aclose()

    def stop(self) -> None:
        """Let open streams end."""
        self._stopping.set()


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status, headers=HEADERS)


def _event(event: dict[str, Any]) -> str:
    payload = event.get("payload", "")
    data = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['event']}\ndata: {data}\n\n"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, streaming: Streaming) -> None:
        super().__init__(config)
        self._streaming = streaming

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            systemd.notify("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        systemd.notify("STOPPING=1")
        loop = asyncio.get_running_loop()
        # Accept no more before anybody is cut: who connects again must reach the server that stays
        for listening in sockets or ():
            loop.remove_reader(listening)
        await asyncio.sleep(GRACE_SECONDS)
        self._streaming.stop()
        await super().shutdown(sockets)


def _serve(config: Config) -> int:
    log = logs.setup("streaming")
    try:
        sockets = [systemd.listen(DEFAULT_PORT), *systemd.listen_for_probes()]
    except systemd.SocketError as error:
        sys.stderr.write(f"bin/streaming: {error}\n")
        return 1
    streaming = Streaming(config)
    application = Starlette(
        routes=[
            Route("/api/v1/streaming/health", streaming.health),
            Route("/api/v1/streaming/{channel:path}", streaming.stream),
        ]
    )
    server = _Server(
        uvicorn.Config(
            application,
            loop="asyncio",
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            backlog=systemd.BACKLOG,
        ),
        streaming,
    )
    log.info("serving")
    try:
        server.run(sockets=sockets)
    except KeyboardInterrupt:
        return 0
    return 0 if server.started else 1


def main() -> int:
    """Serve event streams."""
    return run("streaming", _serve)
