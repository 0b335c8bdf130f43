"""What all layers and lists together want: one entry for each thing, with where it comes from."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from meentwerk.moderation.sections import LISTS, Fields, Name


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entry of the merged policy. `origin` lists the places that made it, the deciding one last."""

    key: str
    fields: Fields
    reason: str
    origin: tuple[str, ...]
    owner: str = ""
    reference: str = ""
    review: datetime.date | None = None
    locked: bool = False
    published: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a person should know about the policy that stops nothing: expired, review due, covered, skipped."""

    kind: str
    section: str
    key: str
    text: str
    where: str = ""

    def line(self) -> str:
        """Return it as one line."""
        return f"{self.where + '  ' if self.where else ''}{self.key}: {self.text}"


@dataclass(frozen=True, slots=True)
class GuardRules:
    """What the guards go by; see `model.Guards`."""

    own_domains: frozenset[str] = frozenset()
    partner_domains: frozenset[str] = frozenset()
    own_addresses: tuple[str, ...] = ()
    most_deletions_percent: int = 10
    most_severed_follows: int = 0
    # (guard, what)
    overrides: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """The merged policy. A section that no layer names is not the policy's business: it is neither read nor changed."""

    sections: Mapping[Name, Mapping[str, Wanted]]
    exclusive: frozenset[Name]
    guards: GuardRules = GuardRules()
    remarks: tuple[Remark, ...] = ()
    layers: tuple[str, ...] = ()

    def lists(self) -> list[Name]:
        """Return the sections of the admin API that the policy is about."""
        return [section.name for section in LISTS if section.name in self.sections]


def remarks_of(remarks: Iterable[Remark], kind: str) -> list[Remark]:
    """Return the remarks of one kind."""
    return [remark for remark in remarks if remark.kind == kind]
