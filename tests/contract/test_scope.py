"""Every recorded endpoint is answered for or excused, and no line is stale."""

import importlib
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from .recordings import Exchange, recorded_version
from .scope import scope

SANDBOX = Path(__file__).parents[2] / "sandbox"


def test_the_recordings_are_of_the_version_that_is_written_down(recordings: tuple[Exchange, ...]) -> None:
    assert recordings
    assert recorded_version() == scope().recorded_version


def test_every_recorded_endpoint_is_covered_or_out_of_scope(recordings: tuple[Exchange, ...]) -> None:
    endpoints = {exchange.endpoint for exchange in recordings}
    known = scope().covered.keys() | scope().excluded.keys()
    assert not endpoints - known, "add these to covered, or to out_of_scope with the reason, in scope.yml"
    assert not known - endpoints, "these lines of scope.yml name nothing that was recorded"


def test_no_endpoint_stands_in_both_lists_or_twice() -> None:
    listed = Counter(scope().covered.keys())
    listed.update(endpoint for entry in scope().out_of_scope for endpoint in entry.endpoints)
    assert [endpoint for endpoint, times in listed.items() if times > 1] == []


def test_what_is_not_driven_was_recorded_and_is_covered(recordings: tuple[Exchange, ...]) -> None:
    answers = {f"{exchange.endpoint} {exchange.status}" for exchange in recordings}
    for answer in scope().not_driven:
        assert answer in answers, "this line of not_driven names nothing that was recorded"
        assert answer.rpartition(" ")[0] in scope().covered


def test_every_exclusion_has_a_reason() -> None:
    for reason in [*scope().excluded.values(), *scope().not_driven.values(), *(a.reason for a in scope().allowed)]:
        assert len(reason.split()) >= 3, reason


def test_whatever_the_rehearsal_server_implements_is_covered(
    recordings: tuple[Exchange, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that grows in the server leaves the list of excuses."""
    monkeypatch.syspath_prepend(str(SANDBOX))
    api = importlib.import_module("meentwerk_sandbox.api")
    try:
        routes = {f"{route.method} {_as_template(route.path)}" for route in api.HANDLERS}
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "meentwerk_sandbox"]:
            del sys.modules[name]
    grown = sorted(routes & scope().excluded.keys())
    assert not grown, "the server implements these: move them to covered in scope.yml"


def _as_template(route: str) -> str:
    path = re.sub(r"\{(name|tag|hashtag)[^}]*\}", ":name", route)
    return re.sub(r"\{[^}]*\}", ":id", path)
