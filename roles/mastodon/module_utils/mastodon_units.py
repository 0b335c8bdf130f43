"""What runs on a host, and what has to be done until a release is in service. Decides only; changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ON_SOCKETS = ("web", "streaming")
COMPONENTS = (*ON_SOCKETS, "sidekiq")
TARGET = "mastodon.target"
PROPERTIES = "Id,ActiveState,SubState,InactiveExitTimestamp,NeedDaemonReload,FragmentPath"


def unit(component: str, release: str) -> str:
    """Name the unit that runs one component of a release."""
    return f"mastodon-{component}@{release}.service"


@dataclass(frozen=True)
class Unit:
    """What systemd knows about a unit. Times are seconds since 1970."""

    name: str
    active: bool
    at_rest: bool
    """Neither running, nor being started again and again, nor failed."""
    pending_reload: bool
    since: float
    configured: float
    """When the youngest file that configures it was written."""

    @property
    def outdated(self) -> bool:
        """Whether it runs with older configuration than lies on the disk."""
        return self.active and (self.pending_reload or self.configured > self.since)


@dataclass
class State:
    """The host as it is."""

    link: str
    """Release that `current` names, or empty."""
    committed: str
    """Release that starts with the machine: the last one that was found healthy."""
    services: dict[str, Unit]
    supports: dict[str, Unit]
    """Sockets and timers."""
    target_enabled: bool
    surplus: list[str] = field(default_factory=list)
    """Releases to remove."""

    def others(self, release: str) -> list[str]:
        """Units of other releases that still run or have failed."""
        mine = {unit(component, release) for component in COMPONENTS}
        return sorted(name for name, found in self.services.items() if name not in mine and not found.at_rest)


def plan(state: State, release: str) -> list[str]:
    """Say in words what has to be done; nothing when the release is in service as configured."""
    actions = [f"restart {name}: its configuration is newer" for name, it in state.supports.items() if it.outdated]
    for component in COMPONENTS:
        name = unit(component, release)
        if not state.services[name].active:
            actions.append(f"start {name}")
        elif state.services[name].outdated:
            actions.append(f"restart {name}: its configuration is newer")
    if state.link != release:
        actions.append(f"point current to {release}")
    actions += [f"stop {name}" for name in state.others(release)]
    if state.committed != release or not state.target_enabled:
        actions.append(f"let {release} start with the machine")
    elif any(not it.active for it in state.supports.values()):
        actions.append(f"start {TARGET}")
    return actions


def surplus(releases: Iterable[tuple[float, str]], keep: int, needed: Sequence[str]) -> list[str]:
    """Return which of (age as time of unpacking, release) go: all but the `keep` youngest and those that are needed."""
    optional = [name for _, name in sorted(releases, reverse=True) if name not in needed]
    return optional[max(0, keep - len(set(needed))) :]


def parse_show(text: str) -> list[dict[str, str]]:
    """Parse `systemctl show` for several units: blocks of NAME=VALUE with an empty line between."""
    blocks = (block for block in text.split("\n\n") if block.strip())
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]


def parse_time(text: str) -> float:
    """Parse systemd's us+utc format (`Mon 2026-11-23 22:40:36.123456 UTC`); 0 where it never happened."""
    if not text or text == "n/a":
        return 0.0
    return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC).timestamp()


def modified(paths: Iterable[Path]) -> float:
    """Return when the youngest of the files was written."""
    return max((path.stat().st_mtime for path in paths if path.is_file()), default=0.0)


def to_unit(properties: Mapping[str, str], environment: Path) -> Unit:
    """Read one block of `systemctl show`."""
    name = properties["Id"]
    fragment = properties.get("FragmentPath", "")
    files = [Path(fragment)] if fragment else []
    if name.endswith(".service"):
        files.append(environment)
    return Unit(
        name=name,
        # A service that systemd keeps restarting is not in service
        active=properties["ActiveState"] in ("active", "reloading") and properties.get("SubState") != "auto-restart",
        at_rest=properties["ActiveState"] == "inactive",
        pending_reload=properties.get("NeedDaemonReload") == "yes",
        since=parse_time(properties.get("InactiveExitTimestamp", "")),
        configured=modified(files),
    )
