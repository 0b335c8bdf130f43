"""Making and changing accounts: the rules that sign-up, batch and tootctl share."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from . import blocks, limits, lookup, security, text
from .clock import now
from .config import Config
from .models import Account, AccountStat, Application, InviteRequest, Role, Token, User, UsernameBlock
from .site_settings import Settings
from .validation import (
    ACCEPTED,
    BLANK,
    BLOCKED_EMAIL,
    INVALID,
    INVALID_USERNAME,
    RESERVED,
    TAKEN,
    Errors,
    too_long,
    too_short,
)

USERNAME = re.compile(r"[a-z0-9_]+", re.IGNORECASE)
EMAIL = re.compile(r"[^@\s,;:<>\"()\[\]\\]+@[^@\s,;:<>\"()\[\]\\]+")
# UsernameBlock::HOMOGLYPHS: digits that look like letters
_HOMOGLYPHS = str.maketrans({"1": "i", "2": "z", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "0": "o"})
AGREED = {"1", "true"}


@dataclass
class SignUp:
    """What is known of an account to be."""

    username: str
    email: str
    password: str
    agreement: str = "true"
    locale: str | None = None
    time_zone: str | None = None
    reason: str = ""
    address: str | None = None
    application: Application | None = None
    invite_id: int | None = None
    bypass_checks: bool = False  # an operator may use reserved names and blocked e-mail providers


def reserved(session: Session, username: str, *, allow_with_approval: bool = False) -> bool:
    """Whether the name is blocked (UsernameBlock.matches?)."""
    normalized = username.lower().translate(_HOMOGLYPHS)
    for block in session.scalars(select(UsernameBlock).where(UsernameBlock.allow_with_approval == allow_with_approval)):
        if block.normalized_username == normalized if block.exact else block.normalized_username in normalized:
            return True
    return False


def check(session: Session, config: Config, settings: Settings, wanted: SignUp) -> Errors:
    """Everything that is wrong with a sign-up, in the order Rails finds it."""
    found = Errors()
    _check_username(session, wanted, found)
    _check_email(session, config, wanted, found)
    if not wanted.password:
        found.add("password", BLANK)
    elif len(wanted.password) < limits.PASSWORD_MIN:
        found.add("password", too_short(limits.PASSWORD_MIN))
    elif len(wanted.password) > limits.PASSWORD_MAX:
        found.add("password", too_long(limits.PASSWORD_MAX))
    needs_reason = settings["require_invite_text"] and settings["registrations_mode"] != "open"
    if needs_reason and wanted.invite_id is None and not wanted.bypass_checks and not wanted.reason.strip():
        found.add("reason", BLANK)
    if wanted.agreement not in AGREED:
        found.add("agreement", ACCEPTED, "Service agreement")
    return found


def _check_username(session: Session, wanted: SignUp, found: Errors) -> None:
    username = wanted.username
    if not username:
        found.add("username", BLANK)
        return
    if lookup.find(session, username) is not None:
        found.add("username", TAKEN)
    if not USERNAME.fullmatch(username):
        found.add("username", INVALID_USERNAME)
    if len(username) > limits.USERNAME:
        found.add("username", too_long(limits.USERNAME))
    if not wanted.bypass_checks and reserved(session, username):
        found.add("username", RESERVED)


def _check_email(session: Session, config: Config, wanted: SignUp, found: Errors) -> None:
    email, human = wanted.email, "E-mail address"
    if not email:
        found.add("email", BLANK, human)
        return
    if len(email) > limits.EMAIL:
        found.add("email", too_long(limits.EMAIL), human)
    if not EMAIL.fullmatch(email) or ".." in email.partition("@")[2]:
        found.add("email", INVALID, human)
        return
    if session.scalars(select(User.id).where(func.lower(User.email) == email.lower())).first() is not None:
        found.add("email", TAKEN, human)
    if wanted.bypass_checks or wanted.invite_id is not None:
        return
    if not blocks.email_configuration_allows(config, email) or blocks.email_domain_blocked(session, email):
        found.add("email", BLOCKED_EMAIL, human)
    if blocks.canonical_email_blocked(session, email):
        found.add("email", TAKEN, human)


def create(session: Session, settings: Settings, wanted: SignUp) -> User:
    """Store an account that `check` found nothing wrong with; approved only where registrations are open."""
    private, public = security.keypair()
    # Each of these is Ruby's false rather than null for a local account that never chose.
    account = Account(username=wanted.username, private_key=private, public_key=public)
    session.add(account)
    session.flush()
    session.add(AccountStat(account_id=account.id))
    user = User(
        account_id=account.id,
        email=wanted.email,
        encrypted_password=security.hash_password(wanted.password),
        locale=wanted.locale,
        time_zone=wanted.time_zone,
        approved=settings["registrations_mode"] == "open" and not _needs_approval(session, wanted),
        sign_up_ip=wanted.address,
        created_by_application_id=wanted.application.id if wanted.application else None,
        invite_id=wanted.invite_id,
    )
    session.add(user)
    session.flush()
    if wanted.reason.strip():
        session.add(InviteRequest(user_id=user.id, text=wanted.reason))
    session.refresh(account)
    session.refresh(user)
    return user


def _needs_approval(session: Session, wanted: SignUp) -> bool:
    return (
        (wanted.address is not None and blocks.address_has(session, wanted.address, blocks.REQUIRES_APPROVAL))
        or blocks.email_domain_blocked(session, wanted.email, allow_with_approval=True)
        or reserved(session, wanted.username, allow_with_approval=True)
    )


def confirm(user: User) -> None:
    """Mark the e-mail address as confirmed."""
    if user.confirmed_at is None:
        user.confirmed_at = now()


def role_named(session: Session, name: str) -> Role | None:
    """A role that can be given, by its name."""
    return session.scalars(select(Role).where(Role.name == name, Role.id > 0)).first()


def token_for(session: Session, application: Application, user: User | None, scopes: str) -> tuple[Token, bool]:
    """A token of this application, user and scopes: the one that exists (Doorkeeper's reuse), or a new one."""
    query = select(Token).where(
        Token.application_id == application.id,
        Token.resource_owner_id == (user.id if user else None),
        Token.revoked_at.is_(None),
    )
    for token in session.scalars(query.order_by(Token.id.desc())).unique():
        if set((token.scopes or "").split()) == set(scopes.split()):
            return token, False
    token = Token(
        token=security.random_token(),
        scopes=scopes,
        application_id=application.id,
        resource_owner_id=user.id if user else None,
    )
    session.add(token)
    session.flush()
    return token, True


def profile_errors(account: Account, changes: dict[str, Any]) -> Errors:
    """What is wrong with new values of a local account's profile."""
    found = Errors()
    if "display_name" in changes and len(changes["display_name"]) > limits.DISPLAY_NAME:
        found.add("display_name", too_long(limits.DISPLAY_NAME))
    if "note" in changes and text.note_length(changes["note"]) > limits.NOTE:
        found.add("note", too_long(limits.NOTE))
    for name in ("avatar_description", "header_description"):
        if name in changes and len(changes[name]) > limits.AVATAR_DESCRIPTION:
            found.add(name, too_long(limits.AVATAR_DESCRIPTION))
    fields = changes.get("fields")
    if fields is not None and fields != account.fields:
        if len(fields) > limits.FIELDS:
            found.add("fields", too_long(limits.FIELDS))
        if any(not field["name"] and field["value"] for field in fields):
            found.add("fields", ("fields_with_values_missing_labels", "contains values with missing labels"))
    return found
