"""The steps of a run: read a policy, look at a server, make a plan, carry it out, look again."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from meentwerk.entries.problem import Problem
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.moderation import guards, order, sources
from meentwerk.moderation.audit import DONE, AuditLog, Run
from meentwerk.moderation.layers import load
from meentwerk.moderation.merge import merge
from meentwerk.moderation.plan import Change, Plan, Refusal, compare, unfulfilled
from meentwerk.moderation.policy import Policy
from meentwerk.moderation.sections import LISTS, Name
from meentwerk.moderation.server import Api, ByBatch, Outcome, Way
from meentwerk.moderation.state import State, records

BY_BATCH_ONLY = ("settings", "rules")
# The API takes 300 requests in five minutes; from here on a start of the application is the shorter wait
MANY = 200
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """A policy as it was read: what is wrong with the layers, and what could not be taken over from lists."""

    policy: Policy
    problems: list[Problem]
    list_problems: list[Problem]


def read_policy(files: Sequence[Path], fetch: sources.Fetch | None = None) -> Reading:
    """Read layers and lists. A list of which nothing could be read is a problem: without it, its blocks would go."""
    layers, problems = load(files)
    if problems:
        return Reading(Policy({}, frozenset()), problems, [])
    read = sources.read_all(layers, fetch)
    policy, found = merge(layers, read)
    problems += found
    problems += [problem for one in sources.unread(read) for problem in one.found.problems]
    minor = [problem for problem in sources.problems_of(read) if problem not in problems]
    return Reading(policy, problems, minor)


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways to a server that are open: the API with a token, bin/batch over the inventory's connection, or both."""

    server: str
    api: Api | None = None
    batch: ByBatch | None = None
    prefer: str = "auto"

    def __post_init__(self) -> None:
        """Refuse a preference that cannot be kept."""
        if self.api is None and self.batch is None:
            raise UsageError("no way to the server", "give --server and a token, or --instance and --inventory")
        if self.prefer == "batch" and self.batch is None:
            raise UsageError("bin/batch needs the inventory", "give --instance NAME --inventory FOLDER")
        if self.prefer == "api" and self.api is None:
            raise UsageError("the API needs a token", "give --token-file FILE, or set MEENTWERK_TOKEN")

    def reading(self) -> Way:
        """Return the way to look."""
        chosen = self.batch if self.prefer == "batch" or self.api is None else self.api
        assert chosen is not None  # noqa: S101  # see __post_init__
        return chosen

    def writing(self, changes: int) -> Way:
        """Return the way to change so many entries of the lists."""
        if self.prefer == "auto" and self.batch and (self.api is None or changes > MANY):
            return self.batch
        return self.reading()

    def by_batch(self, section: Name) -> ByBatch:
        """Return bin/batch for a section that the API does not change."""
        if self.batch is None:
            raise UsageError(
                f"the policy says something about {section}, which Mastodon's API does not change",
                "give --instance NAME --inventory FOLDER, so that bin/batch on the host can be used",
            )
        return self.batch


def observe(ways: Ways, sections: Collection[Name], settings: Collection[str], audit: AuditLog) -> State:
    """Read the sections from the server, each in the cheapest way."""
    listed = [section.name for section in LISTS if section.name in sections]
    # Sections without a comment for a mark: only there the log has to say what is Meentwerk's
    made = audit.made(ways.server) if any(not section.comment and section.name in sections for section in LISTS) or (
        "rules" in sections
    ) else {}  # fmt: skip
    way = ways.reading()
    rest: list[tuple[Name, Sequence[str]]] = [("rules", ())] if "rules" in sections else []
    rest += [("settings", sorted(settings))] if settings else []
    found = {}
    if isinstance(way, ByBatch):
        found = way.many([*((name, ()) for name in listed), *rest])
    else:
        found = {name: way.rows(name, ()) for name in listed}
        if rest:
            found |= ways.by_batch(rest[0][0]).many(rest)
    return State({name: records(name, rows, made.get(name, frozenset())) for name, rows in found.items()})


def look(ways: Ways, policy: Policy, audit: AuditLog) -> State:
    """Read what the policy is about."""
    return observe(ways, list(policy.sections), list(policy.sections.get("settings", {})), audit)


def standing_refusals(policy: Policy) -> list[Refusal]:
    """Return what guards say to the policy by itself, before a server is asked."""
    found = [
        refusal
        for name, wanted in policy.sections.items()
        for key, one in wanted.items()
        for refusal in guards.standing(name, key, one.fields, policy.guards)
    ]
    return [guards.let_through(refusal, policy.guards) for refusal in found]


def drift(ways: Ways, policy: Policy, audit: AuditLog) -> Plan:
    """Compare and judge nothing: where the server is not as the policy says."""
    state = look(ways, policy, audit)
    found = compare(policy, state)
    remarks = (*policy.remarks, *found.remarks)
    return Plan(ways.server, _now(), state.digest(), policy.layers, order.ordered(found.changes), remarks)


