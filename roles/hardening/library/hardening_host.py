"""Module: bring what lives in the kernel and in the files of accounts to how it should be, in one round."""

import pwd
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: hardening_host
short_description: Settings of the running kernel, mount options, accounts
description:
  - One round for what would otherwise be a task for each setting. Looks first, changes only what differs.
  - What the kernel does not know is listed as missing; what it refuses, as refused, and is an error outside of a
    container.
options:
  sysctl: {description: Settings and their values., type: dict, default: {}}
  mounts: {description: Options that a place must have where it is a mount of its own., type: dict, default: {}}
  groups: {description: Groups that must exist and have no member., type: list, elements: str, default: []}
  shells: {description: Whether system accounts lose their login shell., type: bool, default: false}
  ages:
    description: >-
      Days after which a password must be changed (max) and, unchanged, closes its account (inactive). Accounts without
      a password get no limit: it would close them to their ssh key. Accounts in O(spared) are left alone.
    type: dict
    default: {}
  spared: {description: Accounts whose password ages as it does now., type: list, elements: str, default: []}
  container: {description: Whether the kernel is somebody else's., type: bool, default: false}
author: Meentwerk contributors
"""
RETURN = r"""
done: {description: What was changed; in check mode, what would be., type: list, returned: always}
missing: {description: Settings that this kernel does not have., type: list, returned: always}
refused: {description: Settings that the kernel kept., type: list, returned: always}
"""

NO_SHELL = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")
# Their "shell" is the one command they exist for
COMMANDS_AS_SHELL = ("sync", "shutdown", "halt")
FIRST_PERSON = 1000
NO_LIMIT = ("", "-1", "99999")


@dataclass
class Step:
    """One thing to do: what a person reads, and the command or setting."""

    says: str
    command: Sequence[str] = ()
    setting: tuple[Path, str] | None = None


def sysctl_path(name: str, root: Path = Path("/proc/sys")) -> Path:
    """Return the file of a setting, * as it is; a dot within a name is written as a slash, as sysctl(8) does."""
    return root / name.translate(str.maketrans("./", "/."))


def sysctl_steps(wanted: Mapping[str, object], root: Path = Path("/proc/sys")) -> tuple[list[Step], list[str]]:
    """Return what to set, and what this kernel does not have."""
    steps, missing = [], []
    for name, value in wanted.items():
        paths = sorted(root.glob(str(sysctl_path(name, Path()))))
        if not paths:
            missing.append(name)
        for path in paths:
            present = " ".join(path.read_text().split())
            if present != str(value):
                says = f"{path.relative_to(root)}: {present} -> {value}"
                steps.append(Step(says, setting=(path, str(value))))
    return steps, missing


def mount_steps(wanted: Mapping[str, Sequence[str]], mounts: str) -> list[Step]:
    """Return the remounts; `mounts` is /proc/self/mounts, whose last line for a place is the one in force."""
    present = {place: options.split(",") for _, place, _, options, *_ in map(str.split, mounts.splitlines())}
    steps = []
    for place, options in wanted.items():
        lacking = [option for option in options if option not in present.get(place, options)]
        if lacking:
            words = ",".join(["remount", *lacking])
            steps.append(Step(f"{place}: {','.join(lacking)}", ["mount", "--options", words, place]))
    return steps


def shell_steps(accounts: Sequence[tuple[str, int, str]]) -> list[Step]:
    """Return what takes the shell from system accounts, given as (name, uid, shell)."""
    return [
        Step(f"{name}: no shell instead of {shell}", ["usermod", "--shell", NO_SHELL[0], name])
        for name, uid, shell in accounts
        if 0 < uid < FIRST_PERSON and shell not in NO_SHELL and name not in COMMANDS_AS_SHELL
    ]


def age_steps(shadow: str, ages: Mapping[str, int], spared: Sequence[str], today: int) -> list[Step]:
    """Return what limits the age of passwords; `shadow` is /etc/shadow, `today` days since 1970."""
    steps = []
    for line in shadow.splitlines():
        name, password, changed, _, longest, _, inactive, *_ = [*line.split(":"), *[""] * 9][:9]
        if not password.startswith("$"):
            if longest not in NO_LIMIT or inactive not in NO_LIMIT:
                command = ["chage", "--maxdays", "-1", "--inactive", "-1", name]
                steps.append(Step(f"{name}: no limit, there is no password", command))
            continue
        limit, idle = str(ages["max"]), str(ages["inactive"])
        too_old = changed.isdigit() and today - int(changed) >= ages["max"]
        if name in spared or too_old or (longest, inactive) == (limit, idle):
            continue
        steps.append(Step(f"{name}: at most {limit} days", ["chage", "--maxdays", limit, "--inactive", idle, name]))
    return steps


def group_steps(wanted: Sequence[str], groups: str) -> list[Step]:
    """Return what makes groups exist and empties them; `groups` is /etc/group."""
    present = {name: members for name, _, _, members in (line.split(":") for line in groups.splitlines())}
    steps = [Step(f"group {name}", ["groupadd", "--system", name]) for name in wanted if name not in present]
    full = [name for name in wanted if present.get(name)]
    return steps + [Step(f"group {name}: no members", ["gpasswd", "--members", "", name]) for name in full]


def every_step(module: AnsibleModule) -> tuple[list[Step], list[str]]:
    """Look at the host; return what to do and which settings are missing."""
    wanted = module.params
    steps, missing = sysctl_steps(wanted["sysctl"])
    steps += mount_steps(wanted["mounts"], Path("/proc/self/mounts").read_text())
    steps += group_steps(wanted["groups"], Path("/etc/group").read_text())
    if wanted["shells"]:
        steps += shell_steps([(entry.pw_name, entry.pw_uid, entry.pw_shell) for entry in pwd.getpwall()])
    if wanted["ages"]:
        today = int(time.time() // 86400)
        steps += age_steps(Path("/etc/shadow").read_text(), wanted["ages"], wanted["spared"], today)
    return steps, missing


def perform(module: AnsibleModule, step: Step) -> bool:
    """Do one step; False when the kernel refuses a setting."""
    if step.setting:
        path, value = step.setting
        try:
            path.write_text(value)
        except OSError:
            return False
        return re.sub(r"\s+", " ", path.read_text().strip()) == value
    code, output, error = module.run_command(list(step.command))
    if code:
        module.fail_json(msg=f"{step.says}: {' '.join(step.command)} says: {(error or output).strip()}")
    return True


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "sysctl": {"type": "dict", "default": {}},
            "mounts": {"type": "dict", "default": {}},
            "groups": {"type": "list", "elements": "str", "default": []},
            "shells": {"type": "bool", "default": False},
            "ages": {"type": "dict", "default": {}},
            "spared": {"type": "list", "elements": "str", "default": []},
            "container": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    steps, missing = every_step(module)
    refused: list[str] = []
    if not module.check_mode:
        refused = [step.says for step in steps if not perform(module, step)]
        # A change of forwarding gives redirects their defaults back, those too that were as they should be
        undone = [step for step in sysctl_steps(module.params["sysctl"])[0] if step.says not in refused]
        refused += [step.says for step in undone if not perform(module, step)]
        steps += undone
    done = [step.says for step in steps if step.says not in refused]
    result = {"changed": bool(done), "done": done, "missing": missing, "refused": refused}
    if refused and not module.params["container"]:
        cure = "Look whether a security module or a lockdown forbids it, or leave the rule out by hardening_skip."
        module.fail_json(msg=f"The kernel refuses {'; '.join(refused)}. {cure}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
