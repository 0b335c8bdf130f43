"""Module: put a configuration of sshd in force for a trial, and refuse one that would shut the operator out."""

import fnmatch
import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: ssh_trial
short_description: Put a configuration of sshd in force for a trial
description:
  - Asks sshd whether it accepts the configuration, and what it would mean for the account and the address of this run.
    Fails, and changes nothing, when this run could not log in again.
  - Otherwise keeps the former configuration at O(previous), starts the timer that takes it back, and lets sshd read the
    new one. Who removes O(previous) has confirmed it. A trial that an earlier run left is taken back first.
options:
  content: {description: The whole configuration., type: str, required: true}
  user: {description: Account of this run; empty when it did not come by ssh., type: str, default: ""}
  connection: {description: SSH_CONNECTION of this run., type: str, default: ""}
  config: {description: Where sshd reads its configuration., type: path, default: /etc/ssh/sshd_config}
  previous: {description: Where the former configuration is kept., type: path, required: true}
  revert: {description: "Name of the units, a service and its timer, that take it back.", type: str, required: true}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Try another port
  ssh_trial:
    content: "{{ lookup('meentwerk_template', 'sshd_config.j2') }}"
    user: beheer
    connection: 192.0.2.7 50022 192.0.2.10 22
    previous: /var/lib/meentwerk/ssh/previous
    revert: meentwerk-ssh-revert
"""
RETURN = r"""
reasons: {description: Why a trial began; in check mode, would., type: list, returned: always}
"""

Settings = Mapping[str, Sequence[str]]
"""What `sshd -T` prints: keyword in lower case, and its values in order."""
MODE = 0o600
CONNECTION_WORDS = 4  # client, its port, server, its port


def parse(output: str) -> dict[str, list[str]]:
    """Read what `sshd -T` prints."""
    settings: dict[str, list[str]] = {}
    for line in output.splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword.lower(), []).append(value)
    return settings


def first(settings: Settings, keyword: str) -> str:
    """Return the value of a setting that has one."""
    return settings.get(keyword, [""])[0]


def in_list(names: Sequence[str], patterns: Sequence[str], address: str) -> bool:
    """Whether a name is in a list of sshd: patterns with * and ?, for users also USER@HOST."""
    for pattern in patterns:
        name, _, place = pattern.partition("@")
        if any(fnmatch.fnmatchcase(one, name) for one in names) and (not place or fnmatch.fnmatchcase(address, place)):
            return True
    return False


def list_problems(settings: Settings, user: str, groups: Sequence[str], address: str) -> list[str]:
    """Say which of sshd's four lists keeps the account out."""
    problems = []
    for keyword, names in (("users", [user]), ("groups", list(groups))):
        allowed, denied = settings.get(f"allow{keyword}", []), settings.get(f"deny{keyword}", [])
        if allowed and not in_list(names, allowed, address):
            problems.append(f"{user} is not in Allow{keyword.title()} ({', '.join(allowed)})")
        if in_list(names, denied, address):
            problems.append(f"{user} is in Deny{keyword.title()} ({', '.join(denied)})")
    return problems


def usable_keys(lines: Sequence[str], accepted: Sequence[str]) -> int:
    """Count the keys of an authorized_keys file whose kind sshd would accept; options may stand before the kind."""
    kinds = set(accepted)
    if kinds & {"rsa-sha2-256", "rsa-sha2-512"}:
        # The same key under the name that files have for it
        kinds.add("ssh-rsa")
    return sum(
        not line.lstrip().startswith("#") and any(word in kinds for word in line.split() if len(word) < 64)  # noqa: PLR2004 -- no kind is as long as a key
        for line in lines
    )


def method_problem(settings: Settings, user: str) -> str:
    """Say why the account could not prove itself with a key alone; empty when it could."""
    if first(settings, "pubkeyauthentication") != "yes":
        return "it accepts no keys (PubkeyAuthentication)"
    methods = first(settings, "authenticationmethods").split() or ["any"]
    if "any" in methods or "publickey" in methods:
        return ""
    return (
        f"a key alone is not enough for {user} (AuthenticationMethods {' '.join(methods)}), and a run of Ansible can "
        f"give nothing else. List {user} in ssh_automation_users, or run as an account that is there"
    )


def lockout(settings: Settings, user: str, groups: Sequence[str], connection: str, keys: int) -> list[str]:
    """Say why a configuration would shut out the account and address that this run uses.

    Args:
        settings: what `sshd -T -C ...` says for them.
        user: the account.
        groups: the groups it is in.
        connection: sshd's SSH_CONNECTION.
        keys: how many of its keys are of a kind that is accepted; -1 when keys do not lie in files.
    """
    address, _, _, port = connection.split()
    problems = list_problems(settings, user, groups, address)
    if port not in settings.get("port", []):
        problems.append(f"this run came in on port {port}, and it listens on {', '.join(settings.get('port', []))}")
    root_login = first(settings, "permitrootlogin")
    if user == "root" and root_login not in ("yes", "prohibit-password", "without-password"):
        problems.append(f"this run logs in as root (PermitRootLogin {root_login})")
    problems += filter(None, [method_problem(settings, user)])
    if keys == 0:
        problems.append(
            f"{user} has no key that it accepts in {first(settings, 'authorizedkeysfile')}. Add one: ed25519, a FIDO2 "
            "token's, or RSA of 3072 bits or more"
        )
    return problems


