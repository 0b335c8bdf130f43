"""How long to wait after 429, whatever form the server says it in, and how the wait is shown."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from meentwerk.console import note, stderr

LEAST, MOST_UNTOLD = 1.0, 60.0  # seconds
_MILLISECONDS = 1e11  # a larger number cannot be seconds since 1970: that would be the year 5138


class Clock(Protocol):
    """The time, and a way to let it pass; tests bring their own."""

    def now(self) -> float:
        """Seconds since 1970."""

    def wait(self, seconds: float, why: str) -> None:
        """Let `seconds` pass, telling the person why."""


class RealClock:
    """The machine's own time; on a terminal a countdown, in a log one line."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def wait(self, seconds: float, why: str) -> None:
        """Sleep; a long wait is told."""
        console = stderr()
        if not console.is_terminal:
            if seconds >= MOST_UNTOLD / 10:
                note(f"{why}: waiting {shown(seconds)}")
            time.sleep(seconds)
            return
        end = time.monotonic() + seconds
        with console.status(why) as status:
            while (left := end - time.monotonic()) > 0:
                status.update(f"{why}: {shown(left)} left")
                time.sleep(min(1.0, left))


@dataclass
class Patience:
    """How many seconds all waits of one command may take together."""

    seconds: float
    used: float = 0.0

    @property
    def left(self) -> float:
        """Seconds that may still be waited."""
        return max(self.seconds - self.used, 0.0)


def shown(seconds: float) -> str:
    """Say a duration as people do: 40 s, 12 min, 3 h 20 min."""
    whole = max(round(seconds), 1)
    if whole < 120:  # noqa: PLR2004  # up to two minutes seconds are easier to read
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def delay(headers: Mapping[str, str], now: float, attempt: int) -> float:
    """Return the seconds to wait after 429, at least one.

    Mastodon says X-RateLimit-Reset in ISO 8601 and no Retry-After; others say seconds since 1970, seconds from now, or
    Retry-After as number or date (RFC 9110). A reset that is past, or none at all, means a wait that doubles with each
    `attempt` (0, 1, ...). The server's own Date is the present, where it is told: clocks differ.
    """
    present = _moment(headers.get("Date", ""), now) or now
    for name in ("Retry-After", "X-RateLimit-Reset", "RateLimit-Reset"):
        moment = _moment(headers.get(name, ""), present)
        if moment is not None and moment > present:
            return max(moment - present, LEAST)
    return min(LEAST * 5 * 2.0**attempt, MOST_UNTOLD)


def _moment(text: str, present: float) -> float | None:
    """Read a moment in any form as seconds since 1970."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        return _date(text)
    if number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124  # not a number
        return None
    if number >= _MILLISECONDS:
        return number / 1000
    # Less than thirty years since 1970 is no date of today: it counts from now
    return number if number > 946_684_800 else present + number  # noqa: PLR2004


def _date(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
