"""Following and being followed."""

from typing import Any, TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from . import errors, feeds
from .context import Context
from .models import Account, AccountStat, Follow, FollowRequest, Notification

Link = TypeVar("Link", Follow, FollowRequest)


def _one(session: Session, table: type[Link], one: int, other: int) -> Link | None:
    query = select(table).where(table.account_id == one, table.target_account_id == other)
    return session.scalars(query).first()


def _count(session: Session, one: int, other: int, step: int) -> None:
    for account, column in ((one, AccountStat.following_count), (other, AccountStat.followers_count)):
        session.execute(
            update(AccountStat).where(AccountStat.account_id == account).values({column.key: column + step})
        )


def _connect(context: Context, one: int, other: int, options: dict[str, Any]) -> None:
    context.session.add(Follow(account_id=one, target_account_id=other, **options))
    _count(context.session, one, other, 1)
    feeds.forget(context.valkey, one)
    context.enqueue("LocalNotificationWorker", other, one, "follow")


def follow_options(context: Context) -> dict[str, Any]:
    """Return the options of a follow that the request names."""
    params = context.params
    options: dict[str, Any] = {}
    if params.has("reblogs"):
        options["show_reblogs"] = params.truthy("reblogs")
    if params.has("notify"):
        options["notify"] = params.truthy("notify")
    if params.has("languages"):
        options["languages"] = [str(item) for item in params.items_of("languages")] or None
    return options


def follow(context: Context, source: Account, target: Account, options: dict[str, Any]) -> None:
    """Follow, or ask a locked account to be let in; a second time changes the options."""
    if target.unavailable:
        raise errors.record_not_found()
    existing = _one(context.session, Follow, source.id, target.id) or _one(
        context.session, FollowRequest, source.id, target.id
    )
    if existing is not None:
        for name, value in options.items():
            setattr(existing, name, value)
    elif target.locked or source.silenced_at is not None:
        context.session.add(FollowRequest(account_id=source.id, target_account_id=target.id, **options))
        context.enqueue("LocalNotificationWorker", target.id, source.id, "follow_request")
    else:
        _connect(context, source.id, target.id, options)
    context.session.flush()


def unfollow(context: Context, source: int, target: int) -> None:
    """Stop following, or take the request back."""
    found = _one(context.session, Follow, source, target)
    if found is not None:
        context.session.delete(found)
        _count(context.session, source, target, -1)
        feeds.forget(context.valkey, source)
    _drop_request(context, source, target)
    context.session.flush()


def _drop_request(context: Context, source: int, target: int) -> FollowRequest | None:
    found = _one(context.session, FollowRequest, source, target)
    if found is not None:
        context.session.delete(found)
        context.session.execute(
            delete(Notification).where(
                Notification.account_id == target,
                Notification.from_account_id == source,
                Notification.type == "follow_request",
            )
        )
    return found


def answer(context: Context, source: int, target: int, *, accept: bool) -> None:
    """Accept or refuse a follow request."""
    found = _drop_request(context, source, target)
    if found is None:
        raise errors.record_not_found()
    if accept:
        options = {"show_reblogs": found.show_reblogs, "notify": found.notify, "languages": found.languages}
        _connect(context, source, target, options)
    context.session.flush()


def relationships(session: Session, viewer: int, targets: list[int]) -> list[dict[str, Any]]:
    """REST::RelationshipSerializer for each target. The sandbox has no blocks, mutes, endorsements or notes."""

    def mine(table: type[Link]) -> dict[int, Link]:
        query = select(table).where(table.account_id == viewer, table.target_account_id.in_(targets))
        return {row.target_account_id: row for row in session.scalars(query)}

    def theirs(table: type[Link]) -> set[int]:
        query = select(table.account_id).where(table.target_account_id == viewer, table.account_id.in_(targets))
        return set(session.scalars(query))

    following, requested = mine(Follow), mine(FollowRequest)
    followers, requesting = theirs(Follow), theirs(FollowRequest)
    result = []
    for target in targets:
        link = following.get(target) or requested.get(target)
        result.append(
            {
                "id": str(target),
                "following": target in following,
                "showing_reblogs": bool(link and link.show_reblogs),
                "notifying": bool(link and link.notify),
                "languages": link.languages if link else None,
                "followed_by": target in followers,
                "blocking": False,
                "blocked_by": False,
                "muting": False,
                "muting_notifications": False,
                "muting_expires_at": None,
                "requested": target in requested,
                "requested_by": target in requesting,
                "domain_blocking": False,
                "endorsed": False,
                "note": "",
            }
        )
    return result
