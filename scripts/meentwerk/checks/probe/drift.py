"""What a run of the site's playbook would change on a host: the playbook itself is asked, in check mode."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meentwerk import controls

_SECONDS = 1800
_CURE = (
    "Run it by hand: ansible-playbook --check with the same inventory. A vault password that is typed in cannot be "
    "used here; name its file in ANSIBLE_VAULT_PASSWORD_FILE. Further arguments stand in check_controls_arguments."
)


def rules(roles: Path) -> list[dict[str, str]]:
    """List the roles' rules: id and title of each."""
    return [{"id": it.id, "title": it.title} for each in controls.read_all(roles).values() for it in each.controls]


def of_host(document: Mapping[str, Any], host: str) -> dict[str, Any]:
    """Take one host's part out of what the callback `drift` printed."""
    return {name: [it for it in document[name] if it["host"] == host] for name in ("tasks", "drift")}


def measure(host: str, playbook: Path, sources: Sequence[str], arguments: Sequence[str]) -> dict[str, Any]:
    """Run the playbook with --check for one host; {tasks, drift, rules, seconds} or {unknown: why, cure}."""
    project = playbook.resolve().parents[1]
    inventories = [part for source in sources for part in ("--inventory", source)]
    command = [str(Path(sys.executable).with_name("ansible-playbook")), *inventories, "--check", "--limit", host]
    # What the check itself does is no drift
    command += ["--skip-tags", "check", *arguments, str(playbook)]
    environment = dict(
        os.environ, ANSIBLE_STDOUT_CALLBACK="drift", ANSIBLE_CALLBACK_PLUGINS=str(project / "plugins/callback"),
        ANSIBLE_CONFIG=os.environ.get("ANSIBLE_CONFIG", str(project / "ansible.cfg")),
    )  # fmt: skip
    begin = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment, cwd=project
        )
        document = json.loads(done.stdout[done.stdout.index("{") :])
    except subprocess.TimeoutExpired:
        return {"unknown": f"the playbook did not end within {_SECONDS // 60} minutes", "cure": _CURE}
    except ValueError:
        said = (done.stderr or done.stdout).strip().splitlines()
        return {"unknown": f"{playbook.name} did not run: {said[-1] if said else 'it said nothing'}", "cure": _CURE}
    found = of_host(document, host)
    if not found["tasks"] and not found["drift"]:
        return {"unknown": f"{playbook.name} reached no task on {host}", "cure": _CURE}
    return {**found, "rules": rules(project / "roles"), "seconds": round(time.monotonic() - begin)}
