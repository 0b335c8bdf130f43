"""What can go wrong between here and a server; each error says what to do next and has an exit code of its own."""

import re
from typing import Any

from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit

SHOWN = 200  # characters of a server's own words
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, GONE, INVALID, TOO_MANY = 401, 403, 404, 410, 422, 429
FIRST_SERVER_FAULT = 500


class ApiError(MeentwerkError):
    """A request that did not lead to an answer that can be used. `status` is none when no answer came."""

    def __init__(
        self,
        message: str,
        cure: str = "",
        exit: Exit = Exit.UNEXPECTED,  # noqa: A002  # the contract's word
        *,
        status: int | None = None,
        body: Any = None,  # noqa: ANN401  # what the server sent
    ) -> None:
        super().__init__(message, cure, exit)
        self.status = status
        self.body = body


class NotAllowedError(ApiError):
    """401 or 403: the token is wrong, or lacks a scope or its role a permission (exit 5)."""


class NotFoundError(ApiError):
    """404 or 410: there is no such thing here."""


class InvalidError(ApiError):
    """422: the server understood and refused. `details` holds Mastodon's field -> [{error, description}]."""

    @property
    def details(self) -> dict[str, list[dict[str, str]]]:
        """What is wrong with which field; empty where the server does not say."""
        found = self.body.get("details") if isinstance(self.body, dict) else None
        return found if isinstance(found, dict) else {}


class ServerFaultError(ApiError):
    """5xx, also after several tries."""


class UnreadableError(ApiError):
    """An answer that is no JSON, no answer of Mastodon, cut off, or too large."""


class UnreachableError(ApiError):
    """No connection, or one that broke. `sent` says whether the request may have arrived."""

    def __init__(self, message: str, cure: str = "", *, sent: bool = False) -> None:
        super().__init__(message, cure, Exit.UNEXPECTED)
        self.sent = sent


class CertificateError(ApiError):
    """The server's certificate does not verify: nothing was sent (exit 6)."""


class GaveUpError(ApiError):
    """Waited as long as allowed: for an answer, or for a rate limit to pass (exit 7)."""


def own_words(body: Any) -> str:  # noqa: ANN401  # what the server sent
    """Return a server's own message, short and on one line, or nothing."""
    if not isinstance(body, dict):
        return ""
    text = next((body[key] for key in ("error_description", "error") if isinstance(body.get(key), str)), "")
    return _UNSEEN.sub(" ", text).strip()[:SHOWN]


def refused(what: str, status: int, body: Any, *, repeatable: bool) -> ApiError:  # noqa: ANN401
    """Return the error for an answer with a status of 4xx or 5xx; `what` names the request, such as `GET https://...`."""
    words = own_words(body)
    said = f": {words}" if words else ""
    more: dict[str, Any] = {"status": status, "body": body}
    message = f"{what} answered {status}{said}"
    match status:
        case 401:
            return NotAllowedError(
                message, "the token is wrong, expired or revoked: give a new one", Exit.NOT_ALLOWED, **more
            )
        case 403:
            return NotAllowedError(message, _forbidden(words), Exit.NOT_ALLOWED, **more)
        case 404 | 410:
            return NotFoundError(message, "does it exist, and is this the right server?", **more)
        case 422:
            return InvalidError(message, "the server refuses what was sent: correct it and run again", **more)
        case _ if status >= FIRST_SERVER_FAULT:
            cure = "the server has a problem: look at its logs, then run again"
            if not repeatable:
                cure = "whether it was done is not known; run again: what was done is found and not done twice"
            return ServerFaultError(message, cure, **more)
        case _:
            return ApiError(message, "the server did not accept the request", **more)


def _forbidden(words: str) -> str:
    if "scope" in words:
        return "the token lacks a scope: make one that has it"
    return "the token's user has no right to this (role), or is not confirmed, approved or enabled"
