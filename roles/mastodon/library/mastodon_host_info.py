"""Module: does this host belong to this instance, and which releases does it hold."""

import hashlib
import json
import secrets
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]
from ansible.module_utils.mastodon_versions import path_problem  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: mastodon_host_info
short_description: Check that a host belongs to an instance and list its releases
description:
  - Compares the domain and the secrets with what the host recorded when the instance was born, and fails when one of
    them would change in a way that breaks the instance, or when the release may not follow the one in service.
    Changes nothing.
options:
  release: {description: Identifier of the release to deploy., type: str, required: true}
  domain: {description: Domain in the addresses of the accounts., type: str, required: true}
  web_domain: {description: Domain of the web interface., type: str, required: true}
  secrets: {description: Secrets that the host keeps fingerprints of., type: dict, required: true}
  rotate: {description: Secrets that may change in this run., type: list, elements: str, default: []}
  serve: {description: Whether the release will be put into service., type: bool, default: true}
  root: {description: Folder of the releases., type: path, default: /opt/mastodon}
  configuration: {description: Folder of the record and the environment., type: path, default: /etc/mastodon}
  runner: {description: Command that runs a program of the release., type: path, default: /usr/local/sbin/mastodon-run}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Look at the host
  mastodon_host_info:
    release: sandbox-0.1.0.g0123456789ab-debian13-amd64
    domain: tides.example.org
    web_domain: tides.example.org
    secrets: {secret_key_base: "..."}
