"""Layers and lists become one policy: pure functions, and the same result whatever the order of the lists.

Lists first: each domain that enough of them name (weighed by trust) and no allow-list covers. Then the layers, one
after another: a later one decides, unless an earlier one locked its entry and the later one would weaken it.
"""

import datetime
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from meentwerk.entries.problem import Problem, quoted
from meentwerk.moderation import names
from meentwerk.moderation.layers import LayerFile, field
from meentwerk.moderation.lists import FLAGS, BlockList, Listed
from meentwerk.moderation.model import Entry, Guards, Merging, Source
from meentwerk.moderation.policy import GuardRules, Policy, Remark, Wanted
from meentwerk.moderation.sections import (
    BY_NAME,
    IP_STRICTNESS,
    LISTS,
    SECTIONS,
    STRICTNESS,
    Fields,
    Name,
    Section,
    Value,
)

MODES = {"closed": "none", "approval": "approved", "open": "open"}
MOST_DELETIONS_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Read:
    """A source, the layer that names it, and what it held."""

    source: Source
    layer: str
    found: BlockList


def merge(
    layers: Sequence[LayerFile], read: Sequence[Read] = (), now: datetime.datetime | None = None
) -> tuple[Policy, list[Problem]]:
    """Make one policy of layers and lists; a policy with problems must not be used."""
    now = now or datetime.datetime.now(datetime.UTC)
    merging = next((layer.layer.merging for layer in reversed(layers) if layer.layer.merging), Merging())
    remarks: list[Remark] = []
    problems: list[Problem] = []
    sections: dict[Name, dict[str, Wanted]] = {}
    if any(layer.layer.sources for layer in layers):
        sections["domain_blocks"] = from_lists(read, merging, remarks)
    for section in LISTS:
        for layer in layers:
            if section.name in layer.layer.model_fields_set or section.name in layer.layer.ownership.model_fields_set:
                _lay(sections.setdefault(section.name, {}), section, layer, now, remarks, problems)
    _settings_and_rules(sections, layers)
    for name, wanted in sections.items():
        remarks += _reviews(BY_NAME[name], wanted.values(), now.date())
    if "domain_blocks" in sections:
        remarks += _exceptions(sections["domain_blocks"])
    policy = Policy(
        {section.name: sections[section.name] for section in SECTIONS if section.name in sections},
        _exclusive(layers),
        _guard_rules([layer.layer.guards for layer in layers]),
        tuple(remarks),
        tuple(layer.layer.layer for layer in layers),
    )
    return policy, problems


# --- lists


def from_lists(read: Sequence[Read], merging: Merging, remarks: list[Remark]) -> dict[str, Wanted]:
    """Return the blocks that the lists make together, by domain."""
    never = {*merging.never, *(name for one in read if one.source.kind == "allows" for name in one.found.entries)}
    by_domain: dict[str, list[tuple[Read, Listed]]] = defaultdict(list)
    for one in sorted(read, key=lambda one: one.found.origin):
        if one.source.kind == "blocks":
            for entry in one.found.entries.values():
                by_domain[entry.domain].append((one, entry))
        if one.found.obfuscated:
            text = f"{one.found.obfuscated} domains are obfuscated and cannot be taken over"
            remarks.append(Remark("skipped", "domain_blocks", one.source.name, text))
    merged = {}
    for name, said in by_domain.items():
        trust = sum(one.source.trust for one, _ in said)
        if trust < merging.threshold:
            continue
        # Whoever allows a domain allows what is below it; a parent's block would hit it, too
        if any(parent in never for parent in names.parents(name)):
            remarks.append(Remark("allowed", "domain_blocks", name, "an allow-list covers it: lists do not block it"))
            continue
        wanted = _from_list(name, said, merging)
        if wanted.fields["severity"] != "noop" or any(wanted.fields[flag] for flag in FLAGS[:2]):
            merged[name] = wanted
    return merged


