"""Filters: where backups go, in the words of pgBackRest and of restic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Target = Mapping[str, Any]
NEEDED = {
    "local": (),
    "sftp": ("host", "user", "host_keys", "private_key"),
    "s3": ("endpoint", "bucket", "access_key", "secret_key"),
}


def backup_problems(targets: Sequence[Target]) -> list[str]:
    """Say what each target lacks or has too much; no value of a key is ever quoted."""
    found = []
    for target in targets:
        needed = NEEDED[target["type"]]
        missing = [key for key in needed if not target.get(key)]
        if missing:
            found.append(f"{target['name']} ({target['type']}) needs {', '.join(missing)}")
        strange = sorted(
            key for kind, keys in NEEDED.items() if kind != target["type"] for key in keys if target.get(key)
        )
        if strange:
            found.append(f"{target['name']} is {target['type']} and has {', '.join(strange)}, which another type uses")
        path = str(target["path"])
        if not path.startswith("/") or path.rstrip("/") in ("", "/var", "/var/lib", "/etc", "/root", "/home"):
            found.append(f"the path of {target['name']} is {path}: write an absolute folder of its own")
        elif target["type"] == "local" and path.startswith(
            ("/var/lib/postgresql", "/var/lib/mastodon", "/opt/mastodon")
        ):
            found.append(f"the path of {target['name']} lies in what is backed up ({path}): name a mounted volume")
    return found


def backup_pgbackrest(target: Target) -> dict[str, str]:
    """Give pgBackRest's options of one target, without the number in front and without the passphrase."""
    options = {"path": f"{str(target['path']).rstrip('/')}/pgbackrest"}
    if target["type"] == "local":
        return {"type": "posix", **options, "bundle": "y", "block": "y"}
    if target["type"] == "sftp":
        return options | {
            "type": "sftp",
            "sftp-host": str(target["host"]),
            "sftp-host-port": str(target.get("port") or 22),
            "sftp-host-user": str(target["user"]),
            "sftp-private-key-file": f"/etc/pgbackrest/{target['name']}.key",
            "sftp-host-key-check-type": "strict",
            "sftp-known-host": "/etc/pgbackrest/known_hosts",
            "sftp-host-key-hash-type": "sha256",
            "bundle": "y",
            "block": "y",
        }
    options |= {
        "type": "s3",
        "s3-endpoint": str(target["endpoint"]),
        "s3-bucket": str(target["bucket"]),
        "s3-region": str(target.get("region") or "us-east-1"),
        "s3-key": str(target["access_key"]),
        "s3-key-secret": str(target["secret_key"]),
        "s3-uri-style": "host" if target.get("path_style") is False else "path",
        "storage-port": str(target.get("port") or 443),
        "bundle": "y",
        "block": "y",
    }
    if target.get("ca_file"):
        options["storage-ca-file"] = str(target["ca_file"])
    return options


def backup_restic(targets: Sequence[Target], folder: str) -> list[dict[str, Any]]:
    """Give what the command meentwerk-backup knows of each target: restic's address, options and environment."""
    return [
        {"name": target["name"], "append_only": bool(target.get("append_only", False)), **_restic(target, folder)}
        for target in targets
    ]


def _restic(target: Target, folder: str) -> dict[str, Any]:
    path = f"{str(target['path']).rstrip('/')}/restic"
    if target["type"] == "local":
        return {"restic": path, "options": [], "environment": {}}
    if target["type"] == "sftp":
        ssh = (
            f"-i {folder}/{target['name']}.key -p {target.get('port') or 22} -o IdentitiesOnly=yes -o BatchMode=yes "
            f"-o UserKnownHostsFile={folder}/known_hosts -o StrictHostKeyChecking=yes -o ConnectTimeout=20"
        )
        address = f"sftp:{target['user']}@{target['host']}:{path}"
        return {"restic": address, "options": ["-o", f"sftp.args={ssh}"], "environment": {}}
    options = ["-o", f"s3.bucket-lookup={'dns' if target.get('path_style') is False else 'path'}"]
    if target.get("ca_file"):
        options += ["--cacert", str(target["ca_file"])]
    return {
        "restic": f"s3:https://{target['endpoint']}:{target.get('port') or 443}/{target['bucket']}{path}",
        "options": options,
        "environment": {
            "AWS_ACCESS_KEY_ID": str(target["access_key"]),
            "AWS_SECRET_ACCESS_KEY": str(target["secret_key"]),
            "AWS_DEFAULT_REGION": str(target.get("region") or "us-east-1"),
        },
    }


def known_hosts(targets: Sequence[Target]) -> str:
    """Give the known_hosts lines of the SFTP targets."""
    lines = []
    for target in targets:
        port = int(target.get("port") or 22)
        name = str(target["host"]) if port == 22 else f"[{target['host']}]:{port}"  # noqa: PLR2004  (ssh's own)
        lines += [f"{name} {str(key).strip()}\n" for key in target["host_keys"]]
    return "".join(lines)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Name the filters."""
        return {
            "backup_problems": backup_problems,
            "backup_pgbackrest": backup_pgbackrest,
            "backup_restic": backup_restic,
            "backup_known_hosts": known_hosts,
        }
