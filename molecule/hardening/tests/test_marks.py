"""The marks that the README promises, measured on the whole site: CIS by OpenSCAP, and Lynis."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])


def playbook(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_HOSTS"], f"playbooks/{name}", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of the check on CIS and Lynis, with the tools that it may bring here."""
    folder = tmp_path_factory.mktemp("reports")
    values = json.dumps({"check_install_tools": True, "check_report_directory": str(folder)})
    done = playbook("check.yml", "--tags", "cis,lynis", "--extra-vars", values)
    assert (folder / "hardening-1.json").is_file(), done.stdout[-3000:]
    found: dict[str, Any] = json.loads((folder / "hardening-1.json").read_text())
    return found


def result(report: dict[str, Any], area: str, name: str) -> dict[str, str]:
    found: dict[str, str] = next(each for each in report["areas"][area] if each["id"] == name)
    print(found["title"], found["found"])
    return found


def test_the_score_of_cis_is_what_is_promised(report: dict[str, Any]) -> None:
    found = result(report, "cis", "CIS-001")
    assert found["status"] == "pass", json.dumps(report["areas"]["cis"], indent=1)


def test_only_the_rules_against_a_web_server_are_left_out(report: dict[str, Any]) -> None:
    assert result(report, "cis", "CIS-002")["found"] == "package_nginx_removed, service_nginx_disabled"


@pytest.mark.parametrize("name", ["LYNIS-001", "LYNIS-002"])
def test_lynis_says_what_is_promised(report: dict[str, Any], name: str) -> None:
    found = result(report, "lynis", name)
    assert found["status"] == "pass", json.dumps(report["areas"]["lynis"], indent=1)
