"""Module: put a release into service, and the old one back where the new one is not healthy."""

import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: mastodon_release_activate
short_description: Put a release into service
description:
  - Starts the release beside the one in service, on the same sockets, waits until it is healthy, then stops the old.
    Where it does not become healthy, the old release goes on and the module fails with the last lines of the log.
  - Judges by the state of the host, so it finishes what an interrupted run began. A service that started before its
    configuration was written is restarted, each service once.
options:
  release: {description: Identifier of an unpacked release., type: str, required: true}
  keep: {description: How many releases stay on the host., type: int, default: 3}
  health_timeout: {description: Seconds until the release has to be healthy., type: int, default: 120}
  root: {description: Folder of the releases., type: path, default: /opt/mastodon}
  environment_file: {description: Environment of the services., type: path, default: /etc/mastodon/mastodon.env}
  runner: {description: Command that runs a program of the release., type: path, default: /usr/local/sbin/mastodon-run}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Put the release into service
  mastodon_release_activate:
    release: sandbox-0.1.0.g0123456789ab-debian13-amd64
"""
RETURN = r"""
actions: {description: What was done, or would be done in check mode., type: list, returned: always}
"""

ON_SOCKETS = ("web", "streaming")
COMPONENTS = (*ON_SOCKETS, "sidekiq")
TARGET = "mastodon.target"
UNITS = Path("/etc/systemd/system")
HEALTH = {
    Path("/run/mastodon/web.sock"): "/health",
    Path("/run/mastodon/streaming.sock"): "/api/v1/streaming/health",
}
PROPERTIES = "Id,ActiveState,SubState,InactiveExitTimestamp,NeedDaemonReload,FragmentPath"
LOG_LINES = 15


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


class UnhealthyError(Exception):
    """The release is not healthy; the message says what was seen."""


class Host:
    """Reads and changes the host."""

    def __init__(self, release: str, root: Path, environment: Path, runner: str, health_timeout: int) -> None:
        self.release = release
        self.root = root
        self.environment = environment
        self.runner = runner
        self.health_timeout = health_timeout

    def systemctl(self, *arguments: str) -> str:
        """Run systemctl; UnhealthyError where it fails."""
        done = subprocess.run(["/usr/bin/systemctl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UnhealthyError(f"systemctl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def forget_failure(self, names: Sequence[str]) -> None:
        """Take stopped units off the list of failed ones; systemd may not know them any more, which is just as well."""
        subprocess.run(["/usr/bin/systemctl", "reset-failed", *names], capture_output=True, check=False)

    def _wanted_at_boot(self, pattern: str) -> list[str]:
        return sorted(path.name for path in (UNITS / f"{TARGET}.wants").glob(pattern))

    def read(self, keep: int) -> State:
        """Look at links, units and releases."""
        patterns = [f"mastodon-{component}@*.service" for component in COMPONENTS]
        listed = self.systemctl("list-units", "--all", "--full", "--plain", "--no-legend", *patterns)
        services = {line.split()[0] for line in listed.splitlines() if line.strip()}
        services |= {unit(component, self.release) for component in COMPONENTS}
        supports = [f"mastodon-{name}" for name in ("web.socket", "streaming.socket")]
        supports += [f"mastodon-retention@{name}.timer" for name in ("media", "preview_cards")]
        names = [*sorted(services), *supports]
        shown = parse_show(self.systemctl("show", "--timestamp=us+utc", f"--property={PROPERTIES}", *names))
        units = {it.name: it for it in (to_unit(block, self.environment) for block in shown)}
        current = self.root / "current"
        at_boot = self._wanted_at_boot("mastodon-web@*.service")
        committed = [name.removeprefix("mastodon-web@").removesuffix(".service") for name in at_boot]
        state = State(
            link=current.readlink().name if current.is_symlink() else "",
            committed=committed[0] if len(committed) == 1 else "",
            services={name: units[name] for name in services},
            supports={name: units[name] for name in supports},
            target_enabled=(UNITS / "multi-user.target.wants" / TARGET).is_symlink(),
        )
        found = [(path.stat().st_mtime, path.name) for path in (self.root / "releases").glob("[!.]*") if path.is_dir()]
        state.surplus = surplus(found, keep, [name for name in (self.release, state.link) if name])
        return state

    def old_release(self, state: State) -> str:
        """Return the release to go back to: the committed one, or the one that `current` names; may be empty."""
        candidates = [state.committed, state.link]
        for name in candidates:
            if name and name != self.release and (self.root / "releases" / name).is_dir():
                return name
        return ""

    def point(self, release: str) -> None:
        """Let `current` name a release, in one step."""
        beside = self.root / ".current"
        beside.unlink(missing_ok=True)
        beside.symlink_to(Path("releases") / release)
        beside.rename(self.root / "current")

    def bring(self, components: Sequence[str], state: State) -> None:
        """Start units side by side, and restart those that run with old configuration."""
        found = [state.services[unit(component, self.release)] for component in components]
        due = [it.name for it in found if not it.active or it.outdated]
        if due:
            self.systemctl("restart", *due)

    def switch(self, state: State) -> None:
        """Start the release, wait until it is healthy, stop the others."""
        for name in [name for name, found in state.supports.items() if found.outdated]:
            self.systemctl("restart", name)
        others = state.others(self.release)
        quiet = [name for name in others if name.startswith("mastodon-sidekiq@") and state.services[name].active]
        if state.link:
            self.bring(ON_SOCKETS, state)
        # From here on both releases are on the sockets: nginx may serve the new files
        if state.link != self.release:
            self.point(self.release)
        for other in quiet:  # finishes what it works on and takes no more
            self.systemctl("kill", "--kill-whom=main", "--signal=TSTP", other)
        # A first release replaces none: all of it starts at once
        self.bring(COMPONENTS if not state.link else ("sidekiq",), state)
        self.wait_until_healthy(self.release)
        if others:
            self.systemctl("stop", *others)
            self.forget_failure(others)
            self.wait_until_healthy(self.release)

    def commit(self, state: State) -> None:
        """Let this release, and no other, start with the machine."""
        mine = [unit(component, self.release) for component in COMPONENTS]
        at_boot = self._wanted_at_boot("mastodon-*@*.service")
        stale = [name for name in at_boot if name not in mine]
        if stale:
            self.systemctl("disable", "--quiet", *stale)
        if not state.target_enabled or not set(mine) <= set(at_boot):
            self.systemctl("enable", "--quiet", TARGET, *mine)
        self.systemctl("start", TARGET)

    def retreat(self, state: State, old: str) -> str:
        """Put the old release back into service, or stop the failed one where there is none; tells how that went."""
        new = [unit(component, self.release) for component in COMPONENTS]
        if not old:
            self.systemctl("stop", *new)
            self.forget_failure(new)
            return "There is no earlier release to go back to: its services are stopped."
        for component in COMPONENTS:
            name = unit(component, old)
            # A sidekiq that was told to be quiet takes no work again before it is restarted
            self.systemctl("restart" if component == "sidekiq" else "start", name)
        if state.link != old or (self.root / "current").readlink().name != old:
            self.point(old)
        self.systemctl("stop", *new)
        self.forget_failure(new)
        try:
            self.wait_until_healthy(old)
        except UnhealthyError as problem:
            return f"The release {old} was put back but is not healthy either: {problem}"
        return f"The release {old} is in service again."

    def logs(self, since: float) -> str:
        """Return the last lines that the release's units wrote since a moment."""
        lines = []
        for component in COMPONENTS:
            name = unit(component, self.release)
            command = ["/usr/bin/journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={LOG_LINES}"]
            command += [f"--since=@{since:.0f}", f"--unit={name}"]
            text = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            lines += [f"-- {name}", text] if text else []
        return "\n".join(lines)

    def wait_until_healthy(self, release: str) -> None:
        """Poll until the sockets answer and bin/check is content; UnhealthyError names the last complaint."""
        deadline = time.monotonic() + self.health_timeout
        while complaint := self.complaint(release):
            if time.monotonic() > deadline:
                raise UnhealthyError(f"not healthy after {self.health_timeout} seconds: {complaint}")
            time.sleep(0.25)

    def complaint(self, release: str) -> str:
        """Ask once; empty when all is well."""
        for path, target in HEALTH.items():
            if problem := ask(path, target):
                return problem
        done = subprocess.run(
            [self.runner, "--release", release, "check"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return ""
        return read_check(done.stdout) or f"bin/check ended with {done.returncode}: {done.stderr.strip()[-500:]}"

    def prune(self, releases: Iterable[str]) -> None:
        """Remove releases, and what an interrupted removal left."""
        folder = self.root / "releases"
        for name in releases:
            (folder / name).rename(folder / f".remove-{name}")
        for left in folder.glob(".remove-*"):
            shutil.rmtree(left)


def ask(path: Path, target: str) -> str:
    """Ask for a page by a unix socket; returns what is wrong, empty on 200."""
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(20)
    try:
        connection.sock.connect(os.fspath(path))
        connection.request("GET", target)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{path} does not answer {target}: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status == http.client.OK else f"{path} answers {target} with HTTP {status}"


def read_check(text: str) -> str:
    """Name the checks that bin/check found wrong; empty where its answer cannot be read."""
    try:
        checks = json.loads(text)["checks"]
        wrong = {name: it.get("detail") for name, it in checks.items() if not it["ok"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return "bin/check: " + "; ".join(f"{name}: {detail}" for name, detail in wrong.items()) if wrong else ""


def activate(module: AnsibleModule, host: Host, keep: int) -> list[str]:
    """Do what `plan` says; fails the module where the release is not healthy."""
    state = host.read(keep)
    pending = any(it.pending_reload for it in (state.services | state.supports).values())
    actions = plan(state, host.release)
    removals = [f"remove {name}" for name in state.surplus]
    if module.check_mode:
        return actions + removals
    if pending:
        host.systemctl("daemon-reload")
    if actions:
        old, started = host.old_release(state), time.time()
        try:
            host.switch(state)
            host.commit(state)
        except UnhealthyError as problem:
            logs = host.logs(started)
            try:
                outcome = "" if state.committed == host.release else host.retreat(state, old)
            except UnhealthyError as second:
                outcome = f"Going back to the release {old} failed: {second}"
            module.fail_json(msg="\n".join(filter(None, (f"{host.release} is {problem}", outcome, logs))))
    host.prune(state.surplus)
    return actions + removals


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "keep": {"type": "int", "default": 3},
            "health_timeout": {"type": "int", "default": 120},
            "root": {"type": "path", "default": "/opt/mastodon"},
            "environment_file": {"type": "path", "default": "/etc/mastodon/mastodon.env"},
            "runner": {"type": "path", "default": "/usr/local/sbin/mastodon-run"},
        },
        supports_check_mode=True,
    )
    given = module.params
    root = Path(given["root"])
    if module.check_mode and not (root / "releases").is_dir():
        module.exit_json(changed=True, actions=[f"put {given['release']} into service"])
    host = Host(given["release"], root, Path(given["environment_file"]), given["runner"], given["health_timeout"])
    # An interrupted play may have left its module running; the lock goes with the process
    fcntl.flock(os.open(root / "releases", os.O_RDONLY), fcntl.LOCK_EX)
    try:
        actions = activate(module, host, given["keep"])
    except UnhealthyError as problem:
        module.fail_json(msg=f"The services could not be looked at: {problem}")
    module.exit_json(changed=bool(actions), actions=actions)


if __name__ == "__main__":
    main()
