"""ssh-audit, the tool that operators know, against a host's sshd: its verdicts, and the hybrid key exchanges."""

import json
import subprocess
import sys
from typing import Any

_HYBRID = ("mlkem", "sntrup")
_SECONDS = 60
_BANNED = (
    "sshd's PerSourcePenalties may have banned this controller for a minute after the last audit. Wait, or list the "
    "controller in PerSourcePenaltyExemptList, and run it again."
)


def read(report: dict[str, Any]) -> dict[str, Any]:
    """Take failures, warnings (as "algorithm: reason") and hybrid key exchanges out of ssh-audit's JSON."""
    found: dict[str, list[str]] = {"failures": [], "warnings": [], "post_quantum": []}
    for kind in ("kex", "key", "enc", "mac"):
        for entry in report.get(kind, []):
            name = str(entry["algorithm"])
            for level, place in (("fail", "failures"), ("warn", "warnings")):
                reasons = entry.get("notes", {}).get(level, [])
                found[place] += [f"{name} ({reason})" for reason in reasons]
            if kind == "kex" and name.startswith(_HYBRID):
                found["post_quantum"].append(name)
    return dict(found)


def audit(address: str, port: int) -> dict[str, Any]:
    """Run it; {failures, warnings, post_quantum}, or {unknown: why, cure} where it got no answer."""
    command = [
        sys.executable,
        "-m",
        "ssh_audit",
        "--json",
        "--skip-rate-test",
        "--timeout",
        "8",
        "--port",
        str(port),
        address,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        return read(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return {"unknown": f"ssh-audit did not end within {_SECONDS} s", "cure": _BANNED}
    except (ValueError, KeyError):
        said = (done.stdout or done.stderr).strip().splitlines()
        return {
            "unknown": f"ssh-audit got no answer from {address}, port {port}: {said[-1] if said else 'nothing'}",
            "cure": _BANNED,
        }
