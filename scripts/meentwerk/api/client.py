"""The client: requests with a token, with timeouts, a bounded number of tries, and patience for rate limits.

It is built on requests and not on Mastodon.py, whose own waiting never gives up, whose errors lose the details of a
422 and whose paging breaks on some admin lists. Where Mastodon.py is used (`meentwerk.accounts.mastodon_py`), it sends
through `Client.session`, so that connections, certificates and the bearer token are the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests

from meentwerk.api import answers, errors
from meentwerk.api.server import Server
from meentwerk.api.transport import Bearer, make_session
from meentwerk.api.waiting import Clock, Patience, RealClock, delay, shown
from meentwerk.exits import Exit

TRIES = 4
PATIENCE = 1800.0  # seconds; Mastodon's longest period is half an hour
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})

Params = Mapping[str, Any] | Sequence[tuple[str, Any]]
Files = Mapping[str, tuple[str, IO[bytes] | bytes, str]]


class Client:
    """Asks one server, as one token or as nobody. Not for several threads at once.

    Every method raises an `errors.ApiError` with the right exit code, and nothing else, for what the server or the
    network does. `patience` is shared when several clients of one command wait for the same limits.
    """

    def __init__(
        self,
        server: Server,
        token: str | None = None,
        *,
        patience: Patience | None = None,
        clock: Clock | None = None,
        tries: int = TRIES,
    ) -> None:
        self.server = server
        self.patience = patience or Patience(PATIENCE)
        self.clock: Clock = clock or RealClock()
        self.tries = tries
        self.session = make_session(server)
        self._token = token

    def as_token(self, token: str | None) -> "Client":
        """Return a client of the same server, connections and patience with another token."""
        other = Client(self.server, token, patience=self.patience, clock=self.clock, tries=self.tries)
        other.session = self.session
        return other

    def get(self, path: str, params: Params | None = None) -> Any:  # noqa: ANN401  # JSON
        """GET and return the JSON."""
        return self.call("GET", path, params=params)

    def post(self, path: str, data: Any = None, **more: Any) -> Any:  # noqa: ANN401
        """POST `data` as JSON and return the JSON. Sent once: tried again only when it surely did not arrive."""
        return self.call("POST", path, data=data, **more)

    def put(self, path: str, data: Any = None) -> Any:  # noqa: ANN401
        """PUT `data` as JSON and return the JSON."""
        return self.call("PUT", path, data=data)

    def patch(self, path: str, data: Any = None, **more: Any) -> Any:  # noqa: ANN401
        """PATCH `data` as JSON, or a `form` with `files`, and return the JSON."""
        return self.call("PATCH", path, data=data, **more)

    def delete(self, path: str, data: Any = None) -> Any:  # noqa: ANN401
        """DELETE and return the JSON."""
        return self.call("DELETE", path, data=data)

    def pages(self, path: str, params: Params | None = None, *, limit: int | None = None) -> Iterator[Any]:
        """Yield the items of every page, by the Link header; `limit` is the size of a page."""
        wanted = list(params.items() if isinstance(params, Mapping) else params or [])
        url: str | None = path
        query: Params | None = [*wanted, ("limit", limit)] if limit else wanted
        seen: set[str] = set()
        while url is not None:
            answer, items = self._call("GET", url, params=query)
            if not isinstance(items, list):
                raise errors.UnreadableError(
                    f"GET {self._url(url)} answered with no list",
                    "is this a Mastodon server?",
                    status=answer.status_code,
                )
            yield from items
            following = answer.links.get("next", {}).get("url")
            # A page that leads to itself would never end
            url = following if items and following not in seen else None
            seen.add(following or "")
            query = None

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        data: Any = None,  # noqa: ANN401
        form: Params | None = None,
        files: Callable[[], Files] | None = None,
        repeatable: bool | None = None,
    ) -> Any:  # noqa: ANN401
        """Send one request and return the JSON of its answer; none for an empty one.

        `data` is sent as JSON, or `form` and `files` (made anew for each try) as a form. `repeatable` says that it may
        be sent twice; by default what HTTP calls idempotent.
        """
        return self._call(method, path, params=params, data=data, form=form, files=files, repeatable=repeatable)[1]

    def _call(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool | None = None,
        **content: Any,  # noqa: ANN401
    ) -> tuple[requests.Response, Any]:
        url = self._url(path)
        what = f"{method} {urlsplit(url)._replace(query='').geturl()}"
        again = method in REPEATABLE if repeatable is None else repeatable
        return self.steadily(what, lambda: self._once(method, url, what, again, content), repeatable=again)

    def steadily(
        self, what: str, send: Callable[[], tuple[requests.Response, Any]], *, repeatable: bool
    ) -> tuple[requests.Response, Any]:
        """Call `send` until it answers, is refused for good, or tries and patience end."""
        tries, limited = 0, 0
        while True:
            try:
                answer, body = send()
            except errors.ApiError as error:
                tries += 1
                if tries >= self.tries or not _passes(error, repeatable=repeatable):
                    raise
                self.clock.wait(2.0 ** (tries - 1), f"{error.message}; trying again")
                continue
            if answer.status_code != errors.TOO_MANY:
                return answer, body
            self._wait_for_limit(what, answer, limited)
            limited += 1

    def _wait_for_limit(self, what: str, answer: requests.Response, attempt: int) -> None:
        seconds = delay(answer.headers, self.clock.now(), attempt)
        if seconds > self.patience.left:
            raise errors.GaveUpError(
                f"{what}: the server's rate limit passes in {shown(seconds)}, "
                f"which is longer than what is left of the patience ({shown(self.patience.left)})",
                "run it again then; what was done stays done",
                Exit.GAVE_UP,
                status=errors.TOO_MANY,
            )
        self.patience.used += seconds
        self.clock.wait(seconds, f"rate limit of {self.server.host}")

    def _once(
        self, method: str, url: str, what: str, repeatable: bool, content: Mapping[str, Any]
    ) -> tuple[requests.Response, Any]:
        files = content.get("files")
        try:
            answer = self.session.request(
                method,
                url,
                params=content.get("params"),
                json=content.get("data"),
                data=content.get("form"),
                files=files() if files else None,
                auth=Bearer(self._token),
                timeout=(answers.CONNECT, answers.READ),
                verify=str(self.server.ca_file) if self.server.ca_file else True,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                raw = answers.read(answer, what)
        except requests.RequestException as error:
            raise answers.no_answer(error, what, self.server) from None
        return answer, answers.understood(answer, raw, what, repeatable=repeatable)

    def _url(self, path: str) -> str:
        url = urljoin(f"{self.server.url}/", path)
        if not url.startswith(f"{self.server.url}/"):
            # A Link header that leads elsewhere would carry the token there
            raise errors.UnreadableError(f"{self.server.url} leads to another server: {url}", "is it set up right?")
        return url


def _passes(error: errors.ApiError, *, repeatable: bool) -> bool:
    """Say whether another try makes sense and does no harm."""
    if isinstance(error, errors.UnreachableError) and not error.sent:
        return True
    return repeatable and isinstance(error, errors.UnreachableError | errors.ServerFaultError | errors.GaveUpError)
