"""Module: bring several files, folders and links to how they should be, in one round."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: meentwerk_files
short_description: Bring several files, folders and links to how they should be
description:
  - What ansible.builtin.template, copy and file do for one path, for a list of them. A round to a host starts a Python
    there and costs half a second or more; a role has some ten paths, and in most runs none of them changes.
  - Works through the list in its order, so a folder comes before what lies in it. Stops at the first that cannot be.
  - Folders above one that is missing are made too, open to everyone.
  - Files are replaced as a whole, and are never open to more people than O(files[].mode) says, not for a moment.
options:
  files:
    description: The paths.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Where., type: path, required: true}
      state:
        description:
          - What it is. V(absent) removes a folder with all it holds.
          - V(lines) changes single lines of a file that somebody else keeps; V(kept) gives owner and permissions to
            what is there, where O(files[].path) may be a pattern (*). What is not there is left out by both.
        type: str
        choices: [file, directory, link, absent, lines, kept]
        default: file
      content: {description: What a file holds., type: str}
      target: {description: Where a link leads., type: str}
      lines:
        description: >-
          For V(lines). The first line that V(match) finds becomes V(line) and others that it finds go; without any, it
          is added at the end. Without V(line) they only go.
        type: list
        elements: dict
      owner: {description: "Owner of a file or folder; without, root, and for V(kept) whoever it is.", type: str}
      group: {description: "Group of a file or folder; without, as for the owner.", type: str}
      mode: {description: "Permissions of a file or folder; without, V(0644) or V(0755).", type: raw}
      inside: {description: "Permissions of all that a folder holds already, as in C(u=rwX,g=rX,o=).", type: str}
      validate: {description: "Command that must accept a file before it counts; %s is the file.", type: str}
      backup: {description: Whether the file that was there is kept beside the new one., type: bool, default: false}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Write what the journal keeps
  meentwerk_files:
    files:
      - {path: /etc/systemd/journald.conf.d, state: directory}
      - path: /etc/systemd/journald.conf.d/50-meentwerk.conf
        content: "{{ lookup('meentwerk_template', 'journald.conf.j2') }}"
      - {path: /etc/localtime, state: link, target: /usr/share/zoneinfo/Etc/UTC}
"""
RETURN = r"""
written: {description: Paths that changed; in check mode, that would., type: list, returned: always}
"""

Difference = dict[str, Any]


class Module(AnsibleModule):  # type: ignore[misc]  # Ansible ships no types
    """A module whose line in the host's log names the paths, and not what they hold."""

    def _log_invocation(self) -> None:
        self.log("Brings in order: " + " ".join(entry["path"] for entry in self.params["files"]))


def _kind(path: Path) -> str:
    """Say what stands at a path, in the words of `state`."""
    if path.is_symlink():
        return "link"
    if path.is_dir():
        return "directory"
    return "file" if path.exists() else "absent"


def _attributes(module: AnsibleModule, entry: dict[str, Any], changed: bool) -> bool:
    """Set owner, group and permissions; in check mode, ask nothing of what is not there yet."""
    path = entry["path"]
    if module.check_mode and not Path(path).exists():
        return changed
    mode = entry["mode"] or ("0755" if entry["state"] == "directory" else "0644")
    usual = None if entry["state"] == "kept" else "root"
    # The owner first: changing him would take special bits away again
    changed = module.set_owner_if_different(path, entry["owner"] or usual, changed)
    changed = module.set_group_if_different(path, entry["group"] or usual, changed)
    return bool(module.set_mode_if_different(path, mode, changed))


def write(module: AnsibleModule, entry: dict[str, Any]) -> Difference | None:
    """Bring a file to its content."""
    path, content = Path(entry["path"]), entry["content"].encode()
    kind = _kind(path)
    if kind == "directory":
        raise ValueError(f"{path} is a folder where a file belongs. Look what it holds, move it away and run again.")
    before = path.read_bytes() if path.is_file() else b""
    changed = kind != "file" or before != content
    if changed and not module.check_mode:
        beside = Path(module.tmpdir) / path.name
        beside.write_bytes(content)
        if entry["validate"]:
            code, output, error = module.run_command(entry["validate"].replace("%s", str(beside)))
            if code:
                raise ValueError(f"{path} was not written: {entry['validate']} refuses it.\n{error or output}".strip())
        if entry["backup"] and kind == "file":
            module.backup_local(str(path))
        module.atomic_move(str(beside), str(path))
    if not _attributes(module, entry, changed):
        return None
    return {"before": before.decode(errors="replace"), "after": entry["content"]}