def _from_list(name: str, said: Sequence[tuple[Read, Listed]], merging: Merging) -> Wanted:
    strictest = merging.severity == "strictest"
    pick, some = (max, any) if strictest else (min, all)
    severities = [
        min(entry.severity, one.source.max_severity, key=STRICTNESS.__getitem__)
        for one, entry in said
    ]  # fmt: skip
    comments = [entry.public_comment for one, entry in said if one.source.public_comments and entry.public_comment]
    origin = tuple(f"{one.found.origin}{f', line {entry.line}' if entry.line else ''}" for one, entry in said)
    reason = "Listed by " + ", ".join(dict.fromkeys(one.source.name for one, _ in said))
    fields: dict[str, Value] = {
        "severity": pick(severities, key=STRICTNESS.__getitem__),
        "reject_media": some(entry.reject_media for _, entry in said),
        "reject_reports": some(entry.reject_reports for _, entry in said),
        "private_comment": reason,
        # A comment within a longer one says nothing new
        "public_comment": ", ".join(_longest(comments)),
        "obfuscate": some(entry.obfuscate for _, entry in said),
    }
    return Wanted(name, fields, reason, origin)


def _longest(comments: Sequence[str]) -> list[str]:
    unique = list(dict.fromkeys(comments))
    return [one for one in unique if not any(one != other and one.lower() in other.lower() for other in unique)]


# --- layers


def _lay(
    wanted: dict[str, Wanted],
    section: Section,
    layer: LayerFile,
    now: datetime.datetime,
    remarks: list[Remark],
    problems: list[Problem],
) -> None:
    """Lay one layer's section over what earlier ones want."""
    key = "hash" if section.name == "canonical_email_blocks" else section.key
    for number, entry in enumerate(getattr(layer.layer, section.name)):
        name, where = getattr(entry, key), layer.line(section.name, number)
        before = wanted.get(name)
        new = _wanted(section, entry, name, layer, where)
        if before and before.locked and (entry.lift or _weaker(section, new.fields, before.fields)):
            wrong = f"{quoted(name)} is locked by {before.origin[-1]}; a later layer may not weaken or lift it."
            place = layer.place(section.name, number)
            cure = "Make it stricter, take it out here, or ask whoever keeps that layer."
            problems.append(Problem(place, field((section.name, number)), wrong, cure))
            continue
        if entry.expires and entry.expires <= now:
            text = f"expired on {entry.expires:%Y-%m-%d %H:%M} UTC and no longer holds; take it out of the policy"
            remarks.append(Remark("expired", section.name, name, text, where))
            continue
        if entry.lift:
            if before is None:
                remarks.append(Remark("useless", section.name, name, "nothing is there to lift", where))
            wanted.pop(name, None)
        else:
            origin = (*before.origin, new.origin[-1]) if before else new.origin
            wanted[name] = replace(new, origin=origin, locked=entry.locked or bool(before and before.locked))


def _wanted(section: Section, entry: Entry, name: str, layer: LayerFile, where: str) -> Wanted:
    fields = {field: getattr(entry, field) for field in section.fields if hasattr(entry, field)}
    if section.comment:
        # One that is given holds, even an empty one
        given = section.comment in entry.model_fields_set
        fields[section.comment] = str(fields[section.comment] if given else entry.reason).strip()
    if "public_comment" in fields:
        fields["public_comment"] = str(fields["public_comment"]).strip()
    if section.name == "ip_blocks":
        fields["expires_at"] = entry.expires.isoformat() if entry.expires else None
    return Wanted(
        name,
        fields,
        entry.reason,
        (where,),
        entry.owner or layer.layer.owner,
        entry.reference or "",
        entry.review,
        entry.locked,
        getattr(entry, "published", {}),
    )


