"""What moderators do, whichever way they ask for it."""

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from . import blocks, errors, feeds
from .clock import now
from .context import Context
from .models import (
    LOCAL_ORIGIN,
    Account,
    ActionLog,
    CanonicalEmailBlock,
    DomainAllow,
    DomainBlock,
    Follow,
    Strike,
    User,
)
from .roles import Permission
from .validation import BLANK, NOT_IN_LIST, Errors

ACTIONS = ("none", "disable", "sensitive", "silence", "suspend")
SUSPEND, SILENCE, NOOP = 1, 0, 2


def log(context: Context, user: User, action: str, target: str, number: int | None, name: str) -> None:
    """Write the audit log."""
    context.session.add(
        ActionLog(
            account_id=user.account_id, action=action, target_type=target, target_id=number, human_identifier=name
        )
    )


def _require_above(context: Context, user: User, account: Account, *any_of: Permission) -> None:
    """The caller's role must allow it and stand above the account's."""
    other = account.user
    role = context.role_of(other) if other else context.everyone
    if not context.can(*any_of) or not context.role_of(user).overrides(role):
        raise errors.not_permitted()


def act(context: Context, moderator: User, account: Account) -> None:
    """POST /api/v1/admin/accounts/ID/action (Admin::AccountAction)."""
    kind = context.params.text("type")
    found = Errors()
    if not kind:
        found.add("type", BLANK)
    if kind not in ACTIONS:
        found.add("type", NOT_IN_LIST)
    found.raise_if_any()
    moderators = (Permission.MANAGE_USERS, Permission.MANAGE_REPORTS)
    if kind == "disable":
        if account.user is None:
            raise errors.not_permitted()
        _require_above(context, moderator, account, Permission.MANAGE_USERS)
        account.user.disabled = True
        feeds.kill(context.valkey, f"timeline:system:{account.id}")
    elif kind != "none":
        _require_above(context, moderator, account, *moderators)
        if kind == "sensitive":
            account.sensitized_at = account.sensitized_at or now()
        elif kind == "silence":
            account.silenced_at = account.silenced_at or now()
        else:
            suspend(context, account)
    context.session.add(
        Strike(
            account_id=moderator.account_id,
            target_account_id=account.id,
            action=kind,
            text=context.params.text("text"),
        )
    )
    if kind != "none":
        log(context, moderator, kind, "User" if kind == "disable" else "Account", account.id, account.acct)


def suspend(context: Context, account: Account) -> None:
    """Suspend an account; its e-mail address cannot be used to come back."""
    account.suspended_at = account.suspended_at or now()
    account.suspension_origin = LOCAL_ORIGIN
    if account.user is not None and not blocks.canonical_email_blocked(context.session, account.user.email):
        context.session.add(
            CanonicalEmailBlock(
                canonical_email_hash=blocks.email_hash(account.user.email), reference_account_id=account.id
            )
        )
    context.enqueue("Admin::SuspensionWorker", account.id)


def unsuspend(context: Context, account: Account) -> None:
    """Lift a suspension."""
    account.suspended_at = None
    account.suspension_origin = None
    context.session.execute(delete(CanonicalEmailBlock).where(CanonicalEmailBlock.reference_account_id == account.id))
    context.enqueue("Admin::UnsuspensionWorker", account.id)


def stricter(one: DomainBlock, other: DomainBlock) -> bool:
    """DomainBlock#stricter_than?: suspend always is; then severity, then what is rejected on top."""
    if one.severity == SUSPEND:
        return True
    if other.severity == SUSPEND or (other.severity == SILENCE and one.severity == NOOP):
        return False
    return (one.reject_media or not other.reject_media) and (one.reject_reports or not other.reject_reports)


def lift(context: Context, block: DomainBlock) -> None:
    """Delete a block and undo what it did."""
    unblock(context.session, block)


def unblock(session: Session, block: DomainBlock) -> None:
    """Delete a block and undo what it did to known accounts (UnblockDomainService)."""
    made = block.created_at
    column = Account.suspended_at if block.severity == SUSPEND else Account.silenced_at
    if block.severity in {SUSPEND, SILENCE}:
        session.execute(
            update(Account).where(Account.domain == block.domain, column >= made).values({column.key: None})
        )
    session.delete(block)


def disallow(session: Session, allow: DomainAllow, *, limited: bool) -> None:
    """Delete an allow; in limited federation the domain's accounts are suspended (UnallowDomainService)."""
    if limited:
        accounts = update(Account).where(Account.domain == allow.domain, Account.suspended_at.is_(None))
        session.execute(accounts.values(suspended_at=now()))
    session.delete(allow)


def follows_with(
    session: Session, domain: str, *, outwards: bool = True, inwards: bool = True, below: bool = True
) -> int:
    """How many follows there are between people here and accounts of a domain, and of its subdomains."""
    there = or_(Account.domain == domain, Account.domain.like(f"%.{domain}")) if below else Account.domain == domain
    remote = select(Account.id).where(there)
    sides = [Follow.target_account_id.in_(remote)] * outwards + [Follow.account_id.in_(remote)] * inwards
    return session.scalar(select(func.count()).select_from(Follow).where(or_(*sides))) or 0


def rule_for(context: Context, variants: list[str]) -> DomainBlock | None:
    """The longest blocked domain among the variants."""
    query = select(DomainBlock).where(DomainBlock.domain.in_(variants))
    found = list(context.session.scalars(query))
    return max(found, key=lambda block: len(block.domain), default=None)


def erase(context: Context, account: Account) -> None:
    """Delete an account and its name (DeleteAccountService without reservation); the database deletes the rest."""
    context.session.execute(delete(Account).where(Account.id == account.id))
    context.session.expunge(account)
