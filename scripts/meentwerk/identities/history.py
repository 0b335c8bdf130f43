"""What was known of each account when, and what has changed since: the source of alerts and of the feed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from meentwerk.errors import UsageError
from meentwerk.files import replace_file
from meentwerk.identities.model import REQUIRED, Check, Result, Verdict

FILE = "history.json"
# A page that cannot be seen for a day is the weather; for a week it is no proof any more
UNSEEN = timedelta(days=7)
MOST_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """An account became verified, or ceased to be, and why."""

    at: str
    handle: str
    organisation: str
    verified: bool
    why: str


@dataclass(frozen=True, slots=True)
class State:
    """What holds for an account: verified or not, since when, and when that was last seen."""

    verified: bool
    since: str
    seen: str


@dataclass
class History:
    """The state of each account by handle, and the changes, newest first."""

    states: dict[str, State]
    events: list[Event]


def read(path: Path) -> History:
    """Read a history; an empty one where there is none yet."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        states = {handle: State(**state) for handle, state in data["states"].items()}
        return History(states, [Event(**event) for event in data["events"]])
    except FileNotFoundError:
        return History({}, [])
    except (ValueError, KeyError, TypeError, AttributeError):
        cure = "move it away to begin a new one; alerts then start from today"
        raise UsageError(f"{path} is damaged", cure) from None


def write(path: Path, history: History) -> None:
    """Write a history, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    states = {handle: asdict(state) for handle, state in sorted(history.states.items())}
    data = {"states": states, "events": [asdict(event) for event in history.events]}
    replace_file(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n", 0o644)


def advance(history: History, results: Sequence[Result]) -> tuple[History, list[Event]]:
    """Return the history after these results, and what changed. Accounts that were not looked at stay as they were."""
    states, new = dict(history.states), []
    for result in results:
        handle, at = result.account.handle, result.checked_at
        before = states.get(handle)
        verified = _holds(result, before)
        if before is None or before.verified != verified:
            if before is not None or verified:
                new.append(Event(at, handle, result.account.organisation, verified, _why(result)))
            states[handle] = State(verified, at, at)
        elif result.verdict is not Verdict.UNKNOWN:
            states[handle] = State(verified, before.since, at)
    return History(states, (new + history.events)[:MOST_EVENTS]), new


def _holds(result: Result, before: State | None) -> bool:
    if result.verdict is not Verdict.UNKNOWN:
        return result.verdict is Verdict.PASS
    if before is None or not before.verified:
        return False
    return datetime.fromisoformat(result.checked_at) - datetime.fromisoformat(before.seen) < UNSEEN


def _why(result: Result) -> str:
    wrong: list[Check] = [c for c in result.checks if c.name in REQUIRED and c.verdict is result.verdict]
    if result.verdict is Verdict.PASS or not wrong:
        return "every required check passes"
    return f"{wrong[0].name}: {wrong[0].why}"


def alert(event: Event) -> str:
    """Return the line for whoever watches; only what was lost is alarming."""
    if event.verified:
        return f"verified: {event.handle}: {event.why}"
    return f"ALERT {event.handle} was verified and is not any more: {event.why}"
