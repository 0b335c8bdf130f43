"""How modules say which request they answer."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from ..context import Context

Handler = Callable[[Context], Response]


@dataclass(frozen=True)
class Endpoint:
    """One route. `api` decides between JSON errors with rate limit headers and pages."""

    method: str
    path: str
    handler: Handler
    api: bool = True
    open_always: bool = False  # answers without login even where that is disallowed
    open_unless_limited: bool = False  # ... except in limited federation mode
