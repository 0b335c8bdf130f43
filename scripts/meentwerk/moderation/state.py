"""What a server has: its entries by section, in the spelling and with the marks that plans are made from."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from meentwerk.moderation.sections import BY_NAME, Fields, Name, Section, Value

MARK = "[meentwerk]"
_MARKED = re.compile(r"(?:^|\s+)\[meentwerk\]\s*$")
# A moment is sent as seconds from now, and arrives a little later
EXPIRY_TOLERANCE = 120.0


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a server. `ours`: it carries Meentwerk's mark, or the audit log says that Meentwerk made it."""

    key: str
    fields: Fields
    id: str = ""
    ours: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The sections that were read, and what else a plan has to know of the server."""

    sections: Mapping[Name, Mapping[str, Record]] = field(default_factory=dict)
    # LOCAL_DOMAIN and WEB_DOMAIN
    domains: frozenset[str] = frozenset()
    limited_federation: bool = False

    def digest(self) -> str:
        """Return a hash of the content: two states with one hash hold the same, whenever they were read."""
        content = {
            name: sorted([key, record.id, sorted(record.fields.items())] for key, record in records.items())
            for name, records in self.sections.items()
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def marked(text: str) -> str:
    """Return a comment with the mark."""
    return f"{text} {MARK}" if text else MARK


def unmarked(text: str) -> tuple[str, bool]:
    """Return a comment without the mark, and whether it had one."""
    if not text.endswith("]"):  # most have none
        return text, False
    bare = _MARKED.sub("", text)
    return bare, bare != text


def record(section: Section, row: Mapping[str, Any]) -> Record:
    """Take an entry as the API and bin/batch show it."""
    fields: dict[str, Value] = {}
    for name, default in section.fields.items():
        value = row.get(name, default)
        fields[name] = default if value is None else value
    ours = False
    if section.comment:
        fields[section.comment], ours = unmarked(str(fields[section.comment]))
    if section.name == "rules":
        fields["translations"] = json.dumps(_words(row.get("translations") or {}), sort_keys=True, ensure_ascii=False)
    return Record(str(row[section.key]), fields, str(row.get("id", "")), ours)


def _words(translations: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {code: {"text": it["text"], "hint": it.get("hint") or ""} for code, it in translations.items()}


def records(
    name: Name, rows: Iterable[Mapping[str, Any]], made: frozenset[tuple[str, str]] = frozenset()
) -> dict[str, Record]:
    """Return entries by key; `made` holds (key, id) of what the audit log says Meentwerk made in this section."""
    section = BY_NAME[name]
    found = {}
    for number, row in enumerate(rows):
        one = record(section, row)
        if name == "rules":
            one = Record(one.key, {**one.fields, "position": number}, one.id, one.ours)
        # A rule is its text: where that is the same, it is the same rule
        if not one.ours and ((one.key, one.id) in made or (name == "rules" and (one.key, "") in made)):
            one = Record(one.key, one.fields, one.id, True)
        found[one.key] = one
    return found


def same(field: str, wanted: Value, there: Value) -> bool:
    """Say whether a field is as wanted; moments may lie a little apart."""
    if field != "expires_at":
        return wanted == there
    if not wanted or not there:
        return not wanted and not there
    apart = datetime.fromisoformat(str(wanted)) - datetime.fromisoformat(str(there))
    return abs(apart.total_seconds()) <= EXPIRY_TOLERANCE


def differs(wanted: Fields, there: Fields) -> list[str]:
    """Return the names of the fields that are not as wanted."""
    if wanted == there:
        return []
    return [name for name, value in wanted.items() if not same(name, value, there.get(name))]


def seconds_until(moment: str, now: datetime | None = None) -> int:
    """Return how many seconds lie ahead of a moment: the API takes no other form."""
    return max(1, round((datetime.fromisoformat(moment) - (now or datetime.now(UTC))).total_seconds()))
