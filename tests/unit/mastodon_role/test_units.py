"""From what a host looks like to what has to be done."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

OLD, NEW = "sandbox-1-debian13-amd64", "sandbox-2-debian13-amd64"
SUPPORTS = ("mastodon-web.socket", "mastodon-streaming.socket", "mastodon-retention@media.timer")


def found(services: ModuleType, name: str, **more: Any) -> Any:
    state = {"active": True, "at_rest": False, "pending_reload": False, "since": 200.0, "configured": 100.0, **more}
    return services.Unit(name=name, **state)


def host(services: ModuleType, *running: str, link: str, committed: str, **more: Any) -> Any:
    """A host where the named releases run."""
    units = {}
    for release in {*running, NEW}:
        for component in services.COMPONENTS:
            name = services.unit(component, release)
            active = release in running
            units[name] = found(services, name, active=active, at_rest=not active)
    supports = {name: found(services, name) for name in SUPPORTS}
    state = {"link": link, "committed": committed, "services": units, "supports": supports, "target_enabled": True}
    return services.State(**{**state, **more})


def test_a_release_in_service_needs_nothing(services: ModuleType) -> None:
    assert services.plan(host(services, NEW, link=NEW, committed=NEW), NEW) == []


def test_the_first_release(services: ModuleType) -> None:
    actions = services.plan(host(services, link="", committed="", target_enabled=False), NEW)
    assert actions == [
        f"start mastodon-web@{NEW}.service",
        f"start mastodon-streaming@{NEW}.service",
        f"start mastodon-sidekiq@{NEW}.service",
        f"point current to {NEW}",
        f"let {NEW} start with the machine",
    ]


def test_another_release_starts_before_the_old_one_stops(services: ModuleType) -> None:
    actions = services.plan(host(services, OLD, link=OLD, committed=OLD), NEW)
    assert actions.index(f"start mastodon-web@{NEW}.service") < actions.index(f"stop mastodon-web@{OLD}.service")
    assert f"point current to {NEW}" in actions


def test_an_interrupted_switch_is_finished(services: ModuleType) -> None:
    actions = services.plan(host(services, OLD, NEW, link=NEW, committed=OLD), NEW)
    assert actions == [
        f"stop mastodon-sidekiq@{OLD}.service",
        f"stop mastodon-streaming@{OLD}.service",
        f"stop mastodon-web@{OLD}.service",
        f"let {NEW} start with the machine",
    ]


@pytest.mark.parametrize("sign", [{"configured": 300.0}, {"pending_reload": True}])
def test_newer_configuration_restarts_what_it_configures(services: ModuleType, sign: dict[str, Any]) -> None:
    state = host(services, NEW, link=NEW, committed=NEW)
    name = services.unit("web", NEW)
    state.services[name] = found(services, name, **sign)
    timer = SUPPORTS[2]
    state.supports[timer] = found(services, timer, **sign)
    assert services.plan(state, NEW) == [
        f"restart {timer}: its configuration is newer",
        f"restart {name}: its configuration is newer",
    ]


def test_a_stopped_timer_is_started(services: ModuleType) -> None:
    state = host(services, NEW, link=NEW, committed=NEW)
    state.supports[SUPPORTS[2]] = found(services, SUPPORTS[2], active=False, at_rest=True)
    assert services.plan(state, NEW) == ["start mastodon.target"]


def test_a_failed_unit_of_another_release_is_cleared(services: ModuleType) -> None:
    state = host(services, NEW, link=NEW, committed=NEW)
    name = services.unit("web", OLD)
    state.services[name] = found(services, name, active=False, at_rest=False)
    assert services.plan(state, NEW) == [f"stop {name}"]


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
def test_old_releases_go_by_age(services: ModuleType, keep: int, needed: list[str], gone: list[str]) -> None:
    releases = [(1.0, "a"), (2.0, "b"), (3.0, "c"), (4.0, "d")]
    assert services.surplus(releases, keep, needed) == gone


def test_reading_systemd(services: ModuleType, tmp_path: Path) -> None:
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
    web, sidekiq = (services.to_unit(block, environment) for block in services.parse_show(text))
    assert (web.name, web.active, web.since) == ("mastodon-web@a.service", True, 1795473636.25)
    assert web.configured == environment.stat().st_mtime
    assert (sidekiq.active, sidekiq.at_rest, sidekiq.since) == (False, False, 0.0)
