"""What the jobs do. Every one can run twice without harm: a job that was cut off runs again."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from . import feeds, files, jobs, self_destruct, urls, verification
from .clock import ago, now
from .context import Services
from .kinds import Json
from .models import (
    PUBLIC,
    UNLISTED,
    Account,
    AccountStat,
    DomainBlock,
    Follow,
    FollowRequest,
    Grant,
    IpBlock,
    Media,
    Mention,
    Notification,
    Status,
    Token,
    User,
)
from .serializers import statuses
from .view import View

ORPHAN_HOURS = 24
SUSPEND = 1
SILENCE = 0


class UnknownTaskError(Exception):
    """A job class the sandbox does not have."""


class Guest(View):
    """A view of nobody, or of one account, for a job."""

    def __init__(self, services: Services, session: Session, account: Account | None = None) -> None:
        super().__init__(services.config, session)
        self._account = account

    @property
    def account(self) -> Account | None:
        """Who looks."""
        return self._account


def perform(services: Services, name: str, args: list[Any]) -> None:
    """Run one job in one transaction."""
    task = TASKS.get(name)
    if task is None:
        raise UnknownTaskError(name)
    with services.sessions() as session:
        task(services, session, *args)
        session.commit()


def distribute(services: Services, session: Session, status_id: int, options: dict[str, Any] | None = None) -> None:
    """Bring a new or changed post to home timelines, notifications and streams."""
    event = "status.update" if options and options.get("update") else "update"
    found = session.get(Status, status_id)
    if found is None or found.deleted_at is not None:
        return
    payload = statuses.status(Guest(services, session), found)
    readers = [found.account_id]
    if found.visibility in {PUBLIC, UNLISTED} or payload["visibility"] == "private":
        readers += _followers(session, found.account_id)
    for reader in readers:
        feeds.add(services.valkey, reader, found.id)
        feeds.publish(services.valkey, f"timeline:{reader}", event, payload)
    for mention in found.mentions:
        jobs.push(services.valkey, "LocalNotificationWorker", mention.account_id, found.account_id, "mention", found.id)
    if found.reblog is not None and found.reblog.account_id != found.account_id:
        jobs.push(
            services.valkey,
            "LocalNotificationWorker",
            found.reblog.account_id,
            found.account_id,
            "reblog",
            found.reblog.id,
        )
    if found.visibility == PUBLIC and found.reblog_of_id is None:
        for channel in _public_channels(found):
            feeds.publish(services.valkey, channel, event, payload)


def _followers(session: Session, account: int) -> list[int]:
    return list(session.scalars(select(Follow.account_id).where(Follow.target_account_id == account)))


def _public_channels(found: Status) -> list[str]:
    channels = ["timeline:public", "timeline:public:local"]
    if found.media:
        channels += ["timeline:public:media", "timeline:public:local:media"]
    for tag in found.tags:
        channels += [f"timeline:hashtag:{tag.name}", f"timeline:hashtag:{tag.name}:local"]
    return channels


def notify(
    services: Services, session: Session, account_id: int, from_id: int, kind: str, status_id: int | None = None
) -> None:
    """Tell a local account that something happened; the same thing once."""
    account = session.get(Account, account_id)
    if account is None or not account.local or account_id == from_id or session.get(Account, from_id) is None:
        return
    if status_id is not None and session.get(Status, status_id) is None:
        return
    known = select(Notification.id).where(
        Notification.account_id == account_id,
        Notification.from_account_id == from_id,
        Notification.type == kind,
        Notification.status_id.is_not_distinct_from(status_id),
    )
    if session.scalars(known).first() is not None:
        return
    made = Notification(account_id=account_id, from_account_id=from_id, type=kind, status_id=status_id)
    session.add(made)
    session.flush()
    session.refresh(made)
    payload = statuses.notification(Guest(services, session, account), made)
    feeds.publish(services.valkey, f"timeline:{account_id}:notifications", "notification", payload)


def remove_status(services: Services, session: Session, status_id: int, options: dict[str, Any]) -> None:
    """Take a deleted post off timelines, and remove it and its files; a redraft keeps the files for the next post."""
    found = session.get(Status, status_id)
    if found is None:
        return
    for reader in [found.account_id, *_followers(session, found.account_id)]:
        feeds.remove(services.valkey, reader, found.id)
        feeds.publish(services.valkey, f"timeline:{reader}", "delete", str(found.id))
    if found.visibility == PUBLIC:
        for channel in _public_channels(found):
            feeds.publish(services.valkey, channel, "delete", str(found.id))
    for item in list(found.media):
        if options.get("redraft"):
            session.execute(update(Media).where(Media.id == item.id).values(status_id=None))
        else:
            remove_media(services, session, item)
    session.execute(delete(Status).where(Status.id == found.id))


def remove_media(services: Services, session: Session, item: Media) -> None:
    """Delete an attachment and its files."""
    for style in ("original", "small"):
        if item.file_file_name:
            files.remove(services.config, urls.media_file(style, item))
    session.execute(delete(Media).where(Media.id == item.id))


def verify_links(services: Services, session: Session, account_id: int) -> None:
    """Look whether the pages in a profile link back; what was verified before stays so."""
    account = session.get(Account, account_id)
    if account is None or not account.local or account.unavailable:
        return
    profile = urls.account_url(services.config, account)
    fields = []
    for field in account.fields:
        if not field.get("verified_at") and verification.links_back(str(field.get("value", "")), profile):
            fields.append({**field, "verified_at": now().isoformat(timespec="milliseconds") + "+00:00"})
        else:
            fields.append(field)
    if fields != account.fields:
        account.fields = fields


def block_domain(_services: Services, session: Session, block_id: int, *_more: Json) -> None:
    """Bring the known accounts of a domain in line with its block; a suspension ends follows."""
    block = session.get(DomainBlock, block_id)
    if block is None:
        return
    on_domain = Account.domain == block.domain
    if block.severity == SILENCE:
        session.execute(update(Account).where(on_domain, Account.silenced_at.is_(None)).values(silenced_at=now()))
    if block.severity == SUSPEND:
        session.execute(update(Account).where(on_domain, Account.suspended_at.is_(None)).values(suspended_at=now()))
        remote = select(Account.id).where(on_domain)
        for table in (Follow, FollowRequest):
            session.execute(delete(table).where(table.account_id.in_(remote) | table.target_account_id.in_(remote)))


def suspend(services: Services, session: Session, account_id: int) -> None:
    """End what a suspended account still has open; its content stays, unseen, until it is deleted or restored."""
    account = session.get(Account, account_id)
    if account is None or account.suspended_at is None:
        return
    remote_or_own = (Follow.account_id == account_id) & Follow.target_account_id.in_(
        select(Account.id).where(Account.domain.is_not(None))
    )
    session.execute(delete(Follow).where(remote_or_own))
    for reader in _followers(session, account_id):
        feeds.forget(services.valkey, reader)
    feeds.kill(services.valkey, f"timeline:system:{account_id}")


def unsuspend(services: Services, session: Session, account_id: int) -> None:
    """Let followers see the account's posts again."""
    for reader in [account_id, *_followers(session, account_id)]:
        feeds.forget(services.valkey, reader)


