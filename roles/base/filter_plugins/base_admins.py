"""What is wrong with the administrators an inventory names, told before a host is touched."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections import Counter
from typing import Any

# useradd's own rule on Debian (adduser NAME_REGEX), in its strict form
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")

# Accounts of Debian itself (base-passwd, systemd, openssh): never a person's, never to be removed by this role
_SYSTEM_NAMES = frozenset(
    {"root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "backup", "list"}
    | {"www-data", "irc", "nobody", "sshd", "messagebus", "systemd-network", "systemd-timesync"}
    | {"mastodon", "postgres", "valkey"}
)

# Key types OpenSSH accepts by default on Debian 13; DSA is gone since OpenSSH 10
_KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)
_FIELDS = {"ssh-ed25519": 1, "ssh-rsa": 2, "sk-ssh-ed25519@openssh.com": 2, "sk-ecdsa-sha2-nistp256@openssh.com": 3}
_ED25519_BYTES = 32
_RSA_MINIMUM_BITS = 3072


def _blob_fields(blob: bytes) -> list[bytes]:
    """Split a key blob into its length-prefixed fields (RFC 4253, section 6.6).

    Raises:
        ValueError: when a length points past the end, as in a key that was cut while pasting.
    """
    fields, at = [], 0
    while at < len(blob):
        if at + 4 > len(blob):
            raise ValueError("it is cut short")
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4
        if at + length > len(blob):
            raise ValueError("it is cut short")
        fields.append(blob[at : at + length])
        at += length
    return fields


def key_problem(text: str) -> str | None:  # noqa: PLR0911 -- one return per way in which a key is no key
    """Say why a line is not a public key for authorized_keys, or None when it is one."""
    if "PRIVATE KEY" in text:
        return "this is a private key: replace that key pair everywhere and list the .pub file's line"
    if "\n" in text.strip():
        return "a key is one line; list several keys as several items"
    words = text.split(maxsplit=2)
    if len(words) < 2:  # noqa: PLR2004 -- type and key
        return "expected a public key such as 'ssh-ed25519 AAAA... comment'"
    kind, encoded = words[0], words[1]
    if kind not in _KEY_TYPES:
        return f"'{kind}' is none of {', '.join(sorted(_KEY_TYPES))}; options before the key are not taken"
    try:
        fields = _blob_fields(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        return "the part after the type is not base64"
    except ValueError as error:
        return f"the key is damaged: {error}"
    if not fields or fields[0].decode("ascii", "replace") != kind:
        return f"the key is damaged: its content is not of type {kind}"
    if len(fields) - 1 != _FIELDS.get(kind, 2):
        return "the key is damaged: it is cut short"
    if kind.endswith("ed25519") and len(fields[1]) != _ED25519_BYTES:
        return "the key is damaged: an Ed25519 key has 32 bytes"
    if kind == "ssh-rsa" and int.from_bytes(fields[2], "big").bit_length() < _RSA_MINIMUM_BITS:
        return f"an RSA key has at least {_RSA_MINIMUM_BITS} bits here; better is ssh-keygen -t ed25519"
    return None


def base_admin_problems(admins: list[dict[str, Any]], removed: list[str], connected_as: str = "") -> list[str]:
    """List everything wrong with the administrators and the removed names, each with its place.

    Args:
        admins: base_admin_users, items {name, ssh_keys, sudo}.
        removed: base_removed_users.
        connected_as: the login this very run uses; removing it would lock the operator out.
    """
    problems: list[str] = []
    for number, admin in enumerate(admins):
        name = str(admin.get("name", ""))
        place = f"base_admin_users[{number}] '{name}'"
        if not _NAME.fullmatch(name):
            problems.append(f"{place}: a login name starts with a letter, then a-z, 0-9, _ or -, at most 32 characters")
        elif name in _SYSTEM_NAMES:
            problems.append(f"{place}: belongs to the system, not to a person")
        keys = admin.get("ssh_keys") or []
        if not keys:
            problems.append(f"{place}: has no key in ssh_keys; to take access away use base_removed_users")
        for key_number, key in enumerate(keys):
            problem = key_problem(str(key))
            if problem:
                problems.append(f"{place}, ssh_keys[{key_number}]: {problem}")
    counted = Counter(str(admin.get("name", "")) for admin in admins)
    problems += [f"base_admin_users: '{name}' is listed {times} times" for name, times in counted.items() if times > 1]
    for number, name in enumerate(removed):
        place = f"base_removed_users[{number}] '{name}'"
        if not _NAME.fullmatch(str(name)) or name in _SYSTEM_NAMES:
            problems.append(f"{place}: is not the login name of a person")
        elif name in counted:
            problems.append(f"{place}: is in base_admin_users too; keep one of the two")
        elif name == connected_as:
            problems.append(f"{place}: this run is logged in as it; connect as another administrator")
    return problems


class FilterModule:
    """Hand the filter to Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the name tasks use."""
        return {"base_admin_problems": base_admin_problems}
