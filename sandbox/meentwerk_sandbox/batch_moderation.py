"""bin/batch moderation: read, put and delete limits in one start.

An item says `action` (read, put, delete), `section`, and mostly `key`: the domain, network or hash. `put` carries
`fields`, by the API's names; `expires_at` is a moment in ISO 8601, since a batch has no other clock to count from. What
`read` finds is in `records`, as the API shows it. The section `follows` tells, for each domain of `keys`, how many
follows a suspension would cut. The API's rules about stricter parents are not the models': they do not hold here.
"""

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from . import blocks, domains, moderation
from .batch_items import ItemError, result
from .cache import connect
from .config import Config
from .jobs import push
from .lookup import find
from .models import (
    Account,
    ActionLog,
    CanonicalEmailBlock,
    DomainAllow,
    DomainBlock,
    EmailDomainBlock,
    IpBlock,
    Role,
    Rule,
    User,
)
from .serializers import admin as shown
from .serializers import instances
from .site_settings import DEFAULTS, Settings

ACTIONS = ("read", "put", "delete")
TEXTS, FLAGS = ("private_comment", "public_comment"), ("reject_media", "reject_reports", "obfuscate")
Show = Callable[[Any], dict[str, Any]]
# section -> (table, column of the key, how it is shown, fields that can be put)
_LISTS: dict[str, tuple[Any, str, Show, tuple[str, ...]]] = {
    "domain_blocks": (DomainBlock, "domain", shown.domain_block, ("severity", *FLAGS, *TEXTS)),
    "domain_allows": (DomainAllow, "domain", shown.domain_allow, ()),
    "email_domain_blocks": (EmailDomainBlock, "domain", shown.email_domain_block, ("allow_with_approval",)),
    "ip_blocks": (IpBlock, "ip", shown.ip_block, ("severity", "comment", "expires_at")),
    "canonical_email_blocks": (CanonicalEmailBlock, "canonical_email_hash", shown.canonical_email_block, ()),
}


