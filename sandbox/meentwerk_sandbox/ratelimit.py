"""Mastodon's rate limits (config/initializers/rack_attack.rb), counted in Valkey."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from .cache import Valkey

MINUTE = 60


@dataclass(frozen=True)
class Caller:
    """Who makes which request."""

    method: str
    path: str
    address: str  # an IPv6 address counts by its /64
    user_id: int | None
    token_id: int | None
    paging: bool
    login: str | None  # e-mail address of a sign-in attempt


@dataclass(frozen=True)
class Rule:
    """At most `limit` requests per `period` seconds and per what `key` gives; None means not counted."""

    name: str
    limit: int
    period: int
    key: Callable[[Caller], str | int | None]


@dataclass(frozen=True)
class Usage:
    """Where a caller stands under one rule."""

    rule: Rule
    count: int
    at: float

    @property
    def exceeded(self) -> bool:
        """Whether this request is one too many."""
        return self.count > self.rule.limit

    def headers(self) -> dict[str, str]:
        """X-RateLimit-*: the reset is the end of the running period, ISO 8601 with microseconds."""
        reset = self.at + self.rule.period - int(self.at) % self.rule.period
        moment = datetime.fromtimestamp(reset, UTC)
        return {
            "X-RateLimit-Limit": str(self.rule.limit),
            "X-RateLimit-Remaining": str(max(self.rule.limit - self.count, 0)),
            "X-RateLimit-Reset": f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z",
        }


def _api(caller: Caller) -> bool:
    return caller.path.startswith("/api")


def _post(caller: Caller, path: str) -> bool:
    return caller.method == "POST" and re.fullmatch(re.escape(path) + r"(\..*)?", caller.path) is not None


_DELETES = re.compile(r"/api/v1/statuses/\d+")
_MEDIA = re.compile(r"/api/v\d+/media", re.IGNORECASE)

RULES: tuple[Rule, ...] = (
    Rule("throttle_authenticated_api", 1500, 5 * MINUTE, lambda c: c.user_id if _api(c) else None),
    Rule("throttle_per_token_api", 300, 5 * MINUTE, lambda c: c.token_id if _api(c) else None),
    Rule(
        "throttle_unauthenticated_api",
        300,
        5 * MINUTE,
        lambda c: c.address if _api(c) and c.user_id is None else None,
    ),
    Rule(
        "throttle_api_media",
        30,
        30 * MINUTE,
        lambda c: c.user_id if c.method == "POST" and _MEDIA.fullmatch(c.path) else None,
    ),
    Rule("throttle_api_sign_up", 5, 30 * MINUTE, lambda c: c.address if _post(c, "/api/v1/accounts") else None),
    Rule("throttle_authenticated_paging", 300, 15 * MINUTE, lambda c: c.user_id if c.paging else None),
    Rule(
        "throttle_unauthenticated_paging",
        300,
        15 * MINUTE,
        lambda c: c.address if c.paging and c.user_id is None else None,
    ),
    Rule(
        "throttle_api_delete",
        30,
        30 * MINUTE,
        lambda c: c.user_id if c.method == "DELETE" and _DELETES.fullmatch(c.path) else None,
    ),
    Rule(
        "throttle_oauth_application_registrations/ip",
        5,
        10 * MINUTE,
        lambda c: c.address if _post(c, "/api/v1/apps") else None,
    ),
    Rule("throttle_login_attempts/ip", 25, 5 * MINUTE, lambda c: c.address if _post(c, "/auth/sign_in") else None),
    Rule("throttle_login_attempts/email", 25, 60 * MINUTE, lambda c: c.login if _post(c, "/auth/sign_in") else None),
)


def count(valkey: Valkey, caller: Caller, now: float | None = None) -> list[Usage]:
    """Count this request under every rule that applies to it."""
    at = time.time() if now is None else now
    asked = [(rule, key) for rule in RULES if (key := rule.key(caller)) is not None]
    if not asked:
        return []
    pipe = valkey.pipeline(transaction=False)
    for rule, key in asked:
        # Rack::Attack's key: the period's number keeps counters apart.
        name = f"cache:rack::attack:{int(at) // rule.period}:{rule.name}:{key}"
        pipe.incr(name)
        pipe.expire(name, rule.period + 1)
    counts = pipe.execute()[::2]
    return [Usage(rule, int(found), at) for (rule, _), found in zip(asked, counts, strict=True)]


def tightest(usages: list[Usage]) -> Usage | None:
    """The usage with the least room left: the one the headers tell of."""
    return min(usages, key=lambda usage: usage.rule.limit - usage.count, default=None)


# app/lib/rate_limiter.rb: what an account may do, on top of what may be asked
FAMILIES = {
    "follows": Rule("follows", 400, 24 * 60 * MINUTE, lambda c: c.user_id),
    "statuses": Rule("statuses", 300, 180 * MINUTE, lambda c: c.user_id),
}


def record(valkey: Valkey, family: str, account: int) -> Usage:
    """Count one post or follow of an account; an exceeded usage is one too many."""
    rule, at = FAMILIES[family], time.time()
    key = f"rate_limit:{account}:{family}:{int(at) // rule.period}"
    pipe = valkey.pipeline(transaction=False)
    pipe.incr(key)
    pipe.expire(key, rule.period + 1)
    return Usage(rule, int(pipe.execute()[0]), at)
