"""What no plan may do unless somebody lets it, on purpose and by name. Pure functions."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from meentwerk.moderation import names
from meentwerk.moderation.lists import FLAGS
from meentwerk.moderation.plan import Change, Refusal
from meentwerk.moderation.policy import GuardRules, Policy
from meentwerk.moderation.sections import BY_NAME, STRICTNESS, Fields, Name
from meentwerk.moderation.state import State

# So few may always go: of three entries, one is a third
FREE_DELETIONS = 5
# RFC 1918, 6598, 4193, 4291, 3927, 1122: nobody outside can come from there, colleagues and proxies can
NEAR = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8",
    "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
WIDEST = {4: 8, 6: 19}
SHOWN = 8


def judge(policy: Policy, state: State, changes: Collection[Change], follows: Mapping[str, int]) -> list[Refusal]:
    """Return everything that a guard says no to, also what the policy itself lets through.

    `follows` holds for each domain that will be suspended how many follows of people here that cuts.
    """
    rules = replace(policy.guards, own_domains=policy.guards.own_domains | state.domains)
    found: list[Refusal] = []
    for change in changes:
        if change.after is not None and change.action != "adopt":
            found += standing(change.section, change.key, change.after, rules)
    found += _deletions(changes, state, rules)
    found += _severed(follows, rules)
    if state.limited_federation:
        found += _disallowed(changes)
    return [let_through(refusal, rules) for refusal in found]


def let_through(refusal: Refusal, rules: GuardRules) -> Refusal:
    """Note where the policy itself lets something through."""
    return replace(refusal, overridden="policy") if (refusal.guard, refusal.what) in rules.overrides else refusal


def standing(section: Name, key: str, fields: Fields, rules: GuardRules) -> Iterator[Refusal]:
    """Judge one entry by itself; needs no server."""
    if section == "ip_blocks":
        yield from _addresses(key, rules)
    elif section == "email_domain_blocks" or (section == "domain_blocks" and _limits(fields)):
        yield from _domains(section, key, rules)


def _limits(fields: Fields) -> bool:
    return fields["severity"] != "noop" or any(fields[flag] for flag in FLAGS[:2])


def _domains(section: Name, key: str, rules: GuardRules) -> Iterator[Refusal]:
    for whose, protected in (("an own domain", rules.own_domains), ("a partner's domain", rules.partner_domains)):
        if hit := _hit(key, protected):
            text = f"{BY_NAME[section].one} {key} would hit {whose}, {hit}"
            yield Refusal("own-domains", key, text, "Take it out of the policy, or make it hit the abusive part only.")
    if section == "domain_blocks" and is_public_suffix(key):
        text = f"{BY_NAME[section].one} {key}: many organisations that know nothing of each other share this suffix"
        yield Refusal("public-suffixes", key, text, "Name the servers that are meant.")


def _hit(key: str, protected: Iterable[str]) -> str | None:
    return next((name for name in sorted(protected) if names.covers(key, name) or names.covers(name, key)), None)


@cache
def _suffixes() -> Callable[[str], bool]:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415  # loads a large table

    return PublicSuffixList().is_public


def is_public_suffix(name: str) -> bool:
    """Say whether anybody can register below the name: a single label, co.uk, a hoster's domain."""
    return "." not in name or _suffixes()(name)


def _addresses(key: str, rules: GuardRules) -> Iterator[Refusal]:
    network = names.parsed_network(key)
    own = next((net for net in rules.own_addresses if names.overlaps(net, key)), None)
    if own:
        text = f"IP block {key} would hit own addresses, {own}"
        yield Refusal("own-addresses", key, text, "Take it out of the policy, or block the part that is not yours.")
    if network.prefixlen < WIDEST[network.version] or any(names.overlaps(net, key) for net in NEAR):
        wide = network.prefixlen < WIDEST[network.version]
        what = "a large part of the internet" if wide else "addresses of local networks, such as a proxy's"
        yield Refusal("wide-networks", key, f"IP block {key} would hit {what}", "Name the networks that are meant.")


def _deletions(changes: Iterable[Change], state: State, rules: GuardRules) -> Iterator[Refusal]:
    gone = Counter(change.section for change in changes if change.action == "delete")
    for name, number in gone.items():
        there = len(state.sections.get(name, {}))
        most = max(FREE_DELETIONS, there * rules.most_deletions_percent // 100)
        if number > most:
            text = f"{number} of {there} {BY_NAME[name].many} would be deleted; {most} are allowed in one plan"
            yield Refusal("deletions", name, text, "See in the plan whether a layer or a list is missing.")


def _severed(follows: Mapping[str, int], rules: GuardRules) -> Iterator[Refusal]:
    """One refusal for each domain, and only where all together are too many; those let through do not count."""
    counted = {name: n for name, n in follows.items() if n and ("severed-follows", name) not in rules.overrides}
    if sum(counted.values()) <= rules.most_severed_follows:
        return
    for name, number in sorted(counted.items(), key=lambda item: -item[1]):
        cut = "1 follow" if number == 1 else f"{number} follows"
        text = f"suspending {name} would cut {cut} of people here, for good"
        yield Refusal("severed-follows", name, text, "Silence it instead, or tell those people first.")


def _disallowed(changes: Iterable[Change]) -> Iterator[Refusal]:
    for change in changes:
        if change.section == "domain_allows" and change.action == "delete":
            text = f"removing the domain allow {change.key} suspends all its accounts: the federation is limited"
            yield Refusal("limited-federation", change.key, text, "Keep it in the policy.")


def suspensions(changes: Iterable[Change]) -> list[str]:
    """Return the domains that the changes suspend and that were not suspended before."""
    return [
        change.key
        for change in changes
        if change.section == "domain_blocks"
        and change.after is not None
        and change.after["severity"] == "suspend"
        and (change.before is None or STRICTNESS[str(change.before["severity"])] < STRICTNESS["suspend"])
    ]
