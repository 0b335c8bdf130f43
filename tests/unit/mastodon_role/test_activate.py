"""From what a host looks like to what has to be done."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

OLD, NEW = "sandbox-1-debian13-amd64", "sandbox-2-debian13-amd64"
SUPPORTS = ("mastodon-web.socket", "mastodon-streaming.socket", "mastodon-retention@media.timer")


def found(activation: ModuleType, name: str, **more: Any) -> Any:
    state = {"active": True, "at_rest": False, "pending_reload": False, "since": 200.0, "configured": 100.0, **more}
    return activation.Unit(name=name, **state)


def host(activation: ModuleType, *running: str, link: str, committed: str, **more: Any) -> Any:
    """A host where the named releases run."""
    services = {}
    for release in {*running, NEW}:
        for component in activation.COMPONENTS:
            name = activation.unit(component, release)
            active = release in running
            services[name] = found(activation, name, active=active, at_rest=not active)
    supports = {name: found(activation, name) for name in SUPPORTS}
    state = {"link": link, "committed": committed, "services": services, "supports": supports, "target_enabled": True}
    return activation.State(**{**state, **more})


def test_a_release_in_service_needs_nothing(activation: ModuleType) -> None:
    assert activation.plan(host(activation, NEW, link=NEW, committed=NEW), NEW) == []


def test_the_first_release(activation: ModuleType) -> None:
    actions = activation.plan(host(activation, link="", committed="", target_enabled=False), NEW)
    assert actions == [
        f"start mastodon-web@{NEW}.service",
        f"start mastodon-streaming@{NEW}.service",
        f"start mastodon-sidekiq@{NEW}.service",
        f"point current to {NEW}",
        f"let {NEW} start with the machine",
    ]


def test_another_release_starts_before_the_old_one_stops(activation: ModuleType) -> None:
    actions = activation.plan(host(activation, OLD, link=OLD, committed=OLD), NEW)
    assert actions.index(f"start mastodon-web@{NEW}.service") < actions.index(f"stop mastodon-web@{OLD}.service")
    assert f"point current to {NEW}" in actions


def test_an_interrupted_switch_is_finished(activation: ModuleType) -> None:
    actions = activation.plan(host(activation, OLD, NEW, link=NEW, committed=OLD), NEW)
    assert actions == [
        f"stop mastodon-sidekiq@{OLD}.service",
        f"stop mastodon-streaming@{OLD}.service",
        f"stop mastodon-web@{OLD}.service",
        f"let {NEW} start with the machine",
    ]


@pytest.mark.parametrize("sign", [{"configured": 300.0}, {"pending_reload": True}])
def test_newer_configuration_restarts_what_it_configures(activation: ModuleType, sign: dict[str, Any]) -> None:
    state = host(activation, NEW, link=NEW, committed=NEW)
    name = activation.unit("web", NEW)
    state.services[name] = found(activation, name, **sign)
    timer = SUPPORTS[2]
    state.supports[timer] = found(activation, timer, **sign)
    assert activation.plan(state, NEW) == [
        f"restart {timer}: its configuration is newer",
        f"restart {name}: its configuration is newer",
    ]


def test_a_stopped_timer_is_started(activation: ModuleType) -> None:
    state = host(activation, NEW, link=NEW, committed=NEW)
    state.supports[SUPPORTS[2]] = found(activation, SUPPORTS[2], active=False, at_rest=True)
    assert activation.plan(state, NEW) == ["start mastodon.target"]


def test_a_failed_unit_of_another_release_is_cleared(activation: ModuleType) -> None:
    state = host(activation, NEW, link=NEW, committed=NEW)
    name = activation.unit("web", OLD)
    state.services[name] = found(activation, name, active=False, at_rest=False)
    assert activation.plan(state, NEW) == [f"stop {name}"]


@pytest.mark.parametrize(
    ("keep", "needed", "gone"),
    [
        (3, ["d"], ["a"]),
        (2, ["d", "a"], ["c", "b"]),
        (2, ["a"], ["c", "b"]),
        (9, ["d"], []),
        (1, ["d", "c"], ["b", "a"]),
    ],
)
def test_old_releases_go_by_age(activation: ModuleType, keep: int, needed: list[str], gone: list[str]) -> None:
    releases = [(1.0, "a"), (2.0, "b"), (3.0, "c"), (4.0, "d")]
    assert activation.surplus(releases, keep, needed) == gone


def test_reading_systemd(activation: ModuleType, tmp_path: Path) -> None:
    environment = tmp_path / "env"
    environment.write_text("")
    text = """Id=mastodon-web@a.service
ActiveState=active
SubState=running
InactiveExitTimestamp=Mon 2026-11-23 22:40:36.250000 UTC
NeedDaemonReload=no
FragmentPath=/nowhere

Id=mastodon-sidekiq@a.service
ActiveState=activating
SubState=auto-restart
InactiveExitTimestamp=
NeedDaemonReload=yes
FragmentPath=
"""
    web, sidekiq = (activation.to_unit(block, environment) for block in activation.parse_show(text))
    assert (web.name, web.active, web.since) == ("mastodon-web@a.service", True, 1795473636.25)
    assert web.configured == environment.stat().st_mtime
    assert (sidekiq.active, sidekiq.at_rest, sidekiq.since) == (False, False, 0.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"checks": {"cache": {"ok": true}, "disk": {"ok": false, "detail": "full"}}}', "bin/check: disk: full"),
        ('{"checks": {"cache": {"ok": true}}}', ""),
        ("Traceback", ""),
        ("", ""),
        ("[]", ""),
    ],
)
def test_reading_check(activation: ModuleType, text: str, complaint: str) -> None:
    assert activation.read_check(text) == complaint


def test_a_socket_nobody_listens_on(activation: ModuleType, tmp_path: Path) -> None:
    assert "does not answer /health" in activation.ask(tmp_path / "sock", "/health")