# ---------------------------------------------------------------- the host


def key_lines(settings: Settings, user: pwd.struct_passwd) -> list[str] | None:
    """Return the lines of the account's files of keys, or None when sshd gets them from elsewhere."""
    if first(settings, "authorizedkeyscommand") not in ("", "none") or first(settings, "trustedusercakeys") not in (
        "",
        "none",
    ):
        return None
    lines: list[str] = []
    for pattern in first(settings, "authorizedkeysfile").split():
        path = Path(user.pw_dir) / pattern.replace("%h", user.pw_dir).replace("%u", user.pw_name).replace("%%", "%")
        if path.is_file():
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines


def problems_for(module: AnsibleModule, candidate: Path) -> list[str]:
    """Ask sshd what the configuration would mean for this run."""
    user, connection = module.params["user"], module.params["connection"]
    if not user or len(connection.split()) != CONNECTION_WORDS:
        return []
    address, _, local, port = connection.split()
    who = f"user={user},host={address},addr={address},laddr={local},lport={port}"
    done = subprocess.run(
        ["/usr/sbin/sshd", "-T", "-f", str(candidate), "-C", who], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return [f"sshd does not say what it would do: {done.stderr.strip()}"]
    settings = parse(done.stdout)
    account = pwd.getpwnam(user)
    groups = [grp.getgrgid(number).gr_name for number in os.getgrouplist(user, account.pw_gid)]
    lines = key_lines(settings, account)
    accepted = first(settings, "pubkeyacceptedalgorithms").split(",")
    keys = -1 if lines is None else usable_keys(lines, accepted)
    return lockout(settings, user, groups, connection, keys)


def runs_older(config: Path) -> bool:
    """Whether sshd began, or read its configuration, before the file was last written."""
    done = subprocess.run(
        ["systemctl", "show", "--timestamp=us+utc", "--property=ActiveState,StateChangeTimestamp", "ssh.service"],
        capture_output=True,
        text=True,
        check=True,
    )
    values = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if values.get("ActiveState") != "active" or not values.get("StateChangeTimestamp"):
        return False
    since = datetime.strptime(values["StateChangeTimestamp"], "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
    return config.stat().st_ctime > since.timestamp()


def begin(module: AnsibleModule, candidate: Path) -> None:
    """Keep the way back, then let sshd read the new configuration."""
    config, previous = Path(module.params["config"]), Path(module.params["previous"])
    if config.exists():
        shutil.copy2(config, previous)
    else:
        previous.write_text("", encoding="utf-8")
    # Anew also when the clock of an earlier trial still runs
    module.run_command(["systemctl", "restart", f"{module.params['revert']}.timer"], check_rc=True)
    module.atomic_move(str(candidate), str(config))
    config.chmod(MODE)
    # A socket starts sshd anew for each connection: then there is nothing to reload
    module.run_command(["systemctl", "try-reload-or-restart", "ssh.service"], check_rc=True)


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "content": {"type": "str", "required": True},
            "user": {"type": "str", "default": ""},
            "connection": {"type": "str", "default": ""},
            "config": {"type": "path", "default": "/etc/ssh/sshd_config"},
            "previous": {"type": "path", "required": True},
            "revert": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o077)
    config, previous = Path(module.params["config"]), Path(module.params["previous"])
    candidate = Path(module.tmpdir) / config.name
    candidate.write_text(module.params["content"], encoding="utf-8")
    code, output, error = module.run_command(["/usr/sbin/sshd", "-t", "-f", str(candidate)])
    if code:
        told = (error or output).strip().replace(str(candidate), str(config))
        module.fail_json(msg=f"Nothing was changed: sshd does not accept the configuration: {told}")
    problems = problems_for(module, candidate)
    if problems:
        module.fail_json(msg=f"Nothing was changed: with this configuration, {'; '.join(problems)}.")

    reasons = []
    if previous.exists():
        reasons.append("an earlier run did not confirm its configuration")
        if not module.check_mode:
            module.run_command(["systemctl", "start", f"{module.params['revert']}.service"], check_rc=True)
    before = config.read_text(encoding="utf-8", errors="replace") if config.exists() else ""
    if before != module.params["content"] or stat.S_IMODE(config.stat().st_mode) != MODE:
        reasons.append("the configuration differs")
    elif runs_older(config):
        reasons.append("sshd has not read the configuration yet")
    if reasons and not module.check_mode:
        begin(module, candidate)
    difference = {
        "before": before,
        "after": module.params["content"],
        "before_header": str(config),
        "after_header": str(config),
    }
    module.exit_json(changed=bool(reasons), reasons=reasons, diff=difference)


if __name__ == "__main__":
    main()