"""
RETURN = r"""
present: {description: Whether the release is unpacked., type: bool, returned: always}
installed: {description: Identifier of the release in service, or empty., type: str, returned: always}
operable: {description: Whether some release is in service and can be asked., type: bool, returned: always}
manifest: {description: release.json of the release when it is unpacked., type: dict, returned: always}
record: {description: What the host has to remember of this instance., type: dict, returned: always}
recorded: {description: Whether the host remembers exactly that., type: bool, returned: always}
"""

_COLUMNS = "columns of the database are encrypted with it and could never be read again"
# Secrets with a fingerprint, and what a change breaks
REASONS: Mapping[str, str] = {
    "active_record_encryption_deterministic_key": _COLUMNS,
    "active_record_encryption_key_derivation_salt": _COLUMNS,
    "active_record_encryption_primary_key": _COLUMNS,
    "secret_key_base": "every session and every signed link would end",
    "vapid_private_key": "every push subscription of a browser or app would end",
    "vapid_public_key": "every push subscription of a browser or app would end",
}
ROTATABLE = ("secret_key_base", "vapid_private_key", "vapid_public_key")


def fingerprint(name: str, value: str, salt: str) -> str:
    """Return SHA-256 over `salt:name:value`: the secrets are random and long, a fast hash is enough."""
    return hashlib.sha256(f"{salt}:{name}:{value}".encode()).hexdigest()


def domain_problems(record: Mapping[str, Any], wanted: Mapping[str, str]) -> list[str]:
    """Say which recorded domain would change."""
    return [
        f"mastodon_{name} is {value}, but this host was born as {record[name]}. A domain is part of the address of "
        f"every account and post, also on other servers, and can never change. Set mastodon_{name} to {record[name]}, "
        f"or deploy {value} to a new host."
        for name, value in wanted.items()
        if name in record and record[name] != value
    ]


def secret_problems(record: Mapping[str, Any], values: Mapping[str, str], rotate: Collection[str]) -> list[str]:
    """Say which recorded secret would change without leave."""
    known = record.get("fingerprints", {})
    problems = []
    for name, reason in REASONS.items():
        if name not in known or known[name] == fingerprint(name, values[name], record["salt"]):
            continue
        if name in ROTATABLE and name in rotate:
            continue
        cure = "Restore the instance's secrets file from version control or backup"
        if name in ROTATABLE:
            cure += f"; to change it on purpose, run once with mastodon_rotate_secrets holding {name}"
        problems.append(
            f"mastodon_secrets.{name} is not the value this host was set up with: {reason}. {cure}. "
            "Nothing was changed."
        )
    return problems


def new_record(record: Mapping[str, Any], domains: Mapping[str, str], values: Mapping[str, str]) -> dict[str, Any]:
    """Give the record that belongs to these values; the salt of an instance stays."""
    salt = record.get("salt") or secrets.token_hex(16)
    marks = {name: fingerprint(name, values[name], salt) for name in REASONS}
    return {**record, **domains, "salt": salt, "fingerprints": marks}


def machine_problems(release: str, architecture: str, debian: str) -> list[str]:
    """Say why the release cannot run on this machine (its identifier ends in -debianN-ARCHITECTURE)."""
    _, _, wanted = release.partition("-debian")
    if wanted == f"{debian}-{architecture}":
        return []
    return [
        f"The release {release} is built for debian{wanted}, this host is debian{debian}-{architecture}. "
        "Build the release for it (playbooks/build.yml) or deploy to a host of the right kind."
    ]


def hold_problems(hold: Path, serve: bool) -> list[str]:
    """Say that an instance waits after a restore: its Sidekiq does not start, so no release would become healthy."""
    if not serve or not hold.exists():
        return []
    return [
        f"This instance was restored and waits: nothing is delivered while {hold} exists. Look at it, then "
        "run playbooks/resume.yml. Nothing was changed."
    ]


def leaving_problems(marker: Path) -> list[str]:
    """Say that an instance leaves the federation: another environment would bring it back half, in a broken state."""
    if not marker.exists():
        return []
    return [
        f"This instance is leaving the federation for good ({marker} exists): playbooks/decommission.yml goes on with "
        "it, and nothing else may. Is host_vars/INSTANCE/decommissioned.yml missing? Bring it back from version "
        "control. Nothing was changed."
    ]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; {} where there is no file."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content


def _debian() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("VERSION_ID", "").strip('"')


def _architecture() -> str:
    return subprocess.run(
        ["/usr/bin/dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "domain": {"type": "str", "required": True},
            "web_domain": {"type": "str", "required": True},
            "secrets": {"type": "dict", "required": True, "no_log": True},
            "rotate": {"type": "list", "elements": "str", "default": [], "choices": list(ROTATABLE), "no_log": False},
            "serve": {"type": "bool", "default": True},
            "root": {"type": "path", "default": "/opt/mastodon"},
            "configuration": {"type": "path", "default": "/etc/mastodon"},
            "runner": {"type": "path", "default": "/usr/local/sbin/mastodon-run"},
        },
        supports_check_mode=True,
    )
    given = module.params
    root, configuration = Path(given["root"]), Path(given["configuration"])
    release = root / "releases" / given["release"]
    current = root / "current"
    installed = current.readlink().name if current.is_symlink() else ""
    domains = {"domain": given["domain"], "web_domain": given["web_domain"]}
    try:
        record = read_json(configuration / "instance.json")
        manifest = read_json(release / "release.json")
    except ValueError as error:
        module.fail_json(msg=f"A file of the host is damaged, restore it from its backup: {error}")
    problems = [
        *hold_problems(configuration / "hold", given["serve"]),
        *leaving_problems(configuration / "leaving"),
        *machine_problems(given["release"], _architecture(), _debian()),
        *filter(None, [path_problem(installed, given["release"], manifest)]),
        *domain_problems(record, domains),
        *secret_problems(record, given["secrets"], given["rotate"]),
    ]
    if problems:
        module.fail_json(msg="\n".join(problems))
    wanted = new_record(record, domains, given["secrets"])
    module.exit_json(
        changed=False,
        present=bool(manifest),
        installed=installed,
        operable=all(
            path.exists() for path in (root / "current", configuration / "mastodon.env", Path(given["runner"]))
        ),
        manifest=manifest,
        record=wanted,
        recorded=record == wanted,
    )


if __name__ == "__main__":
    main()
