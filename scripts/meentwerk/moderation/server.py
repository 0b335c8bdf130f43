"""A server as moderation sees it: its lists over the API, everything by bin/batch on its host. The edge of I/O."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from meentwerk.api.client import Client
from meentwerk.api.errors import ApiError, GaveUpError, InvalidError, NotAllowedError, NotFoundError
from meentwerk.batch import Batch
from meentwerk.errors import MeentwerkError
from meentwerk.moderation import names, rights
from meentwerk.moderation.order import Request, requests
from meentwerk.moderation.plan import Change, after
from meentwerk.moderation.sections import BY_NAME, Fields, Name
from meentwerk.moderation.state import Record, State, marked, seconds_until

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one change went. `error` is empty when it was done; `id` is the entry's, where it has one."""

    change: Change
    error: str = ""
    id: str = ""


class Way(Protocol):
    """A way to a server."""

    name: str

    def rows(self, section: Name, keys: Sequence[str]) -> Rows:
        """Return a section's entries; of settings, those named."""

    def about(self) -> tuple[frozenset[str], bool]:
        """Return the server's own domains, and whether its federation is limited."""

    def follows(self, domains: Sequence[str]) -> dict[str, int]:
        """Return for each domain how many follows its suspension would cut."""

    def make(self, changes: Sequence[Change], state: State) -> Iterator[Outcome]:
        """Make the changes in their order."""

    def check(self, sections: Sequence[Name]) -> str:
        """Make sure that these sections may be changed; return who will have changed them."""


class Api:
    """Mastodon's admin API with a token."""

    name = "API"

    def __init__(self, client: Client) -> None:
        self.client = client

    def rows(self, section: Name, keys: Sequence[str]) -> Rows:
        """Return a section's entries, in as few pages as the server allows."""
        found = BY_NAME[section]
        try:
            return list(self.client.pages(found.path, limit=found.page))
        except NotAllowedError as error:
            raise rights.explained(self.client, error, [section], "read") from None

    def about(self) -> tuple[frozenset[str], bool]:
        """Return the server's own domains, and whether its federation is limited."""
        instance = self.client.get("/api/v2/instance")
        limited = bool(instance.get("configuration", {}).get("limited_federation"))
        return frozenset({instance["domain"], self.client.server.host}), limited

    def follows(self, domains: Sequence[str]) -> dict[str, int]:
        """Ask for each domain that the server knows; one that it never met has nobody to follow."""
        today = datetime.now(UTC).date()
        days = {"start_at": (today - timedelta(days=1)).isoformat(), "end_at": today.isoformat()}
        keys = ("instance_follows", "instance_followers")
        counts = dict.fromkeys(domains, 0)
        for name in self._met(domains):
            about = {key: {"domain": name, "include_subdomains": True} for key in keys}
            try:
                measures = self.client.call(
                    "POST", "/api/v1/admin/measures", data={"keys": keys, **days, **about}, repeatable=True
                )
            except NotAllowedError as error:
                raise rights.explained(self.client, error, [], "read") from None
            counts[name] = sum(int(measure["total"]) for measure in measures)
        return counts

    def _met(self, domains: Sequence[str]) -> list[str]:
        try:
            peers = self.client.get("/api/v1/instance/peers")
        except ApiError as error:
            if isinstance(error, NotFoundError | NotAllowedError):
                return list(domains)  # the server does not tell whom it knows
            raise
        known = {parent for peer in peers for parent in names.parents(peer)}
        return [name for name in domains if name in known]

    def check(self, sections: Sequence[Name]) -> str:
        """Make sure that role and scopes allow to change the sections; return the account's name."""
        return rights.check(self.client, sections)

    def make(self, changes: Sequence[Change], state: State) -> Iterator[Outcome]:
        """Make the changes one by one; one that the server refuses does not stop the others."""
        blocks = state.sections.get("domain_blocks", {})
        for change in changes:
            number = change.id
            try:
                for request in requests(change, blocks):
                    number = self._send(request, number)
            except GaveUpError:
                raise  # a rate limit or a silent server: nothing behind it would get through
            except (InvalidError, NotFoundError) as error:
                yield Outcome(change, _why(error), number)
            else:
                yield Outcome(change, id=number)

    def _send(self, request: Request, number: str) -> str:
        section = BY_NAME[request.change.section]
        if request.method == "delete":
            with suppress(NotFoundError):  # somebody else was faster
                self.client.delete(f"{section.path}/{number}")
            return ""
        fields = _sent(section.name, request.fields or {})
        if request.method == "update":
            answer = self.client.put(f"{section.path}/{number}", fields)
        else:
            answer = self.client.post(section.path, {section.key: request.change.key, **fields})
        return str(answer["id"])


def _why(error: ApiError) -> str:
    there = error.body.get("existing_domain_block") if isinstance(error.body, dict) else None
    if isinstance(there, dict):
        return f"the block of {there.get('domain')} is stricter"
    said = error.body.get("error") if isinstance(error.body, dict) else None
    return str(said or error.message)


