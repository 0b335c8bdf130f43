"""The list of what is held against the recordings, and what is not."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OutOfScope(_Strict):
    """Recorded endpoints that the rehearsal server does not answer for."""

    reason: str
    endpoints: list[str]


class Allowed(_Strict):
    """A difference that is none, with the reason why."""

    entity: str
    """Entity or endpoint."""
    problem: str
    """Regular expression for the whole line as reported."""
    reason: str


class Scope(_Strict):
    """The content of scope.yml."""

    recorded_version: str
    covered: dict[str, str]
    not_driven: dict[str, str]
    """``METHOD path STATUS`` -> reason."""
    nested: dict[str, str]
    allowed: list[Allowed]
    out_of_scope: list[OutOfScope]

    @property
    def excluded(self) -> dict[str, str]:
        """Endpoint -> reason."""
        return {endpoint: entry.reason for entry in self.out_of_scope for endpoint in entry.endpoints}


@cache
def scope() -> Scope:
    """Read scope.yml."""
    return Scope.model_validate(yaml.safe_load(Path(__file__).with_name("scope.yml").read_text(encoding="utf-8")))
