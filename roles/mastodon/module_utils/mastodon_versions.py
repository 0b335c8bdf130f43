"""Which release may follow which: read from their identifiers and from what a release says of itself."""

import re
from collections.abc import Mapping
from typing import Any

_IDENTIFIER = re.compile(r"(?P<name>[a-z][a-z0-9]*)-(?P<version>[0-9][A-Za-z0-9._]*)-debian[0-9]+-(amd64|arm64)")


def application(identifier: str) -> tuple[str, str]:
    """Return a release's name and application version: mastodon, 4.6.5 for mastodon-4.6.5.g0123456789ab-debian13-amd64.

    A content-addressed version ends in `.gHEX`, which says nothing about its age.
    """
    match = _IDENTIFIER.fullmatch(identifier)
    if match is None:
        return identifier, ""
    return match["name"], re.sub(r"\.g[0-9a-f]{12}$", "", match["version"])


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, to compare by: 4.6.5 -> (4, 6, 5)."""
    match = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def path_problem(installed: str, wanted: str, manifest: Mapping[str, Any], *, going_back: bool = False) -> str:
    """Say why `wanted` may not follow the release in service; empty when it may, or when nothing is in service.

    `manifest` is the release.json of `wanted`; its `upgrades_from` names the oldest version that may be upgraded to it.
    """
    if not installed or installed == wanted:
        return ""
    (old_name, old), (new_name, new) = application(installed), application(wanted)
    if old_name != new_name:
        return (
            f"this host runs {installed}, and {wanted} is another application: its database is not for it. "
            "Deploy to a new host."
        )
    if numbers(new) < numbers(old):
        if going_back:
            return ""
        return (
            f"{new} is older than {old}, which is in service: the database may have steps that {new} does not know. "
            "playbooks/rollback.yml goes back where that is possible, and says so where it is not."
        )
    required = str(manifest.get("upgrades_from") or "")
    if required and numbers(old) < numbers(required):
        return (
            f"{new} can be reached from {required} or newer, and {old} is in service: steps of the database in between "
            f"would be missing. Upgrade to {required} first, then to {new}."
        )
    return ""
