"""Who may see what (StatusPolicy), in Python for one post and in SQL for many."""

from sqlalchemy import ColumnElement, Select, and_, or_, select

from .models import PRIVATE, PUBLIC, UNLISTED, Account, Follow, Mention, Status
from .view import View


def may_see(view: View, status: Status) -> bool:
    """Whether the viewer may see a post."""
    if status.deleted_at is not None or status.account.unavailable:
        return False
    viewer = view.account
    if status.visibility in {PUBLIC, UNLISTED} or (viewer is not None and viewer.id == status.account_id):
        return True
    if viewer is None:
        return False
    mentioned = select(Mention.id).where(Mention.status_id == status.id, Mention.account_id == viewer.id)
    if view.session.scalars(mentioned).first() is not None:
        return True
    return (
        status.visibility == PRIVATE
        and view.session.scalars(_follows(viewer.id, status.account_id)).first() is not None
    )


def _follows(viewer: int, author: int) -> Select[tuple[int]]:
    return select(Follow.id).where(Follow.account_id == viewer, Follow.target_account_id == author)


def visible(viewer: Account | None) -> ColumnElement[bool]:
    """The same as a condition; authors who are suspended are left out by the caller's join."""
    everybody = Status.visibility.in_((PUBLIC, UNLISTED))
    if viewer is None:
        return everybody
    mentioned = select(Mention.status_id).where(Mention.account_id == viewer.id)
    followed = select(Follow.target_account_id).where(Follow.account_id == viewer.id)
    return or_(
        everybody,
        Status.account_id == viewer.id,
        Status.id.in_(mentioned),
        and_(Status.visibility == PRIVATE, Status.account_id.in_(followed)),
    )
