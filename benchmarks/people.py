"""Accounts that read, post and follow on an instance, for the load of benchmarks/load.py."""

import http.client
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.load import Load, Report, Target

# Each token may ask 300 times in five minutes, each account 1,500 times (Mastodon's config/initializers/rack_attack.rb)
# and each account may post 300 times in three hours (RateLimiter)
AUTHORS, APPS = 10, 3
SCOPES = "read write follow"


@dataclass(frozen=True)
class People:
    """Those who use an instance: authors, with several apps each, and one who follows them all."""

    target: Target
    authors: list[str]
    reader: str

    @contextmanager
    def busy(self) -> Iterator[Report]:
        """Let them be busy meanwhile; the report is complete at the end of the block."""
        load = Load(self.target, self.authors, self.reader)
        load.start()
        try:
            yield load.report
        finally:
            load.stop()


def settle(target: Target, run: Callable[[str, str], str]) -> People:
    """Make the accounts and their tokens.

    `run` takes the name of a batch and the question as JSON, asks `bin/batch` on the host and returns its answer.
    """

    def batch(name: str, items: list[dict[str, Any]]) -> list[Mapping[str, str]]:
        answer = json.loads(run(name, json.dumps({"contract": 1, "items": items})))
        wrong = [result for result in answer["results"] if result["error"]]
        if wrong:
            raise RuntimeError(f"bin/batch {name}: {wrong[0]['key']}: {wrong[0]['error']}")
        results: list[Mapping[str, str]] = answer["results"]
        return results

    # A token is told once: with applications of its own, this can be run again
    session = secrets.token_hex(4)
    names = [*(f"author{number}" for number in range(AUTHORS)), "reader"]
    accounts = [{"username": it, "email": f"{it}@example.org", "confirmed": True, "approved": True} for it in names]
    batch("accounts", accounts)
    apps = [
        {"username": it, "application": f"{session} {app}", "scopes": SCOPES} for it in names for app in range(APPS)
    ]
    tokens = [result["token"] for result in batch("tokens", apps)]
    people = People(target, tokens[:-APPS], tokens[-1])
    for token in people.authors[::APPS]:
        account = target.ask("GET", "/api/v1/accounts/verify_credentials", token)[1]["id"]
        status, answer = target.ask("POST", f"/api/v1/accounts/{account}/follow", people.reader)
        if status != http.client.OK:
            raise RuntimeError(f"following failed: {status} {answer}")
    return people
