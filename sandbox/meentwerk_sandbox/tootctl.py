"""bin/tootctl: the operator's command line, the part of Mastodon's that the sandbox needs."""

import argparse
import sys
from collections.abc import Callable

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from . import accounts, feeds, logs, release, security, self_destruct, tasks
from .cache import connect
from .clock import ago
from .config import Config, run
from .context import Services
from .db import sessions
from .lookup import find
from .models import Media, Status, Token, User
from .site_settings import Settings

Command = Callable[[Services, Session, argparse.Namespace], None]


class CommandError(Exception):
    """The command cannot be done; the message is for the operator."""


def parser() -> argparse.ArgumentParser:
    """The commands with Mastodon's names and options."""
    root = argparse.ArgumentParser(prog="tootctl", description="Administer this rehearsal server.")
    groups = root.add_subparsers(dest="group", required=True)
    groups.add_parser("version", help="show the version").set_defaults(command=version)
    _accounts_parser(groups.add_parser("accounts", help="manage accounts"))
    media = groups.add_parser("media", help="manage media files").add_subparsers(dest="verb", required=True)
    remove = media.add_parser("remove", help="remove files that no post uses")
    remove.add_argument("--days", type=int, default=7)
    remove.add_argument("--dry-run", action="store_true")
    remove.set_defaults(command=media_remove)
    cards = groups.add_parser("preview_cards", help="manage link previews").add_subparsers(dest="verb", required=True)
    remove = cards.add_parser("remove", help="remove link previews (the sandbox makes none)")
    remove.add_argument("--days", type=int, default=180)
    remove.add_argument("--dry-run", action="store_true")
    remove.set_defaults(command=preview_cards_remove)
    cache = groups.add_parser("cache", help="manage the cache").add_subparsers(dest="verb", required=True)
    cache.add_parser("clear", help="clear the cache").set_defaults(command=cache_clear)
    timelines = groups.add_parser("feeds", help="manage home timelines").add_subparsers(dest="verb", required=True)
    build = timelines.add_parser("build", help="make home timelines anew from the database")
    build.add_argument("username", nargs="?")
    build.add_argument("--all", action="store_true")
    build.set_defaults(command=feeds_build)
    leave = groups.add_parser("self-destruct", help="tell every known server that all accounts are gone")
    leave.set_defaults(command=leave_federation)
    return root


def _accounts_parser(group: argparse.ArgumentParser) -> None:
    verbs = group.add_subparsers(dest="verb", required=True)
    create = verbs.add_parser("create", help="make an account and print its password")
    create.add_argument("username")
    create.add_argument("--email", required=True)
    create.add_argument("--confirmed", action="store_true")
    create.add_argument("--approve", action="store_true")
    create.add_argument("--role")
    create.set_defaults(command=accounts_create)
    modify = verbs.add_parser("modify", help="change an account")
    modify.add_argument("username")
    modify.add_argument("--role")
    modify.add_argument("--email")
    for flag in ("remove-role", "confirm", "enable", "disable", "disable-2fa", "approve", "reset-password"):
        modify.add_argument(f"--{flag}", action="store_true")
    modify.set_defaults(command=accounts_modify)
    delete = verbs.add_parser("delete", help="delete an account and what it posted")
    delete.add_argument("username")
    delete.add_argument("--dry-run", action="store_true")
    delete.set_defaults(command=accounts_delete)


def version(_services: Services, _session: Session, _args: argparse.Namespace) -> None:
    """Print the version of Mastodon this stands in for."""
    _say(release.MASTODON_VERSION)


def accounts_create(services: Services, session: Session, args: argparse.Namespace) -> None:
    """Make an account with a random password."""
    settings = Settings(session)
    password = security.random_password()
    wanted = accounts.SignUp(args.username, args.email, password, bypass_checks=True)
    role_id = _role_id(session, args.role)
    errors = accounts.check(session, services.config, settings, wanted)
    if errors:
        raise CommandError(errors.message().removeprefix("Validation failed: "))
    user = accounts.create(session, settings, wanted)
    user.role_id = role_id
    if args.confirmed:
        accounts.confirm(user)
    # Creating resets the approval in closed and approval mode: approve afterwards.
    if args.approve:
        user.approved = True
    session.commit()
    _say("OK")
    _say(f"New password: {password}")


def accounts_modify(services: Services, session: Session, args: argparse.Namespace) -> None:
    """Change role, e-mail address, state or password of an account."""
    user = _user(session, args.username)
    if args.role:
        user.role_id = _role_id(session, args.role)
    if args.remove_role:
        user.role_id = None
    if args.email and args.email.lower() != user.email.lower():
        _change_email(session, user, args.email)
    if args.confirm:
        accounts.confirm(user)
    if args.enable:
        user.disabled = False
    if args.disable:
        user.disabled = True
    if args.disable_2fa:
        user.otp_required_for_login = False
    if args.approve:
        user.approved = True
    password = None
    if args.reset_password:
        password = security.random_password()
        user.encrypted_password = security.hash_password(password)
        _revoke(session, services, user)
    session.commit()
    if args.disable:
        services.valkey.publish(f"timeline:system:{user.account_id}", '{"event":"kill"}')
    _say("OK")
    if password:
        _say(f"New password: {password}")