def make_plan(
    ways: Ways, policy: Policy, audit: AuditLog, *, override: Collection[str] = (), adopt: bool = False
) -> Plan:
    """Return the plan alone; see `plan_and_state`."""
    return plan_and_state(ways, policy, audit, override=override, adopt=adopt)[0]


def plan_and_state(
    ways: Ways, policy: Policy, audit: AuditLog, *, override: Collection[str] = (), adopt: bool = False
) -> tuple[Plan, State]:
    """Compare, ask what the guards need to know, and judge. A plan without changes asks nothing but the lists."""
    state = look(ways, policy, audit)
    found = compare(policy, state, adopt=adopt)
    changes = order.ordered(found.changes)
    follows: dict[str, int] = {}
    refusals = []
    if changes:
        domains, limited = ways.reading().about()
        state = replace(state, domains=domains, limited_federation=limited)
        if suspended := guards.suspensions(changes):
            follows = {name: n for name, n in ways.writing(len(changes)).follows(suspended).items() if n}
        refusals = [
            replace(it, overridden="--override") if not it.overridden and it.guard in override else it
            for it in guards.judge(policy, state, changes, follows)
        ]
    plan = Plan(
        ways.server,
        _now(),
        state.digest(),
        policy.layers,
        changes,
        (*policy.remarks, *found.remarks),
        tuple(refusals),
        follows,
        tuple(policy.sections),
        tuple(policy.sections.get("settings", {})),
    )
    return plan, state


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a plan."""

    made: int
    failed: tuple[tuple[Change, str], ...]
    way: str


def stale(plan: Plan, ways: Ways, audit: AuditLog) -> State:
    """Read the state again and return it; refuse a plan that was made from another."""
    if plan.server != ways.server:
        raise UsageError(f"the plan is for {plan.server}, not for {ways.server}", "make a plan for this server")
    state = observe(ways, plan.sections, plan.settings, audit)
    if state.digest() != plan.state:
        raise MeentwerkError(
            f"the server changed since the plan was made ({plan.made_at}); nothing was done",
            "make the plan again and read it",
            Exit.REFUSED,
        )
    return state


def carry_out(plan: Plan, state: State, ways: Ways, audit: AuditLog, report: Report = lambda _done, _of: None) -> Done:
    """Make every change of a plan, write each to the audit log, then read back what was changed."""
    if refused := plan.refused():
        names = ", ".join(dict.fromkeys(refusal.guard for refusal in refused))
        raise MeentwerkError(
            f"{len(refused)} things are refused by guards ({names}); nothing was done",
            "see each with: plan. On purpose: --override GUARD, or guards.overrides in the policy",
            Exit.REFUSED,
        )
    special = [change for change in plan.changes if change.section in BY_BATCH_ONLY]
    lists = [change for change in plan.changes if change.section not in BY_BATCH_ONLY]
    audit.open()
    way = ways.writing(len(lists))
    account = way.check(list(dict.fromkeys(change.section for change in lists)))
    number = sha256(plan.text().encode()).hexdigest()[:16]
    overridden = tuple(f"{it.guard}: {it.what}" for it in plan.refusals if it.overridden)
    failed: list[tuple[Change, str]] = []
    done = 0
    lots: list[tuple[Sequence[Change], Way]] = [(plan.changes, way)]
    if not isinstance(way, ByBatch):
        lots = [(special, ways.by_batch(special[0].section) if special else way), (lists, way)]
    for changes, chosen in lots:
        run = Run(plan.server, account, chosen.name, number, overridden)
        for outcomes in _in_lots(chosen, changes, state):
            audit.write(run, [(it.change, f"failed: {it.error}" if it.error else DONE, it.id) for it in outcomes])
            failed += [(it.change, it.error) for it in outcomes if it.error]
            done += len(outcomes)
            report(done, len(plan.changes))
    failed += _read_back(plan, ways, audit, Run(plan.server, account, way.name, number), failed)
    return Done(len(plan.changes) - len(failed), tuple(failed), way.name)


def _in_lots(way: Way, changes: Sequence[Change], state: State) -> Iterator[list[Outcome]]:
    """Yield what was done since the last lot: one by one over the API, everything at once with bin/batch."""
    if not changes:
        return
    if isinstance(way, ByBatch):
        yield list(way.make(changes, state))
    else:
        yield from ([outcome] for outcome in way.make(changes, state))


def _read_back(
    plan: Plan, ways: Ways, audit: AuditLog, run: Run, failed: Sequence[tuple[Change, str]]
) -> list[tuple[Change, str]]:
    """Return changes that were answered with success and are not there; and write them to the audit log."""
    settings = [change.key for change in plan.changes if change.section == "settings"]
    state = observe(ways, {change.section for change in plan.changes}, settings, audit)
    known = {(change.section, change.key) for change, _ in failed}
    tried = tuple(change for change in plan.changes if (change.section, change.key) not in known)
    missing = unfulfilled(tried, state.sections)
    audit.write(run, [(change, f"read back: {text}", change.id) for change, text in missing])
    return [(change, f"the server said yes, but {text}") for change, text in missing]


__all__ = ["Done", "Outcome", "Reading", "Ways", "carry_out", "look", "make_plan", "read_policy", "stale"]
