"""The order in which changes are made, and the requests that make each of them.

For domain blocks the longest match rules (DomainBlock.rule_for), and whoever creates a block that is milder than a
parent's gets 422. The order below lets each domain go straight from its old rule to its new one, whatever stands above
it:

1. create, the most specific first: an exception is there before the parent it excepts from;
2. update;
3. delete, the least specific first: an exception goes after the parent, and nothing in between falls under it.

Where a parent's block is there already and is stricter, the new one is created as strict as the parent and then set to
what is wanted: nothing changes for anybody in between.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from meentwerk.moderation import names
from meentwerk.moderation.lists import FLAGS
from meentwerk.moderation.plan import Change
from meentwerk.moderation.sections import SECTIONS, STRICTNESS, Fields
from meentwerk.moderation.state import Record

_RANK = {section.name: number for number, section in enumerate(SECTIONS)}
_ACTIONS = {"create": 0, "update": 1, "adopt": 2, "replace": 3, "delete": 4}
BORROWED = ("severity", *FLAGS[:2])


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the API: `create` and `update` carry fields, `update` and `delete` the id of an entry."""

    method: str
    change: Change
    fields: Fields | None = None


def ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Sort changes into the order in which they are safe."""

    def rank(change: Change) -> tuple[int, int, int, str]:
        depth = change.key.count(".")
        return (
            _RANK[change.section],
            _ACTIONS[change.action],
            depth if change.action == "delete" else -depth,
            change.key,
        )

    return tuple(sorted(changes, key=rank))


def requests(change: Change, blocks: Mapping[str, Record]) -> Iterator[Request]:
    """Return the requests for a change, given the domain blocks that were there when the plan was made."""
    match change.action:
        case "create" if change.section == "domain_blocks" and (parent := _stricter_parent(change, blocks)):
            assert change.after is not None  # noqa: S101  # what is created has fields
            yield Request("create", change, {**change.after, **{name: parent[name] for name in BORROWED}})
            yield Request("update", change, change.after)
        case "create":
            yield Request("create", change, change.after)
        case "update":
            yield Request("update", change, change.after)
        case "replace":
            yield Request("delete", change)
            yield Request("create", change, change.after)
        case "delete":
            yield Request("delete", change)
        case "adopt":
            if change.section in {"domain_blocks", "ip_blocks"}:
                yield Request("update", change, change.after)


def _stricter_parent(change: Change, blocks: Mapping[str, Record]) -> Fields | None:
    above = next((blocks[name] for name in names.parents(change.key)[1:] if name in blocks), None)
    if above is None or change.after is None or stricter(change.after, above.fields):
        return None
    return above.fields


def stricter(new: Fields, other: Fields) -> bool:
    """Say whether Mastodon lets a block be created below another (DomainBlock#stricter_than?)."""
    if new["severity"] == "suspend":
        return True
    if STRICTNESS[str(new["severity"])] < STRICTNESS[str(other["severity"])]:
        return False
    return all(new[flag] or not other[flag] for flag in FLAGS[:2])


def rule_for(name: str, blocks: Mapping[str, Fields]) -> Fields | None:
    """Return the block that rules a domain: that of the longest match."""
    return next((blocks[parent] for parent in names.parents(name) if parent in blocks), None)
