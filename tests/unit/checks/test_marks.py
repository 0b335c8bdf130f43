"""CIS and Lynis: what their programs wrote, and how it is judged."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from meentwerk.checks.judge import cis, lynis
from meentwerk.checks.model import Status

from tests.plugins import load

CIS = load("roles/check/library/check_cis.py")
LYNIS = load("roles/check/library/check_lynis.py")

RESULTS = """<?xml version="1.0"?>
<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2" id="b"><version>0.1.82</version>
 <Rule id="xccdf_org.ssgproject.content_rule_a"><title>Close <em>a</em></title></Rule>
 <Rule id="xccdf_org.ssgproject.content_rule_b"><title>Close b</title></Rule>
 <TestResult id="t">
  <rule-result idref="xccdf_org.ssgproject.content_rule_a" severity="medium"><result>fail</result></rule-result>
  <rule-result idref="xccdf_org.ssgproject.content_rule_b" severity="high"><result>pass</result></rule-result>
  <rule-result idref="xccdf_org.ssgproject.content_rule_c" severity="low"><result>notselected</result></rule-result>
  <score system="urn:xccdf:scoring:default" maximum="100">91.97</score>
 </TestResult>
</Benchmark>"""
REPORT = """\
# Lynis Report
lynis_version=3.1.4
warning[]=PKGS-7392|Found vulnerable packages|-|-|
suggestion[]=SSH-7408|Consider hardening SSH|Port (set 22 to )|-|
hardening_index=87
"""
PROMISE = {"index": 88, "warnings": 0}


@pytest.fixture
def measured(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "results.xml").write_text(RESULTS)
    return {
        **CIS.read_results(tmp_path / "results.xml"),
        "left_out": ["package_nginx_removed"],
        "values": {"var_a": "b"},
    }


def test_results_of_openscap_are_read_and_never_rounded_up(measured: dict[str, Any]) -> None:
    assert measured["score"] == 91.9
    assert measured["version"] == "0.1.82"
    assert measured["counts"] == {"fail": 1, "pass": 1}
    assert measured["failed"] == [{"id": "a", "title": "Close a", "severity": "medium", "result": "fail"}]


def test_the_tailored_profile_leaves_rules_out_and_sets_parameters() -> None:
    root = ET.fromstring(CIS.tailoring(["package_nginx_removed"], {"var_timesync_service": "chronyd"}))
    (profile,) = root.findall(f"{CIS.XCCDF}Profile")
    (select,) = profile.findall(f"{CIS.XCCDF}select")
    assert (select.get("idref"), select.get("selected")) == (f"{CIS.RULE}package_nginx_removed", "false")
    assert profile.get("extends") == CIS.PROFILE
    assert profile.findtext(f"{CIS.XCCDF}set-value") == "chronyd"


def test_a_score_below_the_promise_fails_and_names_the_rules(measured: dict[str, Any]) -> None:
    results = {result.id: result for result in cis.judge(measured, {"score": 92})}
    assert results["CIS-001"].status == Status.FAIL
    assert results["CIS-101"].title == "Close a"
    assert results["CIS-002"].found == "package_nginx_removed"
    assert results["CIS-003"].found == "var_a = b"
    assert cis.judge(measured, {"score": 91.9})[0].status == Status.PASS


def test_the_report_of_lynis_is_read_and_judged() -> None:
    measured = LYNIS.read_report(REPORT)
    assert measured["index"] == 87
    assert measured["suggestions"] == ["SSH-7408: Consider hardening SSH: Port (set 22 to )"]
    results = {result.id: result for result in lynis.judge(measured, PROMISE)}
    assert results["LYNIS-001"].status == Status.FAIL
    assert results["LYNIS-002"].status == Status.FAIL
    assert "PKGS-7392" in results["LYNIS-002"].found
    good = lynis.judge({**measured, "index": 88, "warnings": []}, PROMISE)
    assert [result.status for result in good[:2]] == [Status.PASS, Status.PASS]


def test_a_report_without_an_index_is_no_measurement() -> None:
    assert "unknown" in LYNIS.read_report("lynis_version=3.1.4\n")


@pytest.mark.parametrize("judge", [cis.judge, lynis.judge])
def test_what_was_not_measured_is_unknown_and_never_a_pass(judge: Any) -> None:
    (result,) = judge({"unknown": "no scanner", "cure": "install it"}, {"score": 92, **PROMISE})
    assert result.status == Status.UNKNOWN
    assert result.cure == "install it"
