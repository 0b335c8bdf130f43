"""Module: measure the host with Lynis. Changes nothing."""

import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: check_lynis
short_description: Measure the host with Lynis
description: [Runs the whole audit, which takes two minutes. Says what is missing when it cannot.]
options: {}
author: Meentwerk contributors
"""
RETURN = r"""
measured:
  description: index (0 to 100), version, warnings and suggestions (each a text); or unknown and cure.
  type: dict
  returned: always
"""


def read_report(text: str) -> dict[str, Any]:
    """Read Lynis's report file: lines KEY=VALUE and KEY[]=TEST|TEXT|DETAILS|SOLUTION|."""
    pairs = [(key, value) for key, found, value in (line.partition("=") for line in text.splitlines()) if found]
    single = dict(pairs)

    def texts(key: str) -> list[str]:
        parts = [value.split("|") for name, value in pairs if name == key]
        return [": ".join(part for part in fields[:3] if part not in ("", "-")) for fields in parts]

    if not single.get("hardening_index", "").isdigit():
        return {
            "unknown": "Lynis wrote no index",
            "cure": "Run lynis audit system on the host and read where it stops.",
        }
    return {
        "index": int(single["hardening_index"]),
        "version": single.get("lynis_version", ""),
        "warnings": texts("warning[]"),
        "suggestions": texts("suggestion[]"),
    }


def measure(module: AnsibleModule) -> dict[str, Any]:
    """Run Lynis and return what it found, or why there is nothing."""
    lynis = module.get_bin_path("lynis")
    if not lynis:
        return {
            "unknown": "Lynis is not installed on the host",
            "cure": "Run with check_install_tools on a host that may have it, or install the package lynis.",
        }
    with tempfile.TemporaryDirectory(prefix="check-lynis.") as place:
        report = Path(place, "report")
        files = ["--report-file", str(report), "--logfile", str(Path(place, "log"))]
        module.run_command([lynis, "audit", "system", "--quick", "--quiet", "--no-colors", *files])
        return read_report(report.read_text(errors="replace") if report.exists() else "")


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, measured=measure(module))


if __name__ == "__main__":
    main()
