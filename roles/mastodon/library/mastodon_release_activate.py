"""Module: put a release into service, and the old one back where the new one is not healthy."""

import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import syslog
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]
from ansible.module_utils.mastodon_units import (  # type: ignore[import-untyped]
    COMPONENTS,
    ON_SOCKETS,
    PROPERTIES,
    TARGET,
    State,
    parse_show,
    plan,
    surplus,
    to_unit,
    unit,
)

DOCUMENTATION = r"""
module: mastodon_release_activate
short_description: Put a release into service
description:
  - Starts the release beside the one in service, on the same sockets, asks it real questions on sockets of its own, and
    stops the old release when all answers are right. Otherwise the old release goes on and the module fails with the
    last lines of the log.
  - Judges by the state of the host, so it finishes what an interrupted run began. A service that started before its
    configuration was written is restarted, each service once.
  - Writes each step to the journal (identifier meentwerk), and each change of release to history.jsonl.
options:
  release: {description: Identifier of an unpacked release., type: str, required: true}
  web_domain: {description: Domain under which the release is asked for pages., type: str, required: true}
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
    web_domain: tides.example.org
"""
RETURN = r"""
actions: {description: What was done, or would be done in check mode., type: list, returned: always}
"""

UNITS = Path("/etc/systemd/system")
RUN = Path("/run")
HISTORY = "history.jsonl"
# What is asked before the old release stops: the front page needs database, cache and built assets
QUESTIONS = {
    "web": ("/health", "/", "/api/v2/instance"),
    "streaming": ("/api/v1/streaming/health",),
}
# An instance may keep its pages for those who sign in
FINE = (http.client.OK, http.client.UNAUTHORIZED, http.client.FOUND)
LOG_LINES = 15


class UnhealthyError(Exception):
    """The release is not healthy; the message says what was seen."""