def delete_account(services: Services, session: Session, account_id: int) -> None:
    """Delete an account's posts, files, login and relations; the name stays taken."""
    account = session.get(Account, account_id)
    if account is None or account.suspended_at is None:
        return
    for item in session.scalars(select(Media).where(Media.account_id == account_id)):
        remove_media(services, session, item)
    for kind, name in (("avatars", account.avatar_file_name), ("headers", account.header_file_name)):
        if name:
            files.remove(services.config, urls.profile_file(kind, account_id, name))
    session.execute(delete(Status).where(Status.account_id == account_id))
    for table in (Follow, FollowRequest):
        session.execute(delete(table).where((table.account_id == account_id) | (table.target_account_id == account_id)))
    session.execute(delete(Notification).where(Notification.from_account_id == account_id))
    session.execute(delete(Mention).where(Mention.account_id == account_id))
    session.execute(delete(User).where(User.account_id == account_id))
    session.execute(
        update(AccountStat)
        .where(AccountStat.account_id == account_id)
        .values(statuses_count=0, following_count=0, followers_count=0, last_status_at=None)
    )
    account.requested_deletion_at = account.requested_deletion_at or now()
    account.display_name, account.note, account.fields = "", "", []
    account.avatar_file_name = account.header_file_name = None
    feeds.forget(services.valkey, account_id)
    feeds.kill(services.valkey, f"timeline:system:{account_id}")


def vacuum(services: Services, session: Session) -> None:
    """Remove what nobody can use any more: unattached files, used-up codes, old revoked tokens, past IP blocks."""
    orphans = select(Media).where(Media.status_id.is_(None), Media.created_at < ago(hours=ORPHAN_HOURS))
    for item in session.scalars(orphans):
        remove_media(services, session, item)
    expired = Grant.created_at + func.make_interval(0, 0, 0, 0, 0, 0, Grant.expires_in) < now()
    session.execute(delete(Grant).where((Grant.revoked_at.is_not(None)) | expired))
    session.execute(delete(Token).where(Token.revoked_at < ago(days=7)))
    session.execute(delete(IpBlock).where(IpBlock.expires_at < now()))


TASKS: dict[str, Callable[..., None]] = {
    "DistributionWorker": distribute,
    "LocalNotificationWorker": notify,
    "RemovalWorker": remove_status,
    "VerifyAccountLinksWorker": verify_links,
    "DomainBlockWorker": block_domain,
    "Admin::SuspensionWorker": suspend,
    "Admin::UnsuspensionWorker": unsuspend,
    "Admin::AccountDeletionWorker": delete_account,
    "Scheduler::VacuumScheduler": vacuum,
    "Scheduler::SelfDestructScheduler": self_destruct.go_on,
    "ActivityPub::DeliveryWorker": self_destruct.deliver,
}
