"""Module: say what each service may see and do, restart what ran without that, and take back what does not start."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: services_sandbox
short_description: Sandbox the services of a host with drop-ins of systemd
description:
  - Writes a drop-in for each unit of the list that the host has, all in one round, and removes drop-ins of that name
    that no unit of the list asks for.
  - What systemd does not know is refused, so that no line stands there without effect. Services that were started
    before their drop-in was written are restarted; one that does not come up gets its former drop-in back and is
    started again.
options:
  units:
    description: >-
      Directives of systemd.exec(5) and the like by unit; for a template, such as V(postgresql@.service), for all its
      instances.
    type: dict
    required: true
  dropin: {description: Name of the drop-ins., type: str, required: true}
  notice: {description: First line of each., type: str, default: "# Written by Ansible"}
  folder: {description: Where units are configured., type: path, default: /etc/systemd/system}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Close the web server in
  services_sandbox:
    dropin: 40-sandbox.conf
    units:
      nginx.service: {NoNewPrivileges: true, ReadWritePaths: [/run, /var/log/nginx]}
"""
RETURN = r"""
written: {description: Units whose drop-in changed., type: list, returned: always}
restarted: {description: Services that were restarted; in check mode, would be., type: list, returned: always}
"""

Directives = Mapping[str, Any]
STATE = "Id,ActiveState,InactiveExitTimestamp"
SETTLE_SECONDS = 1.0
SHOWN_LINES = 8