class Host:
    """Reads and changes the host."""

    def __init__(
        self, release: str, web_domain: str, root: Path, environment: Path, runner: str, health_timeout: int
    ) -> None:
        self.release = release
        self.web_domain = web_domain
        self.root = root
        self.environment = environment
        self.runner = runner
        self.health_timeout = health_timeout

    def tell(self, step: str) -> None:
        """Say in the journal what happens next: who follows it sees how far a switch is."""
        syslog.syslog(f"{self.release}: {step}")

    def remember(self, event: str, before: str) -> None:
        """Keep on record that the release in service changed."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "event": event,
            "from": before,
            "to": self.release,
        }
        with (self.root / HISTORY).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

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
        candidates: list[str] = [state.committed, state.link]
        for name in candidates:
            if name and name != self.release and (self.root / "releases" / name).is_dir():
                return name
        return ""

    def point(self, release: str, name: str = "current") -> None:
        """Let a link, `current` or `beside`, name a release, in one step."""
        fresh = self.root / f".{name}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path("releases") / release)
        fresh.rename(self.root / name)

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
            # nginx looks here too for files with a hash in their names: pages of both releases find theirs
            if state.link != self.release:
                self.point(self.release, "beside")
            self.tell("web and streaming start" + (" beside the release in service" if others else ""))
            self.bring(ON_SOCKETS, state)
            self.tell("web and streaming are asked how they are")
            self.wait_until_healthy(self.release, ON_SOCKETS)
        if state.link != self.release:
            self.tell("becomes the current release")
            self.point(self.release)
            if state.link:
                self.point(state.link, "beside")
        for other in quiet:  # finishes what it works on and takes no more
            self.tell(f"{other} takes no new jobs")
            self.systemctl("kill", "--kill-whom=main", "--signal=TSTP", other)
        # A first release replaces none: all of it starts at once
        self.tell("sidekiq starts" if state.link else "all services start")
        self.bring(COMPONENTS if not state.link else ("sidekiq",), state)
        self.tell("everything is asked how it is")
        self.wait_until_healthy(self.release)
        if others:
            self.tell(f"{', '.join(others)} stop")
            self.systemctl("stop", *others)
            self.forget_failure(others)
            self.tell("is alone now, and is asked again")
            self.wait_until_healthy(self.release)

    def commit(self, state: State) -> None:
        """Let this release, and no other, start with the machine."""
        self.tell("will start with the machine")
        mine = [unit(component, self.release) for component in COMPONENTS]
        at_boot = self._wanted_at_boot("mastodon-*@*.service")
        stale = [name for name in at_boot if name not in mine]
        if stale:
            self.systemctl("disable", "--quiet", *stale)
        if not state.target_enabled or not set(mine) <= set(at_boot):
            self.systemctl("enable", "--quiet", TARGET, *mine)
        self.systemctl("start", TARGET)
        if state.committed != self.release:
            self.remember("switched", state.committed)

    def retreat(self, state: State, old: str) -> str:
        """Put the old release back into service, or stop the failed one where there is none; tells how that went."""
        self.tell(f"is not healthy: back to {old}" if old else "is not healthy: stops")
        self.remember("refused as unhealthy", old)
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
        """Return the last lines that the release's units wrote since a moment, in seconds since 1970."""
        # What a service said just before it died may still be on its way
        subprocess.run(["/usr/bin/journalctl", "--sync"], capture_output=True, check=False)
        lines = []
        for component in COMPONENTS:
            name = unit(component, self.release)
            command = ["/usr/bin/journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={LOG_LINES}"]
            command += [f"--since=@{since:f}", f"--unit={name}"]
            text = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            lines += [f"-- {name}", text] if text else []
        return "\n".join(lines)

    def wait_until_healthy(self, release: str, components: Sequence[str] = COMPONENTS) -> None:
        """Poll until the services run, answer, and bin/check is content; UnhealthyError names the last complaint."""
        deadline = time.monotonic() + self.health_timeout
        while complaint := self.complaint(release, components):
            if time.monotonic() > deadline:
                raise UnhealthyError(f"not healthy after {self.health_timeout} seconds: {complaint}")
            time.sleep(0.25)

    def complaint(self, release: str, components: Sequence[str]) -> str:
        """Ask once; empty when all is well. bin/check speaks for all services together."""
        if problem := self.not_running(release, components):
            return problem
        for component in components:
            for target in QUESTIONS.get(component, ()):
                if problem := ask(self.place(component, release), target, self.web_domain):
                    return problem
        return self.unwell(release) if set(components) == set(COMPONENTS) else ""

    def not_running(self, release: str, components: Sequence[str]) -> str:
        """Name the services that do not run: one that systemd starts again and again may answer in between."""
        names = [unit(component, release) for component in components]
        blocks = parse_show(self.systemctl("show", "--timestamp=us+utc", f"--property={PROPERTIES}", *names))
        stopped = [it.name for it in (to_unit(block, self.environment) for block in blocks) if not it.active]
        return f"not running: {', '.join(stopped)}" if stopped else ""

    def place(self, component: str, release: str) -> Path:
        """Return the socket on which only this release answers, or the shared one of a service that began without."""
        folder = RUN / f"mastodon-{component}-{release}"
        return folder / "probe.sock" if folder.is_dir() else RUN / "mastodon" / f"{component}.sock"

    def unwell(self, release: str) -> str:
        """Ask bin/check; empty when it is content."""
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
            self.tell(f"{name} is removed")
            (folder / name).rename(folder / f".remove-{name}")
        for left in folder.glob(".remove-*"):
            shutil.rmtree(left)


def ask(path: Path, target: str, domain: str) -> str:
    """Ask for a page by a unix socket, as nginx does; returns what is wrong, empty where the answer is fine."""
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(20)
    try:
        connection.sock.connect(os.fspath(path))
        connection.request("GET", target, headers={"Host": domain, "X-Forwarded-Proto": "https"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{path} does not answer {target}: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status in FINE else f"{path} answers {target} with HTTP {status}"


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
    actions: list[str] = plan(state, host.release)
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
            "web_domain": {"type": "str", "required": True},
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
    host = Host(
        given["release"],
        given["web_domain"],
        root,
        Path(given["environment_file"]),
        given["runner"],
        given["health_timeout"],
    )
    syslog.openlog("meentwerk", facility=syslog.LOG_DAEMON)
    # An interrupted play may have left its module running; the lock goes with the process
    fcntl.flock(os.open(root / "releases", os.O_RDONLY), fcntl.LOCK_EX)
    try:
        actions = activate(module, host, given["keep"])
    except UnhealthyError as problem:
        module.fail_json(msg=f"The services could not be looked at: {problem}")
    module.exit_json(changed=bool(actions), actions=actions)


if __name__ == "__main__":
    main()
