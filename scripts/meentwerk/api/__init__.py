"""Talking to a Mastodon server over HTTP: one client for every command, with limits, retries and errors solved once.

`client.Client` asks; `server.Server` says where; `token` finds the token; `errors` are what can go wrong, each with its
exit code; `waiting` reads every form of a rate limit.
"""

from meentwerk.api.client import Client
from meentwerk.api.errors import ApiError, GaveUpError, InvalidError, NotAllowedError, NotFoundError
from meentwerk.api.server import Server
from meentwerk.api.token import read_token

__all__ = [
    "ApiError",
    "Client",
    "GaveUpError",
    "InvalidError",
    "NotAllowedError",
    "NotFoundError",
    "Server",
    "read_token",
]