def _sent(section: Name, fields: Fields) -> dict[str, Any]:
    """Return fields as the API takes them: with the mark, and moments as seconds from now."""
    sent: dict[str, Any] = dict(fields)
    if comment := BY_NAME[section].comment:
        sent[comment] = marked(str(sent[comment]))
    if "expires_at" in sent:
        moment = sent.pop("expires_at")
        sent["expires_in"] = seconds_until(str(moment)) if moment else ""
    return sent


class ByBatch:
    """bin/batch on the server's host: everything in one start of the application."""

    name = "bin/batch"

    def __init__(self, batch: Batch, by: str | None = None) -> None:
        self.batch = batch
        self.by = by
        self._instance: Rows = []

    def rows(self, section: Name, keys: Sequence[str]) -> Rows:
        """Return a section's entries."""
        return self.many([(section, keys)])[section]

    def many(self, wanted: Sequence[tuple[Name, Sequence[str]]]) -> dict[Name, Rows]:
        """Return several sections' entries in one start."""
        items: list[dict[str, Any]] = [{"action": "read", "section": "instance"}]
        items += [{"action": "read", "section": name, "keys": list(keys)} for name, keys in wanted]
        # What the instance is comes along: asking later would be one more start of the application
        instance, *results = self.batch.run("moderation", items)
        self._instance = _records(instance)
        return {name: _records(result) for (name, _), result in zip(wanted, results, strict=True)}

    def about(self) -> tuple[frozenset[str], bool]:
        """Return the server's own domains, and whether its federation is limited."""
        (row,) = self._instance or _records(
            self.batch.run("moderation", [{"action": "read", "section": "instance"}])[0]
        )
        return frozenset({row["domain"], row["web_domain"]}), bool(row["limited_federation"])

    def follows(self, domains: Sequence[str]) -> dict[str, int]:
        """Return for each domain how many follows its suspension would cut."""
        items = [{"action": "read", "section": "follows", "keys": list(domains)}]
        return {row["domain"]: int(row["follows"]) for row in _records(self.batch.run("moderation", items)[0])}

    def check(self, sections: Sequence[Name]) -> str:
        """Return who will have changed them."""
        return self.by or "the server itself"

    def make(self, changes: Sequence[Change], state: State) -> Iterator[Outcome]:
        """Make all changes in one start; each for itself."""
        settings = [change for change in changes if change.section == "settings"]
        rules = [change for change in changes if change.section == "rules"]
        lists = [change for change in changes if change.section not in {"settings", "rules"}]
        batches: list[tuple[str, list[dict[str, Any]]]] = []
        if settings:
            batches.append(("settings", [{"name": it.key, "value": (it.after or {})["value"]} for it in settings]))
        if rules:
            # The whole list: what is not in it is retired
            kept = after(state, tuple(changes)).get("rules", {})
            batches.append(("rules", [rule_item(record) for record in sorted(kept.values(), key=_position)]))
        if lists:
            batches.append(("moderation", [self._item(change) for change in lists]))
        for (name, _), results in zip(batches, self._together(batches), strict=True):
            if name == "rules":
                yield from _rule_outcomes(rules, results)
            else:
                yield from _outcomes(settings if name == "settings" else lists, results)

    def _together(self, batches: Sequence[tuple[str, list[dict[str, Any]]]]) -> list[Rows]:
        if len(batches) == 1:
            return [self.batch.run(*batches[0])]
        return self.batch.several(batches)

    def _item(self, change: Change) -> dict[str, Any]:
        item: dict[str, Any] = {"section": change.section, "key": change.key, "by": self.by}
        if change.after is None:
            return {**item, "action": "delete"}
        fields: dict[str, Any] = dict(change.after)
        if comment := BY_NAME[change.section].comment:
            fields[comment] = marked(str(fields[comment]))
        return {**item, "action": "put", "fields": fields}


def _position(record: Record) -> int:
    position = record.fields.get("position")
    return position if isinstance(position, int) else 1 << 30


def rule_item(record: Record) -> dict[str, Any]:
    """Return a rule as bin/batch takes it."""
    import json  # noqa: PLC0415

    words = json.loads(str(record.fields["translations"]))
    return {"text": record.key, "hint": record.fields["hint"], "translations": words}


def _rule_outcomes(changes: Sequence[Change], results: Rows) -> Iterator[Outcome]:
    errors = {result["key"]: str(result["error"]) for result in results if result["error"]}
    for change in changes:
        error = errors.get(change.key, "")
        if errors and change.action == "delete":
            error = "another rule was refused, so none was retired"
        yield Outcome(change, error, change.id)


def _outcomes(changes: Sequence[Change], results: Sequence[dict[str, Any]]) -> Iterator[Outcome]:
    for change, result in zip(changes, results, strict=True):
        number = str((result.get("record") or {}).get("id", change.id))
        yield Outcome(change, str(result["error"] or ""), number)


def _records(result: dict[str, Any]) -> Rows:
    if result["outcome"] == "failed":
        raise MeentwerkError(f"bin/batch moderation: {result['key']}: {result['error']}", "is the release too old?")
    rows: Rows = result["records"]
    return rows
