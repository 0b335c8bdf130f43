"""Leaving the federation for good (SelfDestructHelper, Scheduler::SelfDestructScheduler).

A signed SELF_DESTRUCT in the environment lets the web answer 410 and Sidekiq queue a Delete of every account for every
known server. This rehearsal server has no federation: its jobs count what would have been sent, and send nothing.
"""

import base64
import hashlib
import hmac
import json
import logging

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from . import jobs
from .cache import Valkey
from .clock import now
from .config import Config
from .context import Services
from .models import LOCAL_ORIGIN, Account

log = logging.getLogger("sandbox.self_destruct")
ACCOUNTS_AT_ONCE = 50
SECONDS_BETWEEN = 60
TURN = "sandbox:self_destruct:turn"
COUNTED = "sandbox:self_destruct:delivered"
# Those who leave may still sign in
OPEN = ("/auth/sign_in",)


def value(config: Config) -> str:
    """What SELF_DESTRUCT has to hold: the domain, signed with the instance's own secret."""
    message = base64.b64encode(json.dumps(config.local_domain).encode())
    key = hashlib.pbkdf2_hmac("sha256", config.secret_key_base.encode(), b"self-destruct", 1000)
    return f"{message.decode()}--{hmac.new(key, message, hashlib.sha256).hexdigest()}"


def active(config: Config) -> bool:
    """Whether this instance is leaving: a value for another domain, or a made-up one, counts for nothing."""
    return bool(config.self_destruct) and hmac.compare_digest(config.self_destruct, value(config))


def left(session: Session) -> int:
    """How many accounts of this server nobody was told about yet."""
    return session.scalar(select(func.count()).select_from(Account).where(*_REMAINING)) or 0


_REMAINING = (Account.domain.is_(None), Account.suspended_at.is_(None))


def go_on(services: Services, session: Session) -> None:
    """Queue the Delete of the next accounts for every known server; the accounts count as gone from here on."""
    if not active(services.config):
        return
    servers = session.scalars(select(Account.domain).where(Account.domain.is_not(None)).distinct()).all()
    chosen = session.scalars(select(Account).where(*_REMAINING).order_by(Account.id).limit(ACCOUNTS_AT_ONCE)).unique()
    for account in chosen.all():
        for server in servers:
            jobs.push(services.valkey, "ActivityPub::DeliveryWorker", account.id, str(server))
        account.suspended_at, account.suspension_origin = now(), LOCAL_ORIGIN


def deliver(services: Services, _session: Session, account_id: int, server: str) -> None:
    """Count a Delete that a real server would send."""
    services.valkey.sadd(COUNTED, f"{account_id} {server}")
    log.info("the Delete of account %d would go to %s", account_id, server)


def progress(session: Session, valkey: Valkey) -> str:
    """How far it is, in the sentences of upstream's command (lib/mastodon/cli/federation.rb)."""
    if count := left(session):
        return f"{count} accounts are still pending deletion."
    if any(valkey.llen(f"queue:{name}") for name in jobs.QUEUES):
        return "Deletion notices are still being processed"
    if valkey.zcard("retry"):
        return (
            "At least one delivery attempt for each deletion notice has been made, "
            "but some have failed and are scheduled for retry"
        )
    return "Every deletion notice has been sent! You can safely delete all data and decomission your servers!"