def accounts_delete(services: Services, session: Session, args: argparse.Namespace) -> None:
    """Delete an account at once."""
    account = _user(session, args.username).account
    count = session.scalar(select(func.count()).select_from(Status).where(Status.account_id == account.id))
    _say(f"Deleting user with {count} statuses, this might take a while...{_dry(args)}")
    if not args.dry_run:
        account.suspended_at = account.suspended_at or ago()
        session.flush()
        tasks.delete_account(services, session, account.id)
        session.commit()
    _say(f"OK{_dry(args)}")


def media_remove(services: Services, session: Session, args: argparse.Namespace) -> None:
    """Remove attachments that no post uses. There are no files of other servers here."""
    removed, size = 0, 0
    for item in session.scalars(select(Media).where(Media.status_id.is_(None), Media.created_at < ago(days=args.days))):
        removed, size = removed + 1, size + (item.file_file_size or 0)
        if not args.dry_run:
            tasks.remove_media(services, session, item)
    session.commit()
    _say(f"Removed {removed} media attachments (approx. {_bytes(size)}){_dry(args)}")


def preview_cards_remove(_services: Services, _session: Session, args: argparse.Namespace) -> None:
    """Nothing to do: the sandbox fetches no link previews."""
    _say(f"Removed 0 preview cards (approx. 0 Bytes){_dry(args)}")


def cache_clear(services: Services, _session: Session, _args: argparse.Namespace) -> None:
    """Drop what can be computed again: rate limit counters and home timelines. Queues stay."""
    for pattern in ("cache:*", "feed:home:*", "idempotency:*"):
        for key in services.valkey.scan_iter(pattern, count=1000):
            services.valkey.delete(key)
    _say("OK")


def feeds_build(services: Services, session: Session, args: argparse.Namespace) -> None:
    """Make home timelines anew: those of one account, or of everybody who has one."""
    if args.username and not args.all:
        account = find(session, args.username)
        if account is None:
            raise CommandError("No such account")
        chosen = [account.id]
    else:
        chosen = list(session.scalars(select(User.account_id)))
    for account_id in chosen:
        feeds.forget(services.valkey, account_id)
        feeds.populate(session, services.valkey, account_id)
    _say(f"Regenerated feeds for {len(chosen)} accounts")


def leave_federation(services: Services, session: Session, _args: argparse.Namespace) -> None:
    """Tell how far leaving the federation is; before it began, ask twice and tell how to begin (upstream since 4.3)."""
    config = services.config
    if self_destruct.active(config):
        _say("Self-destruct mode is already enabled for this server")
        _say(self_destruct.progress(session, services.valkey))
        return
    _say("Type in the domain of the server to confirm:")
    if sys.stdin.readline().strip() != config.local_domain:
        raise CommandError("Domains do not match. Stopping self-destruct initiation.")
    _say("This cannot be reversed, and takes as long as Sidekiq needs. Are you sure you want to proceed?")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandError("Operation cancelled. Self-destruct will not begin.")
    _say("Add this to the environment and restart all processes; this command then tells how far it is:")
    _say(f"  SELF_DESTRUCT={self_destruct.value(config)}")


def _role_id(session: Session, name: str | None) -> int | None:
    if not name:
        return None
    role = accounts.role_named(session, name)
    if role is None:
        raise CommandError("Cannot find user role with that name")
    return role.id


def _user(session: Session, username: str) -> User:
    account = find(session, username)
    if account is None or account.user is None:
        raise CommandError("No user with such username")
    return account.user


def _change_email(session: Session, user: User, email: str) -> None:
    other = select(User.id).where(func.lower(User.email) == email.lower())
    if session.scalars(other).first() is not None:
        raise CommandError("E-mail address has already been taken")
    if not accounts.EMAIL.fullmatch(email):
        raise CommandError("E-mail address is invalid")
    user.email = email


def _revoke(session: Session, services: Services, user: User) -> None:
    for token in session.scalars(select(Token).where(Token.resource_owner_id == user.id)).unique():
        if token.revoked_at is None:
            token.revoked_at = ago()
            services.valkey.publish(f"timeline:access_token:{token.id}", '{"event":"kill"}')


def _dry(args: argparse.Namespace) -> str:
    return " (DRY RUN)" if args.dry_run else ""


def _bytes(size: int) -> str:
    value = float(size)
    for unit in ("Bytes", "KB", "MB"):
        if value < 1024:  # noqa: PLR2004
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GB"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> int:
    """Run one command; 1 with a line on stderr when it cannot be done."""
    args = parser().parse_args()
    return run("tootctl", lambda config: _run(config, args))


def _run(config: Config, args: argparse.Namespace) -> int:
    logs.setup("tootctl")
    command: Command = args.command
    if command is version:
        _say(release.MASTODON_VERSION)
        return 0
    services = Services(config, sessions(config, pool=1), connect(config))
    try:
        with services.sessions() as session:
            command(services, session, args)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except SQLAlchemyError as error:
        sys.stderr.write(f"tootctl: the database refused: {type(error).__name__}\n")
        return 1
    return 0
