"""Home timelines in Valkey (`feed:home:ID`, as Mastodon keeps them) and what is published to streams."""

import json
import time

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from .cache import Valkey
from .kinds import Json
from .models import DIRECT, PRIVATE, PUBLIC, UNLISTED, Follow, Mention, Status

MAX_ITEMS = 800


def key(account: int) -> str:
    """Where an account's home timeline lies."""
    return f"feed:home:{account}"


def home_query(account: int) -> ColumnElement[bool]:
    """The condition under which a post belongs to an account's home timeline."""
    followed = select(Follow.target_account_id).where(Follow.account_id == account)
    mentioned = select(Mention.status_id).where(Mention.account_id == account)
    visible = or_(Status.visibility.in_((PUBLIC, UNLISTED, PRIVATE)), Status.id.in_(mentioned))
    return or_(
        Status.account_id == account,
        Status.account_id.in_(followed) & visible & (Status.visibility != DIRECT),
    )


def populate(session: Session, valkey: Valkey, account: int) -> None:
    """Fill a home timeline from the database when there is none."""
    if valkey.exists(key(account)):
        return
    query = (
        select(Status.id)
        .where(home_query(account), Status.deleted_at.is_(None))
        .order_by(Status.id.desc())
        .limit(MAX_ITEMS)
    )
    # Zero keeps an empty timeline known as filled.
    scores = {"0": 0} | {str(found): found for found in session.scalars(query)}
    valkey.zadd(key(account), scores)


def forget(valkey: Valkey, account: int) -> None:
    """Drop a home timeline; the next look fills it anew."""
    valkey.delete(key(account))


def add(valkey: Valkey, account: int, status: int) -> None:
    """Put a post on a home timeline that somebody looks at."""
    if not valkey.exists(key(account)):
        return
    pipe = valkey.pipeline()
    pipe.zadd(key(account), {str(status): status})
    pipe.zremrangebyrank(key(account), 0, -(MAX_ITEMS + 2))
    pipe.execute()


def remove(valkey: Valkey, account: int, status: int) -> None:
    """Take a post off a home timeline."""
    valkey.zrem(key(account), str(status))


def home(
    valkey: Valkey, account: int, limit: int, max_id: int | None, since_id: int | None, min_id: int | None
) -> list[int]:
    """Ids of one page of a home timeline, newest first."""
    # Scores are doubles: neighbours of a snowflake id cannot be told apart by score, so compare the members.
    members = [int(member) for member in valkey.zrange(key(account), 0, -1) if member != "0"]
    found = [item for item in sorted(members, reverse=True) if max_id is None or item < max_id]
    if min_id is not None:
        return [item for item in found if item > min_id][-limit:] if limit else []
    if since_id is not None:
        found = [item for item in found if item > since_id]
    return found[:limit]


def publish(valkey: Valkey, channel: str, event: str, payload: Json) -> None:
    """Send an event to those who listen."""
    message = {"event": event, "payload": payload, "queued_at": int(time.time() * 1000)}
    valkey.publish(channel, json.dumps(message, ensure_ascii=False, separators=(",", ":")))


def kill(valkey: Valkey, channel: str) -> None:
    """End the streams of a token (`timeline:access_token:ID`) or an account (`timeline:system:ID`)."""
    valkey.publish(channel, json.dumps({"event": "kill"}))
