"""Time as the database stores it (UTC, without zone) and as the API writes it."""

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """This moment in UTC, without zone, to the millisecond."""
    moment = datetime.now(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def ago(**kwargs: float) -> datetime:
    """A moment in the past: `ago(days=7)`."""
    return now() - timedelta(**kwargs)


def iso(moment: datetime | None) -> str | None:
    """`2026-10-14T19:03:35.562Z`, as ActiveSupport writes times in JSON."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def iso_seconds(moment: datetime | None) -> str | None:
    """`2026-10-14T19:03:35Z`, as Time#iso8601 writes it."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def midnight(moment: datetime) -> datetime:
    """The start of that day: what the API tells of an account's age."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def epoch(moment: datetime) -> int:
    """Seconds since 1970 of a stored time."""
    return int(moment.replace(tzinfo=UTC).timestamp())