def _weaker(section: Section, new: Fields, old: Fields) -> bool:
    ranks = IP_STRICTNESS if section.name == "ip_blocks" else STRICTNESS
    if "severity" in old and ranks[str(new["severity"])] < ranks[str(old["severity"])]:
        return True
    if section.name == "email_domain_blocks":
        return bool(new["allow_with_approval"]) and not old["allow_with_approval"]
    if (
        section.name == "ip_blocks"
        and new["expires_at"]
        and (not old["expires_at"] or str(new["expires_at"]) < str(old["expires_at"]))
    ):
        return True
    return any(old.get(flag) and not new.get(flag) for flag in FLAGS[:2])


def _settings_and_rules(sections: dict[Name, dict[str, Wanted]], layers: Sequence[LayerFile]) -> None:
    rules: dict[str, Wanted] = {}
    settings: dict[str, Wanted] = {}
    for layer in layers:
        owner = layer.layer.owner
        for number, rule in enumerate(layer.layer.rules):
            words = {code: {"text": it.text, "hint": it.hint.strip()} for code, it in rule.translations.items()}
            text = json.dumps(words, sort_keys=True, ensure_ascii=False)
            position = rules[rule.text].fields["position"] if rule.text in rules else len(rules)
            fields: Fields = {"hint": rule.hint.strip(), "translations": text, "position": position}
            rules[rule.text] = Wanted(rule.text, fields, rule.reason, (layer.line("rules", number),), owner)
        if mode := layer.layer.registrations:
            fields = {"value": MODES[mode.mode]}
            where = (layer.line("registrations"),)
            settings["registrations_mode"] = Wanted("registrations_mode", fields, mode.reason, where, owner)
        for number, setting in enumerate(layer.layer.settings):
            where = (layer.line("settings", number),)
            settings[setting.name] = Wanted(setting.name, {"value": setting.value}, setting.reason, where, owner)
    if rules or any("rules" in layer.layer.model_fields_set for layer in layers):
        sections["rules"] = rules
    if settings:
        sections["settings"] = settings


def _exclusive(layers: Sequence[LayerFile]) -> frozenset[Name]:
    """Return the sections that belong to the policy whole; the last layer that says so decides."""
    chosen: dict[Name, str] = {"rules": "exclusive"}
    for layer in layers:
        ownership = layer.layer.ownership
        for name in ownership.model_fields_set:
            chosen[BY_NAME[name].name] = getattr(ownership, name)
    return frozenset(name for name, kind in chosen.items() if kind == "exclusive")


def _guard_rules(guards: Sequence[Guards]) -> GuardRules:
    percents = [it.most_deletions_percent for it in guards if it.most_deletions_percent is not None]
    follows = [it.most_severed_follows for it in guards if it.most_severed_follows is not None]
    return GuardRules(
        frozenset(name for it in guards for name in it.own_domains),
        frozenset(name for it in guards for name in it.partner_domains),
        tuple(dict.fromkeys(net for it in guards for net in it.own_addresses)),
        min(percents, default=MOST_DELETIONS_PERCENT),
        min(follows, default=0),
        frozenset((override.guard, override.what) for it in guards for override in it.overrides),
    )


# --- remarks


def _reviews(section: Section, wanted: Iterable[Wanted], today: datetime.date) -> Iterator[Remark]:
    for one in wanted:
        if one.review and one.review <= today:
            text = f"review was due on {one.review}; ask {one.owner}"
            yield Remark("review", section.name, one.key, text, one.origin[-1])


def _exceptions(blocks: Mapping[str, Wanted]) -> Iterator[Remark]:
    """Name exceptions from a parent's block: for accounts that it knows already, Mastodon makes none."""
    for name, one in blocks.items():
        above = next((parent for parent in names.parents(name)[1:] if parent in blocks), None)
        if above is None:
            continue
        parent, rank = blocks[above].fields, STRICTNESS[str(one.fields["severity"])]
        if rank < STRICTNESS[str(parent["severity"])]:
            text = f"is milder than {above} above it; Mastodon still {parent['severity']}s the accounts it knows there"
            yield Remark("exception", "domain_blocks", name, text, one.origin[-1])
