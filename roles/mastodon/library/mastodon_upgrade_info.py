"""Module: is this host ready for another release?"""

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]
from ansible.module_utils.mastodon_versions import path_problem  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: mastodon_upgrade_info
short_description: Say what stands against an upgrade
description:
  - Looks at the release in service, the room on the disk, the age of the last backup and the queues, and fails with
    everything that stands against the upgrade at once. Changes nothing.
options:
  release: {description: Identifier of the release to upgrade to., type: str, required: true}
  manifest: {description: Its release.json as far as it is known., type: dict, default: {}}
  needed_bytes: {description: Room that the release takes when it is unpacked., type: int, default: 0}
  backup_max_age: {description: Hours that the last backup may be old; 0 asks for none., type: int, default: 24}
  backup_record:
    description: File in which the backup notes its last success; without it no backup is asked for.
    type: path
    default: /var/lib/meentwerk/backup.json
  unwell: {description: Upgrade an instance that is not well., type: bool, default: false}
  root: {description: Folder of the releases., type: path, default: /opt/mastodon}
  runner: {description: Command that runs a program of the release., type: path, default: /usr/local/sbin/mastodon-run}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Ask whether the host is ready
  mastodon_upgrade_info:
    release: sandbox-0.2.0.g0123456789ab-debian13-amd64
"""
RETURN = r"""
installed: {description: Identifier of the release in service., type: str, returned: always}
notes: {description: What was not looked at, and why., type: list, returned: always}
"""

# Kept free besides: PostgreSQL writes while a migration runs, and a full disk stops everything
_RESERVE = 1024**3
_GIB = 1024**3


def disk_problem(free: int, needed: int) -> str:
    """Say how much room is missing (bytes), or nothing."""
    wanted = needed + _RESERVE
    if free >= wanted:
        return ""
    return (
        f"the disk of the releases has {free / _GIB:.1f} GiB free, and the upgrade needs {wanted / _GIB:.1f} GiB: the "
        "release, and 1 GiB that stays free. Remove what is not needed (tootctl media remove) or enlarge the disk."
    )


def backup_problem(record: Mapping[str, Any], max_age: int, now: datetime) -> str:
    """Say why the last backup is not good enough; `record` holds its end as ISO 8601 under `finished`."""
    try:
        age = now - datetime.fromisoformat(str(record["finished"]))
    except (KeyError, ValueError, TypeError):  # also a time that does not say its zone
        return "the record of the last backup cannot be read. Make a backup now, then upgrade."
    hours = age.total_seconds() / 3600
    if hours <= max_age:
        return ""
    return (
        f"the last backup is {hours:.0f} hours old, and {max_age} are allowed: a way back over a changed schema needs "
        "a fresh one. Make a backup now, then upgrade."
    )


def health_problem(code: int, output: str) -> str:
    """Say what bin/check of the release in service finds wrong; empty when it is content (exit code 0)."""
    if code == 0:
        return ""
    try:
        checks = json.loads(output)["checks"]
        wrong = "; ".join(f"{name}: {it['detail']}" for name, it in checks.items() if not it["ok"])
    except (ValueError, KeyError, TypeError):
        wrong = f"bin/check ended with {code}"
    return (
        f"the instance is not well as it is ({wrong}). Put that right first: an upgrade on top hides the cause and may "
        "lose jobs. To upgrade all the same, because the new release is the cure: -e mastodon_upgrade_unwell=true."
    )


def read_record(path: Path) -> dict[str, Any] | None:
    """Read the backup's record; None where there is no backup on this host, {} where it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "manifest": {"type": "dict", "default": {}},
            "needed_bytes": {"type": "int", "default": 0},
            "backup_max_age": {"type": "int", "default": 24},
            "backup_record": {"type": "path", "default": "/var/lib/meentwerk/backup.json"},
            "unwell": {"type": "bool", "default": False},
            "root": {"type": "path", "default": "/opt/mastodon"},
            "runner": {"type": "path", "default": "/usr/local/sbin/mastodon-run"},
        },
        supports_check_mode=True,
    )
    given = module.params
    root = Path(given["root"])
    current = root / "current"
    if not current.is_symlink():
        module.fail_json(
            msg="No release is in service here: there is nothing to upgrade. Run playbooks/site.yml first."
        )
    installed = current.readlink().name
    present = (root / "releases" / given["release"]).is_dir()
    record = read_record(Path(given["backup_record"])) if given["backup_max_age"] else None
    problems = [path_problem(installed, given["release"], given["manifest"])]
    problems += [disk_problem(shutil.disk_usage(root).free, 0 if present else given["needed_bytes"])]
    if record is not None:
        problems += [backup_problem(record, given["backup_max_age"], datetime.now(UTC))]
    if not given["unwell"] and installed != given["release"]:
        problems += [ask_twice(given["runner"])]
    if found := list(filter(None, problems)):
        lines = "\n".join(f"- {problem}" for problem in found)
        module.fail_json(msg=f"{given['release']} is not deployed, and nothing was changed:\n{lines}")
    notes = [] if record is not None else ["the age of a backup: none is recorded on this host"]
    module.exit_json(changed=False, installed=installed, notes=notes)


def ask_twice(runner: str) -> str:
    """Ask bin/check, and once more after some seconds: a worker that was just restarted has given no sign yet."""
    problem = ""
    for pause in (0, 5):
        time.sleep(pause)
        done = subprocess.run([runner, "check"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if not (problem := health_problem(done.returncode, done.stdout)):
            break
    return problem


if __name__ == "__main__":
    main()
