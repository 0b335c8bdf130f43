"""What stands before every route: health, host check, https, CORS, security headers."""

import re
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .config import Config

SECURITY_HEADERS = {
    # config/environments/production.rb
    "Server": "Meentwerk sandbox",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "0",
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
}

EXPOSED = "Link, Mastodon-Async-Refresh, X-RateLimit-Reset, X-RateLimit-Limit, X-RateLimit-Remaining, X-Request-Id"
API_METHODS = "POST, PUT, DELETE, GET, PATCH, OPTIONS"
# config/initializers/cors.rb: path, methods, exposed headers
CORS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"/\.well-known/.*"), "GET", ""),
    (re.compile(r"/nodeinfo/.*"), "GET", ""),
    (re.compile(r"/@[^/]+"), "GET", ""),
    (re.compile(r"/users/[^/]+"), "GET", ""),
    (re.compile(r"/api/.*"), API_METHODS, EXPOSED),
    (re.compile(r"/oauth/(token|revoke)"), "POST", ""),
    (re.compile(r"/oauth/userinfo"), "GET, POST", ""),
)


class Front:
    """The outermost ASGI application."""

    def __init__(self, application: ASGIApp, config: Config) -> None:
        self._application = application
        self._config = config
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        if scope["path"] == "/health":
            # Load balancers ask by address and over plain http.
            await PlainTextResponse("OK")(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refuse(scope, headers)
        if refused is not None:
            await refused(scope, receive, send)
            return
        path = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            # Rails' router knows no difference.
            scope = {**scope, "path": path.rstrip("/") or "/"}
        origin = headers.get("origin")
        allowed = next((entry for entry in CORS if entry[0].fullmatch(path)), None)
        if origin and allowed and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(headers, allowed[1])(scope, receive, send)
            return

        async def decorated(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    sent.setdefault(name, value)
                if self.draining:
                    sent["Connection"] = "close"  # the next request goes to another worker
                if origin and allowed:
                    sent["Access-Control-Allow-Origin"] = "*"
                    sent["Access-Control-Allow-Methods"] = allowed[1]
                    sent["Access-Control-Expose-Headers"] = allowed[2]
                    sent["Access-Control-Max-Age"] = "7200"
            await send(message)

        await self._application(scope, receive, decorated)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host = re.sub(r":\d+$", "", headers.get("host", "")).lower()
        if not host or not self._config.is_own_domain(host):
            return PlainTextResponse("Blocked host\n", 403)
        if headers.get("x-forwarded-proto", "").split(",")[0].strip() != "https":
            query = scope["query_string"].decode("latin-1")
            target = f"https://{host}{quote(scope['path'], safe='/@:+~,;=!$&()*')}{'?' + query if query else ''}"
            # GET may be repeated elsewhere; a body may not get lost on the way (ActionDispatch::SSL).
            return RedirectResponse(target, 301 if scope["method"] in {"GET", "HEAD"} else 308)
        return None


def _preflight(headers: Headers, methods: str) -> Response:
    return Response(
        b"",
        200,
        {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": headers.get("access-control-request-headers", ""),
            "Access-Control-Max-Age": "7200",
        },
    )
