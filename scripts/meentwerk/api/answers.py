"""What an answer holds, and what it means when none came: everything but success becomes an error."""

import json
import time
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions

from meentwerk.api import errors
from meentwerk.api.server import Server
from meentwerk.api.waiting import shown
from meentwerk.errors import UsageError
from meentwerk.exits import Exit

CONNECT, READ, WHOLE = 10.0, 30.0, 120.0  # seconds: to connect, between two bytes, for a whole answer
MOST_BYTES = 32 * 1024 * 1024
_FIRST_REDIRECT, _FIRST_ERROR = 300, 400


def read(answer: requests.Response, what: str) -> bytes:
    """Return the body of a streamed answer, limited in size and in time altogether."""
    end, parts, size = time.monotonic() + WHOLE, [], 0
    for part in answer.iter_content(65_536):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise errors.UnreadableError(
                f"{what} answers with more than {MOST_BYTES >> 20} MB", "is this a Mastodon server?"
            )
        if time.monotonic() > end:
            raise errors.GaveUpError(f"{what}: no whole answer within {shown(WHOLE)}", "run it again", Exit.GAVE_UP)
    return b"".join(parts)


def understood(answer: requests.Response, raw: bytes, what: str, *, repeatable: bool) -> Any:  # noqa: ANN401
    """Return the JSON of an answer; 429 is left to the caller, everything else that is no success raises."""
    status = answer.status_code
    if _FIRST_REDIRECT <= status < _FIRST_ERROR:
        place = urlsplit(answer.headers.get("Location", ""))
        raise UsageError(
            f"{what} leads to {place.scheme}://{place.hostname}",
            "give that as the server's address, if it is the right one",
        )
    try:
        body = json.loads(raw) if raw.strip() else None
    except (ValueError, RecursionError):
        if status == errors.TOO_MANY:
            return None
        if status >= _FIRST_ERROR:
            raise errors.refused(what, status, None, repeatable=repeatable) from None
        kind = answer.headers.get("Content-Type", "nothing that it names").partition(";")[0][:50]
        raise errors.UnreadableError(
            f"{what} answered {status} with {kind} instead of JSON",
            "is this the address of a Mastodon server, and no proxy or sign-in page before it?",
            status=status,
        ) from None
    if status >= _FIRST_ERROR and status != errors.TOO_MANY:
        raise errors.refused(what, status, body, repeatable=repeatable)
    return body


def no_answer(error: requests.RequestException, what: str, server: Server) -> errors.ApiError:
    """Return the error for a request without an answer. requests' own text may quote headers: only its kind is told."""
    if isinstance(error, exceptions.SSLError):
        return errors.CertificateError(
            f"{what}: the certificate of {server.host} does not verify; nothing was sent",
            "is it the right server? Its authority's certificate is given with --ca-file",
            Exit.REFUSED,
        )
    if isinstance(error, exceptions.Timeout):
        connecting = isinstance(error, exceptions.ConnectTimeout)
        missing, seconds = ("connection", CONNECT) if connecting else ("answer", READ)
        cure = "is the server up, and does a firewall let this machine through? Run it again"
        return errors.GaveUpError(f"{what}: no {missing} within {shown(seconds)}", cure, Exit.GAVE_UP)
    for kinds, mark, happened, cure, sent in _CUT:
        if isinstance(error, kinds) and mark in repr(error):
            return errors.UnreachableError(f"{what}: {happened.format(server.host)}", cure, sent=sent)
    return errors.UnreachableError(f"{what}: {type(error).__name__}", "check the address")


# kind of exception, what its text says (urllib3 tells no better) -> what happened, what to do, may it have arrived
_CUT: tuple[tuple[tuple[type[Exception], ...], str, str, str, bool], ...] = (
    ((exceptions.ProxyError,), "", "the proxy does not answer", "check HTTPS_PROXY and NO_PROXY", False),
    (
        (exceptions.ChunkedEncodingError, exceptions.ContentDecodingError),
        "",
        "the connection was cut in the middle of the answer",
        "run it again",
        True,
    ),
    ((exceptions.ConnectionError,), "NameResolution", "the name {} is not known", "check the address, and DNS", False),
    (
        (exceptions.ConnectionError,),
        "NewConnectionError",
        "{} does not accept connections",
        "is the server up, and does a firewall let this machine through?",
        False,
    ),
    ((exceptions.ConnectionError,), "", "the connection was cut before the answer", "run it again", True),
)
