"""Module: write several small files in one go."""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: mastodon_files
short_description: Write several files that belong to root
description:
  - What ansible.builtin.template does for one file, for a list of them. Each round to a host can cost a second, so
    eleven units and commands in one round save a third of a run that changes nothing.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Where., type: path, required: true}
      content: {description: What., type: str, required: true}
      mode: {description: Permissions., type: raw, default: "0644"}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Write two units
  mastodon_files:
    files:
      - {path: /etc/systemd/system/a.service, content: "{{ lookup('ansible.builtin.template', 'a.service.j2') }}"}
      - {path: /etc/systemd/system/b.service, content: "{{ lookup('ansible.builtin.template', 'b.service.j2') }}"}
"""
RETURN = r"""
written: {description: Files with new content or permissions., type: list, returned: always}
"""


def write(module: AnsibleModule, path: str, content: str, mode: str) -> dict[str, Any] | None:
    """Bring one file to its content and permissions; returns the difference, or None when it was right."""
    target = Path(path)
    before = target.read_text(encoding="utf-8", errors="replace") if target.is_file() else ""
    changed = before != content or not target.is_file()
    if changed and not module.check_mode:
        beside = Path(module.tmpdir) / target.name
        beside.write_text(content, encoding="utf-8")
        module.atomic_move(str(beside), path)
    changed = module.set_mode_if_different(path, mode, changed)
    changed = module.set_owner_if_different(path, "root", changed)
    changed = module.set_group_if_different(path, "root", changed)
    return {"before": before, "after": content, "before_header": path, "after_header": path} if changed else None


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "raw", "default": "0644"},
                },
            },
        },
        supports_check_mode=True,
    )
    diffs = [diff for file in module.params["files"] if (diff := write(module, **file)) is not None]
    module.exit_json(changed=bool(diffs), written=[diff["after_header"] for diff in diffs], diff=diffs)


if __name__ == "__main__":
    main()
