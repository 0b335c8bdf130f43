"""Policies, servers in memory, and what brings them together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from meentwerk.moderation import work
from meentwerk.moderation.audit import AuditLog
from meentwerk.moderation.policy import Policy
from meentwerk.moderation.server import Api, ByBatch
from meentwerk.moderation.work import Ways

from .strict import Strict

Lay = Callable[..., Path]


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice: a layer has no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Write a layer and return its file."""

    def write(layer: str = "organisation", **body: Any) -> Path:
        body = {"layer": layer, "owner": "Trust and safety team", **body}
        file = tmp_path / f"{layer}.yml"
        file.write_text(yaml.dump(body, Dumper=_Plain, sort_keys=False))
        return file

    return write


@pytest.fixture
def policy(lay: Lay) -> Callable[..., Policy]:
    """Return the policy of one layer, which must be right."""

    def make(**body: Any) -> Policy:
        reading = work.read_policy([lay(**body)])
        assert not reading.problems, reading.problems
        return reading.policy

    return make


@pytest.fixture
def audit(tmp_path: Path) -> AuditLog:
    """An audit log in an empty folder."""
    return AuditLog(tmp_path / "audit.jsonl")


def by_api(server: Strict) -> Ways:
    """The API of a server."""
    return Ways(server.domain, Api(server))  # type: ignore[arg-type]  # it answers as the client does


def by_batch(server: Strict) -> Ways:
    """bin/batch on a server."""
    return Ways(server.domain, None, ByBatch(server))


def by_both(server: Strict) -> Ways:
    """Both ways to a server."""
    return Ways(server.domain, Api(server), ByBatch(server))  # type: ignore[arg-type]  # see above
