"""A server in memory that follows Mastodon's rules for the lists of its administration, and remembers its states.

It answers as `meentwerk.api.Client` does, and as `meentwerk.batch.Batch` does. What it refuses, Mastodon refuses: see
Api::V1::Admin::DomainBlocksController, EmailDomainBlock, IpBlock (4.6.5).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from meentwerk.api.errors import GaveUpError, InvalidError, NotAllowedError, NotFoundError
from meentwerk.exits import Exit
from meentwerk.moderation import names, order
from meentwerk.moderation.sections import BY_NAME, LISTS, Fields, Name

Row = dict[str, Any]
MOST_REMEMBERED = 50
ALL = (1 << 3) | (1 << 5) | (1 << 7)


@dataclass
class Strict:
    """Lists, follows, rules and settings of one server."""

    domain: str = "tides.example.org"
    limited: bool = False
    permissions: int = ALL
    scopes: frozenset[str] | None = None
    peers: bool = True
    lists: dict[str, dict[str, Row]] = field(default_factory=lambda: {it.name: {} for it in LISTS})
    follows: dict[str, int] = field(default_factory=dict)
    rules: list[Row] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=lambda: {"registrations_mode": "none"})
    requests: list[tuple[str, str]] = field(default_factory=list)
    # After so many writes nothing more is taken
    patience: int | None = None
    # PUT of these keys answers with success and saves nothing, as 4.6 does for invalid IP blocks
    deaf: frozenset[str] = frozenset()
    states: list[dict[str, Fields]] = field(default_factory=list)
    last_id: int = 0

    # --- as a client of the API

    @property
    def server(self) -> Any:
        """Where the client would be."""
        return SimpleNamespace(host=self.domain)

    def pages(self, path: str, params: Any = None, *, limit: int | None = None) -> Iterator[Row]:
        """Yield a list, the newest first."""
        section = self._section(path, "read")
        rows = sorted(self.lists[section].values(), key=lambda row: -int(row["id"]))
        size = min(limit or 100, BY_NAME[section].page)
        self.requests += [("GET", path)] * max(1, -(-len(rows) // size))
        yield from rows

    def get(self, path: str, params: Any = None) -> Any:
        """Answer what else is asked for."""
        self.requests.append(("GET", path))
        if path.endswith("/verify_credentials"):
            return {"username": "beheer", "role": {"name": "Owner", "permissions": str(self.permissions)}}
        if path.endswith("/peers"):
            if not self.peers:
                raise NotFoundError("GET peers answered 404", status=404)
            return list(self.follows)
        if path.endswith("/rules"):
            return self.rules
        assert path == "/api/v2/instance"
        return {"domain": self.domain, "configuration": {"limited_federation": self.limited}}

    def call(self, method: str, path: str, *, data: Any = None, repeatable: bool = False) -> Any:
        """Count follows."""
        assert (method, path, repeatable) == ("POST", "/api/v1/admin/measures", True)
        self.requests.append((method, path))
        if not self.permissions & (1 << 3):
            raise _forbidden()
        assert data["start_at"]
        assert data["end_at"]
        assert all(data[key]["include_subdomains"] for key in data["keys"])
        return [
            {"key": key, "total": str(self._follows(data[key]["domain"]) * number)}
            for number, key in enumerate(data["keys"])
        ]

    def _follows(self, domain: str) -> int:
        return sum(number for name, number in self.follows.items() if names.covers(domain, name))

    def post(self, path: str, data: Any = None) -> Row:
        """Create an entry."""
        self._writes("POST", path)
        section = self._section(path, "write")
        key = data[BY_NAME[section].key]
        if section == "domain_blocks":
            self._no_conflict(data)
        if key in self.lists[section]:
            raise InvalidError("Validation failed: taken", status=422, body={"error": "has already been taken"})
        row = self._row(section, key)
        self._assign(row, data)
        self.lists[section][key] = row
        self._remember()
        return row

    def put(self, path: str, data: Any = None) -> Row:
        """Change an entry."""
        self._writes("PUT", path)
        section = self._section(path, "write")
        assert BY_NAME[section].can_update, f"Mastodon has no update for {section}"
        row = self._find(section, path)
        if row[BY_NAME[section].key] not in self.deaf:
            self._assign(row, data)
        self._remember()
        return row

    def delete(self, path: str, data: Any = None) -> None:
        """Delete an entry."""
        if not path.endswith("/0"):
            self._writes("DELETE", path)
        section = self._section(path, "write")
        row = self._find(section, path)
        del self.lists[section][row[BY_NAME[section].key]]
        self._remember()

    def _writes(self, method: str, path: str) -> None:
        if self.patience is not None:
            if self.patience == 0:
                raise GaveUpError("rate limit", "later", Exit.GAVE_UP, status=429)
            self.patience -= 1
        self.requests.append((method, path))

    def _section(self, path: str, verb: str) -> Name:
        section = BY_NAME[path.split("/")[4]].name
        if self.scopes is not None and f"admin:{verb}:{section}" not in self.scopes:
            raise NotAllowedError(
                "answered 403: This action is outside the authorized scopes", "", Exit.NOT_ALLOWED, status=403
            )
        if not self.permissions & {"manage_federation": 1 << 5, "manage_blocks": 1 << 7}[
            BY_NAME[section].right
        ] and not (
            path.endswith("/0")  # the entry is looked for before the right
        ):
            raise _forbidden()
        return section

    def _find(self, section: str, path: str) -> Row:
        number = path.rpartition("/")[2]
        found = next((row for row in self.lists[section].values() if row["id"] == number), None)
        if found is None:
            raise NotFoundError("Record not found", status=404)
        return found

    def _no_conflict(self, data: Row) -> None:
        blocks = self.lists["domain_blocks"]
        existing = order.rule_for(data["domain"], blocks)
        if existing is None:
            return
        new = {**BY_NAME["domain_blocks"].fields, **data}
        if existing["domain"] == data["domain"] or not order.stricter(new, existing):
            body = {"error": "You have already imposed stricter limits", "existing_domain_block": existing}
            raise InvalidError("422", status=422, body=body)

    def _row(self, section: str, key: str) -> Row:
        self.last_id += 1
        return {"id": str(self.last_id), BY_NAME[section].key: key, **BY_NAME[section].fields}

    def _assign(self, row: Row, data: Row) -> None:
        for name, value in data.items():
            if name == "expires_in":
                moment = datetime.now(UTC) + timedelta(seconds=int(value)) if value else None
                row["expires_at"] = moment.isoformat() if moment else None
            elif name in row:
                row[name] = value

    def _remember(self) -> None:
        if len(self.lists["domain_blocks"]) > MOST_REMEMBERED:
            return
        self.states.append({key: dict(row) for key, row in self.lists["domain_blocks"].items()})

    # --- as bin/batch

    def run(self, name: str, items: Sequence[Row], *, dry_run: bool = False) -> list[Row]:
        """Do a batch."""
        assert not dry_run
        self.requests.append(("BATCH", name))
        return {"moderation": self._moderate, "rules": self._rules, "settings": self._settings}[name](items)

    def several(self, lists: Any, *, dry_run: bool = False) -> list[list[Row]]:
        """Do several batches."""
        return [self.run(name, items, dry_run=dry_run) for name, items in lists]

    def _moderate(self, items: Sequence[Row]) -> list[Row]:
        return [self._item(item) for item in items]

    def _item(self, item: Row) -> Row:
        section, key, action = item["section"], item.get("key") or "", item["action"]
        done: Row = {"key": f"{section}/{key}", "outcome": "unchanged", "error": None}
        if action == "read":
            return {**done, "records": self._read(section, item.get("keys") or [])}
        there = self.lists[section]
        if action == "delete":
            gone = there.pop(key, None)
            self._remember()
            return {**done, "outcome": "deleted" if gone else "unchanged"}
        row = there.setdefault(key, self._row(section, key))
        row.update(item["fields"])
        self._remember()
        return {**done, "outcome": "updated", "record": row}

    def _read(self, section: str, keys: Sequence[str]) -> list[Row]:
        if section == "follows":
            return [{"domain": key, "follows": self._follows(key)} for key in keys]
        if section == "rules":
            return self.rules
        if section == "settings":
            return [{"name": key, "value": self.settings[key]} for key in keys if key in self.settings]
        if section == "instance":
            return [{"domain": self.domain, "web_domain": self.domain, "limited_federation": self.limited}]
        return list(self.lists[section].values())

    def _settings(self, items: Sequence[Row]) -> list[Row]:
        results = []
        for item in items:
            bad = item["name"] not in self.settings
            if not bad:
                self.settings[item["name"]] = item["value"]
            error = f"unknown setting {item['name']!r}" if bad else None
            results.append({"key": item["name"], "outcome": "failed" if bad else "updated", "error": error})
        return results

    def _rules(self, items: Sequence[Row]) -> list[Row]:
        before = {row["text"]: row for row in self.rules}
        self.rules = [
            {"id": before.get(item["text"], {}).get("id", str(n + 1)), **item} for n, item in enumerate(items)
        ]
        return [{"key": item["text"], "outcome": "updated", "error": None} for item in items]

    # --- for tests

    def block(self, domain: str, severity: Any = "silence", **fields: Any) -> None:
        """Put a domain block there by hand."""
        row = self._row("domain_blocks", domain)
        self.lists["domain_blocks"][domain] = {**row, "severity": severity, **fields}

    def writes(self) -> int:
        """How many requests changed something."""
        return sum(
            method in {"POST", "PUT", "DELETE"} and not path.endswith("measures") for method, path in self.requests
        )


def _forbidden() -> NotAllowedError:
    return NotAllowedError("answered 403: This action is not allowed", "", Exit.NOT_ALLOWED, status=403)