def make(module: AnsibleModule, entry: dict[str, Any]) -> Difference | None:
    """Make a folder, and close what it holds."""
    path = Path(entry["path"])
    kind = "directory" if path.is_dir() else _kind(path)
    if kind not in ("directory", "absent"):
        raise ValueError(f"{path} is no folder. Look what it is, move it away and run again.")
    changed = kind == "absent"
    if changed and not module.check_mode:
        for folder in [*reversed([above for above in path.parents if not above.exists()]), path]:
            folder.mkdir()
            folder.chmod(0o755 if folder != path else 0o700)
    changed = _attributes(module, entry, changed)
    if entry["inside"]:
        for inner in sorted(path.rglob("*")):
            if not inner.is_symlink():
                changed = module.set_mode_if_different(str(inner), entry["inside"], changed)
    return {"before": kind, "after": "directory"} if changed else None


def link(module: AnsibleModule, entry: dict[str, Any]) -> Difference | None:
    """Let a link lead to its target; what stood there is replaced in one step."""
    path = Path(entry["path"])
    kind = _kind(path)
    if kind == "directory":
        raise ValueError(f"{path} is a folder where a link belongs. Look what it holds, move it away and run again.")
    before = str(path.readlink()) if kind == "link" else kind
    if before == entry["target"]:
        return None
    if not module.check_mode:
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        beside.symlink_to(entry["target"])
        beside.rename(path)
    return {"before": before, "after": entry["target"]}


def remove(module: AnsibleModule, entry: dict[str, Any]) -> Difference | None:
    """Remove what stands at a path."""
    path = Path(entry["path"])
    kind = _kind(path)
    if kind == "absent":
        return None
    if not module.check_mode:
        if kind == "directory":
            shutil.rmtree(path)
        else:
            path.unlink()
    return {"before": kind, "after": "absent"}


def _with_line(text: list[str], match: str, line: str | None) -> list[str]:
    """Return the lines of a file with `line` in place of what `match` finds, or at the end."""
    found = [number for number, present in enumerate(text) if re.search(match, present)]
    kept = [present for number, present in enumerate(text) if number not in found[1 if line is not None else 0 :]]
    if line is None:
        return kept
    if not found:
        return [*kept, line]
    kept[found[0]] = line
    return kept


def edit(module: AnsibleModule, entry: dict[str, Any]) -> Difference | None:
    """Bring single lines of a file to what they should be; its owner and permissions stay."""
    path = Path(entry["path"])
    if _kind(path) != "file":
        return None
    before = path.read_text()
    lines = before.splitlines()
    for change in entry["lines"]:
        lines = _with_line(lines, change["match"], change.get("line"))
    content = "".join(f"{line}\n" for line in lines)
    status = path.stat()
    names = {"owner": str(status.st_uid), "group": str(status.st_gid), "mode": f"{status.st_mode & 0o7777:04o}"}
    return write(module, {**entry, **names, "state": "file", "content": content}) if content != before else None


def keep(module: AnsibleModule, entry: dict[str, Any]) -> Difference | None:
    """Give owner and permissions to what is there; a link is not followed."""
    changed = []
    for path in sorted(Path("/").glob(entry["path"].lstrip("/"))):
        if not path.is_symlink() and _attributes(module, {**entry, "path": str(path)}, changed=False):
            changed.append(str(path))
    return {"before": "other owner or permissions: " + " ".join(changed), "after": "kept"} if changed else None


ACTIONS = {"lines": edit, "kept": keep, "file": write, "directory": make, "link": link, "absent": remove}


def main() -> None:
    """Run as an Ansible module."""
    module = Module(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "state": {"type": "str", "choices": list(ACTIONS), "default": "file"},
                    "content": {"type": "str"},
                    "target": {"type": "str"},
                    "lines": {"type": "list", "elements": "dict"},
                    "owner": {"type": "str"},
                    "group": {"type": "str"},
                    "mode": {"type": "raw"},
                    "inside": {"type": "str"},
                    "validate": {"type": "str"},
                    "backup": {"type": "bool", "default": False},
                },
                "required_if": [
                    ("state", "file", ["content"]),
                    ("state", "link", ["target"]),
                    ("state", "lines", ["lines"]),
                ],
            },
        },
        supports_check_mode=True,
    )
    # What is made here is closed until its permissions are set
    os.umask(0o077)
    diffs: list[Difference] = []
    for entry in module.params["files"]:
        try:
            difference = ACTIONS[entry["state"]](module, entry)
        except (OSError, ValueError) as problem:
            module.fail_json(msg=str(problem), written=[diff["after_header"] for diff in diffs])
        if difference is not None:
            diffs.append({**difference, "before_header": entry["path"], "after_header": entry["path"]})
    module.exit_json(changed=bool(diffs), written=[diff["after_header"] for diff in diffs], diff=diffs)


if __name__ == "__main__":
    main()
