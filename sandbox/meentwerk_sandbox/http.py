"""Answers: JSON as Rails writes it, pages, redirects."""

import hashlib
import json
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.responses import Response

from . import release
from .config import ROOT, Config
from .kinds import Json

SAFE = "%/:=&?~#+!$,;'@()*[]"  # what an address may hold as it is
PRIVATE = "private, no-store"
API_POLICY = "default-src 'none'; frame-ancestors 'none'; form-action 'none'"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)

_pages = Environment(
    loader=FileSystemLoader(ROOT / "templates"), autoescape=select_autoescape(default=True), trim_blocks=True
)


def cached(seconds: int) -> str:
    """Cache-Control of public answers (Api::CachingConcern)."""
    return f"max-age={seconds}, public, stale-while-revalidate=30, stale-if-error=86400"


def dumps(content: Json) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def reply(
    content: Json,
    status: int = 200,
    headers: dict[str, str] | None = None,
    content_type: str = "application/json; charset=utf-8",
) -> Response:
    """A JSON answer."""
    body = dumps(content)
    sent = {"Content-Type": content_type, **(headers or {})}
    if status == 200:  # noqa: PLR2004
        sent.setdefault("ETag", f'W/"{hashlib.sha256(body).hexdigest()[:32]}"')
    return Response(body, status, sent)


def empty() -> Response:
    """`{}`: what Mastodon answers when there is nothing to say."""
    return reply({})


def page(
    config: Config, template: str, status_code: int = 200, headers: dict[str, str] | None = None, **values: Json
) -> Response:
    """An HTML page; every one says that this is no Mastodon."""
    html = _pages.get_template(template).render(
        notice=release.NOTICE, version=release.VERSION, domain=config.local_domain, base_url=config.base_url, **values
    )
    return Response(
        html,
        status_code,
        {
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": PRIVATE,
            "Content-Security-Policy": PAGE_POLICY,
            **(headers or {}),
        },
    )


def redirect(location: str, status: int = 302) -> Response:
    """Send the browser elsewhere."""
    return Response(b"", status, {"Location": quote(location, safe=SAFE), "Cache-Control": PRIVATE})