def moderate(session: Session, config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Do the items one by one; each for itself, inside a savepoint."""
    worker = _Worker(session, config)
    results = [worker.item(item) for item in items]
    session.info["after_commit"] = worker.queue
    return results


class _Worker:
    def __init__(self, session: Session, config: Config) -> None:
        self.session = session
        self.config = config
        self.jobs: list[int] = []
        self.actors: dict[str | None, int | None] = {}

    def queue(self) -> None:
        """Queue what follows from the blocks, once they can be seen."""
        valkey = connect(self.config)
        for number in self.jobs:
            push(valkey, "DomainBlockWorker", number)

    def item(self, item: dict[str, Any]) -> dict[str, Any]:
        section, key = item["section"], item.get("key") or ""
        name = f"{section}/{key}" if key else section
        try:
            with self.session.begin_nested():
                outcome, more = self.act(item["action"], section, key, item)
        except ItemError as error:
            return result(name, "failed", str(error))
        except IntegrityError:
            return result(name, "failed", "has already been taken")
        return result(name, outcome, **more)

    def act(self, action: str, section: str, key: str, item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if action not in ACTIONS:
            raise ItemError(f"unknown action {action!r}; there are {', '.join(ACTIONS)}")
        if action == "read":
            return "unchanged", {"records": self.read(section, key, item.get("keys") or [])}
        if section not in _LISTS:
            raise ItemError(f"unknown section {section!r}; there are {', '.join(_LISTS)}")
        if not key.strip():
            raise ItemError("Key can't be blank")
        if action == "put":
            return self.put(section, key, item.get("fields") or {}, item.get("by"))
        return self.delete(section, key, item.get("by")), {}

    # --- reading

    def read(self, section: str, key: str, keys: list[str]) -> list[dict[str, Any]]:
        if section == "follows":
            return [{"domain": name, "follows": moderation.follows_with(self.session, name)} for name in keys]
        if section == "rules":
            query = select(Rule).where(Rule.deleted_at.is_(None)).order_by(Rule.priority, Rule.id)
            return [instances.rule(rule) for rule in self.session.scalars(query)]
        if section == "settings":
            settings = Settings(self.session)
            return [{"name": name, "value": settings[name]} for name in keys if name in DEFAULTS]
        if section == "instance":
            return [{"domain": self.config.local_domain, "web_domain": self.config.web_domain,
                     "limited_federation": self.config.limited_federation}]  # fmt: skip
        if section not in _LISTS:
            raise ItemError(f"unknown section {section!r}; there are {', '.join(_LISTS)}")
        table, _, show, _ = _LISTS[section]
        if key:
            found = self.find(section, key)
            return [show(found)] if found else []
        return [show(row) for row in self.session.scalars(select(table).order_by(table.id.desc()))]

    def find(self, section: str, key: str) -> Any:  # noqa: ANN401  # one of five tables
        table, column, _, _ = _LISTS[section]
        query = select(table).where(getattr(table, column) == _spelt(section, key))
        return self.session.scalars(query).first()

    # --- changing

    def put(self, section: str, key: str, fields: dict[str, Any], by: str | None) -> tuple[str, dict[str, Any]]:
        table, column, show, known = _LISTS[section]
        if unknown := sorted(set(fields) - set(known)):
            raise ItemError(f"unknown fields: {', '.join(unknown)}")
        found = self.find(section, key)
        made = found is None
        row = found or table(**{column: _spelt(section, key)})
        before = None if made else show(row)
        if made and section == "domain_blocks":
            row.severity = moderation.SILENCE
            row.reject_media = row.reject_reports = row.obfuscate = False
        if made and section == "email_domain_blocks":
            row.allow_with_approval = False
        if made and section == "ip_blocks":
            row.comment, row.severity = "", None
        for name, value in fields.items():
            setattr(row, name, _value(section, name, value))
        if section == "ip_blocks" and row.severity is None:
            raise ItemError("Severity can't be blank")
        if made:
            self.session.add(row)
        self.session.flush()
        after = show(row)
        if before == after:
            return "unchanged", {"record": after}
        self.log("create" if made else "update", row, column, by)
        if section == "domain_blocks":
            self.jobs.append(row.id)
        return "created" if made else "updated", {"record": after}

    def delete(self, section: str, key: str, by: str | None) -> str:
        _, column, _, _ = _LISTS[section]
        found = self.find(section, key)
        if found is None:
            return "unchanged"
        self.log("destroy", found, column, by)
        if section == "domain_blocks":
            moderation.unblock(self.session, found)
        elif section == "domain_allows":
            moderation.disallow(self.session, found, limited=self.config.limited_federation)
        else:
            self.session.delete(found)
        self.session.flush()
        return "deleted"

    def log(self, action: str, row: Any, column: str, by: str | None) -> None:  # noqa: ANN401
        """Note in the server's audit log who did it: the account named, or the highest administrator."""
        if by not in self.actors:
            self.actors[by] = self.actor(by)
        number = self.actors[by]
        if number is not None:
            entry = ActionLog(
                account_id=number,
                action=action,
                target_type=type(row).__name__,
                target_id=row.id,
                human_identifier=str(getattr(row, column)),
            )
            self.session.add(entry)

    def actor(self, by: str | None) -> int | None:
        """The account that changes are noted for; none on a server without anybody."""
        if by:
            named = find(self.session, by)
            if named is None or named.user is None:
                raise ItemError(f"there is no local account {by!r}")
            return named.id
        query = select(Account).join(User).join(Role).where(Account.domain.is_(None)).order_by(Role.position.desc())
        highest = self.session.scalars(query).unique().first()
        return highest.id if highest else None


def _spelt(section: str, key: str) -> str:
    """The one spelling under which a key is stored."""
    if section == "canonical_email_blocks":
        return key
    if section == "ip_blocks":
        try:
            return str(ipaddress.ip_network(key.strip(), strict=False))
        except ValueError:
            raise ItemError("Validation failed: Ip can't be blank") from None
    if not domains.valid(key):
        raise ItemError("Validation failed: Domain is not a valid domain name")
    return domains.normalize(key)


def _value(section: str, name: str, value: Any) -> Any:  # noqa: ANN401
    if name == "severity":
        if section == "ip_blocks":
            if value not in blocks.SEVERITIES:
                raise ItemError("Validation failed: Severity is not included in the list")
            return blocks.SEVERITIES[value]
        if value not in shown.SEVERITIES:
            raise ItemError("Validation failed: Severity is not included in the list")
        return shown.SEVERITIES.index(value)
    if name == "expires_at":
        try:
            moment = datetime.fromisoformat(value) if value is not None else None
        except (TypeError, ValueError):
            raise ItemError("expires_at is no moment") from None
        return moment.astimezone(UTC).replace(tzinfo=None) if moment else None
    if name in {*FLAGS, "allow_with_approval"} and not isinstance(value, bool):
        raise ItemError(f"{name} must be true or false")
    if name in {*TEXTS, "comment"} and not isinstance(value, str):
        raise ItemError(f"{name} must be text")
    return value
