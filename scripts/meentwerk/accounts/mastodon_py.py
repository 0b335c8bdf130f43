"""Mastodon.py over our own connections: its calls, with this project's certificates, rate limits, retries and errors.

Used for signing up and for profiles, where its calls are right. What it does not do right is not used: its own waiting
never gives up (it throws here, and `Client.steadily` waits), a list of no fields clears nothing (an empty pair does),
and a 422 loses its details (the last answer is kept).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import requests
from mastodon import Mastodon
from mastodon.errors import MastodonError

from meentwerk.api import Client, errors
from meentwerk.api.answers import READ, no_answer

T = TypeVar("T")
_FIRST_ERROR = 400


class Library:
    """Mastodon.py for one token, or for an application."""

    def __init__(self, client: Client, token: str | None = None, application: tuple[str, str] | None = None) -> None:
        self._client = client
        self._last: requests.Response | None = None
        session = cast(requests.Session, _Recording(client.session, self))
        self._library = Mastodon(
            api_base_url=client.server.url,
            access_token=token,
            client_id=application[0] if application else None,
            client_secret=application[1] if application else None,
            session=session,
            version_check_mode="none",
            ratelimit_method="throw",
            request_timeout=READ,
        )

    def call(self, what: str, send: Callable[[Mastodon], T], *, repeatable: bool) -> T:
        """Call the library; every way in which it can fail becomes an `errors.ApiError` or ends in waiting."""
        kept: list[T] = []

        def once() -> tuple[requests.Response, Any]:
            self._last = None
            try:
                kept[:] = [send(self._library)]
            except (MastodonError, requests.RequestException) as error:
                return self._failed(what, error, repeatable=repeatable), None
            answer = self._last
            if answer is None:
                raise errors.UnreadableError(f"{what}: the library asked nothing", "report it, please")
            if answer.status_code == errors.TOO_MANY:
                return answer, None
            if answer.status_code >= _FIRST_ERROR:
                raise errors.refused(what, answer.status_code, _body(answer), repeatable=repeatable)
            return answer, None

        self._client.steadily(what, once, repeatable=repeatable)
        return kept[0]

    def _failed(self, what: str, error: Exception, *, repeatable: bool) -> requests.Response:
        """Return an answer of 429, which is waited for; raise everything else."""
        cause = error.__cause__ or error.__context__ or error
        answer = self._last
        if answer is None:
            broken = cause if isinstance(cause, requests.RequestException) else requests.ConnectionError()
            raise no_answer(broken, what, self._client.server) from None
        if answer.status_code == errors.TOO_MANY:
            return answer
        if answer.status_code >= _FIRST_ERROR:
            raise errors.refused(what, answer.status_code, _body(answer), repeatable=repeatable) from None
        raise errors.UnreadableError(
            f"{what} answered {answer.status_code} with something else than expected",
            "is this the address of a Mastodon server, and no proxy or sign-in page before it?",
            status=answer.status_code,
        ) from None

    def remember(self, answer: requests.Response) -> None:
        """Keep the last answer: the library throws away what it holds."""
        self._last = answer


class _Recording:
    """A session whose answers are seen. It hands everything else on."""

    def __init__(self, session: requests.Session, library: Library) -> None:
        self._session, self._library = session, library

    def request(self, *arguments: Any, **named: Any) -> requests.Response:  # noqa: ANN401
        """Send, without following to another address, and keep the answer."""
        named["allow_redirects"] = False
        # Without one, requests would put a password of ~/.netrc in place of the token
        named.setdefault("auth", lambda request: request)
        named["verify"] = self._session.verify
        answer = self._session.request(*arguments, **named)
        self._library.remember(answer)
        return answer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._session, name)


def _body(answer: requests.Response) -> Any:  # noqa: ANN401  # JSON
    try:
        return answer.json()
    except ValueError:
        return None