def value_of(value: object) -> str:
    """Write a value as unit files do."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def render(notice: str, directives: Directives) -> str:
    """Write a drop-in: a list becomes a directive that stands several times, an empty one none."""
    lines = [
        f"{name}={value_of(value)}"
        for name, values in directives.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    return "\n".join([notice, "[Service]", *lines]) + "\n"


def pattern(unit: str) -> str:
    """Name the running units that a drop-in holds for: of a template, all instances."""
    return unit.replace("@.", "@*.")


def outdated(states: Iterable[Mapping[str, str]], written: Mapping[str, float]) -> list[str]:
    """Name the services that run, and began to before their drop-in was written.

    Args:
        states: what `systemctl show` says of each unit, with timestamps in microseconds of UTC.
        written: when the drop-in of a unit, or of its template, was written, in seconds since 1970.
    """
    found = []
    for state in states:
        if state.get("ActiveState") not in ("active", "reloading", "activating") or not state.get(
            "InactiveExitTimestamp"
        ):
            continue
        since = datetime.strptime(state["InactiveExitTimestamp"], "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
        for unit, moment in written.items():
            if fnmatchcase(state["Id"], pattern(unit)) and moment > since.timestamp():
                found.append(state["Id"])
    return sorted(found)


def blocks(output: str) -> list[dict[str, str]]:
    """Read what `systemctl show` prints of several units."""
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in output.strip().split("\n\n")
        if block
    ]


class Host:
    """The units of a host, and what is done to them."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.folder = Path(module.params["folder"])
        self.name: str = module.params["dropin"]

    def systemctl(self, *arguments: str) -> str:
        """Run systemctl; what it says."""
        _, output, _ = self.module.run_command(["systemctl", *arguments], check_rc=True)
        return str(output)

    def known(self) -> set[str]:
        """Name every service that is installed."""
        listed = self.systemctl("list-unit-files", "--type=service", "--full", "--no-pager", "--output=json")
        return {entry["unit_file"] for entry in json.loads(listed)}

    def dropin(self, unit: str) -> Path:
        """Tell where a unit's drop-in lies."""
        return self.folder / f"{unit}.d" / self.name

    def present(self) -> dict[str, str]:
        """Read the drop-ins that are there, by unit."""
        return {
            path.parent.name.removesuffix(".d"): path.read_text(encoding="utf-8")
            for path in sorted(self.folder.glob(f"*.service.d/{self.name}"))
        }

    def put(self, unit: str, text: str | None) -> None:
        """Write a drop-in, or remove it."""
        path = self.dropin(unit)
        if text is None:
            path.unlink(missing_ok=True)
            if path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()
            return
        path.parent.mkdir(mode=0o755, exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text(text, encoding="utf-8")
        beside.chmod(0o644)
        beside.replace(path)

    def complaints(self, units: Iterable[str]) -> list[str]:
        """Ask systemd what it does not understand in the drop-ins of these units."""
        names = [unit.replace("@.", "@verify.") for unit in units]
        _, _, error = self.module.run_command(["systemd-analyze", "verify", "--recursive-errors=no", *names])
        return sorted({line.strip() for line in error.splitlines() if self.name in line})

    def states(self, units: Iterable[str]) -> list[dict[str, str]]:
        """Ask for the state of all instances of these units."""
        patterns = [pattern(unit) for unit in units]
        return (
            blocks(self.systemctl("show", "--timestamp=us+utc", f"--property={STATE}", *patterns)) if patterns else []
        )

    def restart(self, services: Iterable[str]) -> list[str]:
        """Restart services; returns those that are not up some time later."""
        names = list(services)
        for name in names:
            # One that failed several times in a row would not be started any more, whatever its sandbox
            self.module.run_command(["systemctl", "reset-failed", name])
            self.module.run_command(["systemctl", "restart", name])
        time.sleep(SETTLE_SECONDS)
        return [name for name in names if not self.up(name)]

    def up(self, service: str) -> bool:
        """Whether a service runs, and not only for the moment until systemd starts it once more."""
        state = blocks(self.systemctl("show", "--property=ActiveState,NRestarts", service))[0]
        return state["ActiveState"] == "active" and state["NRestarts"] == "0"

    def last_words(self, service: str) -> str:
        """Return the last lines of a service's log."""
        command = ["journalctl", f"--unit={service}", f"--lines={SHOWN_LINES}", "--no-pager", "--output=cat"]
        _, output, _ = self.module.run_command(command)
        return " / ".join(line.strip() for line in str(output).splitlines() if line.strip())


def put_all(host: Host, texts: Mapping[str, str | None]) -> None:
    """Write or remove several drop-ins, and tell systemd."""
    for unit, text in texts.items():
        host.put(unit, text)
    host.systemctl("daemon-reload")


def run(module: AnsibleModule) -> dict[str, Any]:
    """Bring drop-ins and services to how they should be; returns what changed."""
    host = Host(module)
    known, present = host.known(), host.present()
    wanted: dict[str, str] = {
        unit: render(module.params["notice"], directives)
        for unit, directives in module.params["units"].items()
        if unit in known and directives
    }
    changes: dict[str, str | None] = {unit: text for unit, text in wanted.items() if present.get(unit) != text}
    changes |= {unit: None for unit in present if unit not in wanted}
    former = {unit: present.get(unit) for unit in changes}
    if changes and not module.check_mode:
        put_all(host, changes)
        complaints = host.complaints(unit for unit, text in changes.items() if text is not None)
        if complaints:
            put_all(host, former)
            module.fail_json(msg=f"Nothing was changed: systemd does not understand {'; '.join(complaints)}")

    written = {unit: host.dropin(unit).stat().st_mtime for unit in wanted if host.dropin(unit).exists()}
    # A drop-in that went, or in check mode will come, is as new as can be
    written |= {unit: time.time() for unit in changes if module.check_mode or unit not in wanted}
    stale = outdated(host.states(written), written)
    if stale and not module.check_mode:
        failed = host.restart(stale)
        if failed:
            give_back(host, failed, former)
    differences = [
        {"before": former[unit] or "", "after": text or "", "before_header": unit, "after_header": unit}
        for unit, text in changes.items()
    ]
    return {"changed": bool(changes or stale), "written": sorted(changes), "restarted": stale, "diff": differences}


def give_back(host: Host, failed: list[str], former: Mapping[str, str | None]) -> None:
    """Start services that did not come up as they ran before, and say so."""
    told = "; ".join(f"{service}: {host.last_words(service)}" for service in failed)
    units = [unit for unit in former if any(fnmatchcase(service, pattern(unit)) for service in failed)]
    put_all(host, {unit: former[unit] for unit in units})
    still = host.restart(failed)
    outcome = f"{', '.join(still)} does not run even so" if still else "they run as before"
    host.module.fail_json(
        msg=f"Not with this sandbox: {told}. Former drop-ins are back for {', '.join(units) or 'none'}; {outcome}. "
        "Correct services_units, or list the unit in services_exempt."
    )


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "dict", "required": True},
            "dropin": {"type": "str", "required": True},
            "notice": {"type": "str", "default": "# Written by Ansible"},
            "folder": {"type": "path", "default": "/etc/systemd/system"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    module.exit_json(**run(module))


if __name__ == "__main__":
    main()
