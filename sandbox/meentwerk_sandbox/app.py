"""The web application: every route, and what happens around each of them."""

import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio.to_thread
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import errors, http, jobs, params, ratelimit, self_destruct
from .api import HANDLERS
from .api.routing import Endpoint
from .cache import connect
from .clock import now
from .config import Config
from .context import Context, Services, bearer_of, client_address, find_token
from .db import sessions
from .domains import masked_address
from .front import Front
from .models import IpBlock

log = logging.getLogger("sandbox.web")
NO_ACCESS = 9999
PAGING = ("page", "min_id", "max_id", "since_id")
SLOW_SECONDS = 1.0


def create(config: Config) -> Front:
    """The ASGI application of one worker process."""
    services = Services(config, sessions(config), connect(config))
    leaving = self_destruct.active(config)
    routes = [
        Route(
            endpoint.path,
            _asgi(services, endpoint, leaving=leaving),
            methods=[endpoint.method],
            name=endpoint.handler.__name__,
        )
        for endpoint in HANDLERS
    ]

    async def limit_threads() -> None:
        # As many requests at once as there are database connections.
        anyio.to_thread.current_default_thread_limiter().total_tokens = config.database_pool

    async def missing(request: Request, _error: Exception) -> Response:
        return _refusal(services, request, errors.plain(404), api=wants_json(request))

    application = Starlette(
        routes=routes,
        on_startup=[limit_threads],
        exception_handlers={404: missing, 405: missing},
    )
    application.router.redirect_slashes = False
    return Front(application, config)


def wants_json(request: Request) -> bool:
    """Whether an error should be JSON although no API route was met."""
    return "application/json" in request.headers.get("accept", "")


def _asgi(services: Services, endpoint: Endpoint, *, leaving: bool) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if leaving and endpoint.path not in self_destruct.OPEN:
            return _refusal(services, request, errors.plain(410), api=endpoint.api)
        try:
            given = await params.read(request)
        except errors.ApiError as error:
            return _refusal(services, request, error, api=endpoint.api)
        try:
            return await run_in_threadpool(_answer, services, endpoint, request, given)
        finally:
            await request.close()

    return answer


def _answer(services: Services, endpoint: Endpoint, request: Request, given: params.Params) -> Response:
    started = time.monotonic()
    headers: dict[str, str] = {"X-Request-Id": request.headers.get("x-request-id") or secrets.token_hex(16)}
    try:
        response = _handle(services, endpoint, request, given, headers)
    except errors.ApiError as error:
        response = _refusal(services, request, error, api=endpoint.api)
    except IntegrityError:
        # Two requests raced for the same name; the database kept one of them.
        response = _refusal(services, request, errors.said(422, "Duplicate record"), api=endpoint.api)
    except (OperationalError, RedisError) as error:
        log.error("%s %s: %s", request.method, endpoint.path, type(error).__name__)  # noqa: TRY400
        problem = errors.said(503, "There was a temporary problem serving your request, please try again")
        response = _refusal(services, request, problem, api=endpoint.api)
    except SQLAlchemyError as error:
        # PostgreSQL quotes values in its messages, so the log gets the kind of error only.
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        log.error("%s %s: %s %s", request.method, endpoint.path, type(error).__name__, state)  # noqa: TRY400
        response = _refusal(services, request, errors.plain(500), api=endpoint.api)
    except Exception:
        log.exception("%s %s failed", request.method, endpoint.path)
        response = _refusal(services, request, errors.plain(500), api=endpoint.api)
    for name, value in headers.items():
        if name not in response.headers:
            response.headers[name] = value
    took = time.monotonic() - started
    response.headers["X-Runtime"] = f"{took:.6f}"
    if took > SLOW_SECONDS:
        log.warning("%s %s took %.1f s", request.method, endpoint.path, took)
    return response


def _handle(
    services: Services, endpoint: Endpoint, request: Request, given: params.Params, headers: dict[str, str]
) -> Response:
    with services.sessions() as session:
        address = client_address(request, services.config)
        bearer = bearer_of(request) or given.optional("access_token") if endpoint.api else None
        token = find_token(session, bearer)
        context = Context(services, request, given, session, address=address, token=token)
        context.headers = headers
        if _blocked(context):
            return Response("Forbidden\n", 403, {"Content-Type": "text/plain"})
        refused = _count(context, endpoint)
        if refused is not None:
            return refused
        if endpoint.api:
            headers.setdefault("Cache-Control", http.PRIVATE)
            headers.setdefault("Content-Security-Policy", http.API_POLICY)
            headers.setdefault("Vary", "Authorization, Origin")
            if services.config.disallow_unauthenticated or services.config.limited_federation:
                _require_login(context, endpoint)
            context.require_not_suspended()
        context.record_use()
        response = endpoint.handler(context)
        session.commit()
        for job, args in context.after_commit:
            jobs.push(services.valkey, job, *args)
        return response


def _require_login(context: Context, endpoint: Endpoint) -> None:
    if not endpoint.open_always and not (endpoint.open_unless_limited and not context.config.limited_federation):
        context.require_authenticated()


def _blocked(context: Context) -> bool:
    query = select(IpBlock.id).where(
        IpBlock.severity == NO_ACCESS,
        IpBlock.ip.op(">>=")(func.inet(context.address)),
        (IpBlock.expires_at.is_(None)) | (IpBlock.expires_at > now()),
    )
    return context.session.scalars(query).first() is not None


def _count(context: Context, endpoint: Endpoint) -> Response | None:
    request, token = context.request, context.token
    login = context.params.get("user")
    email = str(login.get("email", "")).strip().lower() if isinstance(login, dict) else ""
    caller = ratelimit.Caller(
        method=request.method,
        path=request.url.path,
        address=masked_address(context.address),
        user_id=token.resource_owner_id if token else None,
        token_id=token.id if token else None,
        paging=any(context.params.present(name) for name in PAGING),
        # Valkey holds a hash, never the address itself.
        login=hashlib.sha256(email.encode()).hexdigest() if email else None,
    )
    usages = ratelimit.count(context.valkey, caller)
    exceeded = next((usage for usage in usages if usage.exceeded), None)
    if exceeded is not None:
        return http.reply({"error": "Too many requests"}, 429, exceeded.headers(), "application/json")
    tightest = ratelimit.tightest(usages)
    if endpoint.api and tightest is not None:
        context.headers.update(tightest.headers())
    return None


def _refusal(services: Services, request: Request, error: errors.ApiError, *, api: bool) -> Response:
    if api or wants_json(request):
        response = http.reply(error.body, error.status, error.headers)
    else:
        response = http.page(
            services.config, "error.html", error.status, title=errors.phrase(error.status), status=error.status
        )
    with suppress(KeyError):
        del response.headers["ETag"]
    return response
