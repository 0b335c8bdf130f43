"""Module: measure the host by the CIS benchmark with OpenSCAP. Changes nothing."""

import xml.etree.ElementTree as ET  # the results of a program of the host, written a moment ago
from collections import Counter
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: check_cis
short_description: Measure the host by the CIS benchmark with OpenSCAP
description:
  - Evaluates Level 1 for servers of the newest rules that are there. Says what is missing when it cannot.
options:
  place: {description: A folder for what OpenSCAP writes., type: path, required: true}
  content:
    {description: Where the rules may be. The first that is there is taken., type: list, elements: path, required: true}
  trouble: {description: What kept the rules from being fetched., type: str, default: ""}
  values: {description: Parameters of the profile and what they are here., type: dict, default: {}}
  left_out: {description: Rules that a host of this kind cannot keep., type: list, elements: str, default: []}
author: Meentwerk contributors
"""
RETURN = r"""
measured:
  description: >-
    score (0 to 100), version of the rules, counts by result, failed (id, title, severity of each rule that does not
    hold), left_out; or unknown and cure.
  type: dict
  returned: always
"""

XCCDF = "{http://checklists.nist.gov/xccdf/1.2}"
VALUE = "xccdf_org.ssgproject.content_value_"
RULE = "xccdf_org.ssgproject.content_rule_"
PROFILE = "xccdf_org.ssgproject.content_profile_cis_level1_server"
TAILORED = f"{PROFILE}_tailored"
# oscap: 0 all rules hold, 2 some do not
RAN = (0, 2)


def tailoring(left_out: list[str], values: dict[str, str]) -> str:
    """Return the profile without the rules that are left out and with its own parameters set, as XCCDF wants it."""
    settings = "".join(
        f'<xccdf:set-value idref="{VALUE}{name}">{value}</xccdf:set-value>' for name, value in values.items()
    )
    selects = "".join(f'<xccdf:select idref="{RULE}{rule}" selected="false"/>' for rule in left_out)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<xccdf:Tailoring xmlns:xccdf="http://checklists.nist.gov/xccdf/1.2" id="xccdf_meentwerk_tailoring_web">'
        '<xccdf:version time="2026-01-01T00:00:00">1</xccdf:version>'
        f'<xccdf:Profile id="{TAILORED}" extends="{PROFILE}">'
        "<xccdf:title>CIS Level 1 server, for a web server</xccdf:title>"
        f"{selects}{settings}</xccdf:Profile></xccdf:Tailoring>"
    )


def title_of(rule: ET.Element | None) -> str:
    """Return a rule's title, without markup."""
    title = rule.find(f"{XCCDF}title") if rule is not None else None
    return " ".join("".join(title.itertext()).split()) if title is not None else ""


def read_results(path: Path) -> dict[str, Any]:
    """Read the result file of oscap: score, counts, and what does not hold."""
    root = ET.parse(path).getroot()  # noqa: S314  see the import
    rules = {rule.get("id"): rule for rule in root.iter(f"{XCCDF}Rule")}
    outcomes = [
        (result.get("idref", ""), result.findtext(f"{XCCDF}result", ""), result.get("severity", ""))
        for result in root.iter(f"{XCCDF}rule-result")
    ]
    failed = [
        {
            "id": identifier.removeprefix(RULE),
            "title": title_of(rules.get(identifier)),
            "severity": severity,
            "result": result,
        }
        for identifier, result, severity in outcomes
        if result in {"fail", "error", "unknown"}
    ]
    score = root.findtext(f".//{XCCDF}TestResult/{XCCDF}score", "0")
    return {
        # Not rounded up to what is promised
        "score": int(float(score) * 10) / 10,
        "version": root.findtext(f"{XCCDF}version", ""),
        "counts": dict(Counter(result for _, result, _ in outcomes if result != "notselected")),
        "failed": failed,
    }


def measure(module: AnsibleModule) -> dict[str, Any]:
    """Run OpenSCAP and return what it found, or why there is nothing."""
    cure = (
        "Run with check_install_tools on a host that may have them, or install openscap-scanner and ssg-debian 0.1.82."
    )
    oscap = module.get_bin_path("oscap")
    if not oscap:
        return {"unknown": "OpenSCAP is not installed on the host", "cure": cure}
    content = next((path for path in module.params["content"] if Path(path).is_file()), None)
    if not content:
        why = f": {trouble}" if (trouble := module.params["trouble"]) else ""
        return {"unknown": f"the host has no rules for Debian 13 (ssg-debian){why}", "cure": cure}
    place = Path(module.params["place"])
    left_out = module.params["left_out"]
    (place / "tailoring.xml").write_text(tailoring(left_out, module.params["values"]))
    command = [oscap, "xccdf", "eval", "--profile", TAILORED, "--tailoring-file", str(place / "tailoring.xml")]
    code, _, error = module.run_command([*command, "--results", str(place / "results.xml"), content])
    if code not in RAN:
        last = (error.strip().splitlines() or ["no reason given"])[-1]
        return {
            "unknown": f"OpenSCAP ended with {code}: {last}",
            "cure": "Run the same by hand on the host: oscap xccdf eval",
        }
    return {**read_results(place / "results.xml"), "left_out": left_out, "values": module.params["values"]}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "place": {"type": "path", "required": True},
            "content": {"type": "list", "elements": "path", "required": True},
            "trouble": {"type": "str", "default": ""},
            "values": {"type": "dict", "default": {}},
            "left_out": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, measured=measure(module))


if __name__ == "__main__":
    main()
