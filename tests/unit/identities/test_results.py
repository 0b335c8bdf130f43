"""Results as files: they say the same, hostile texts stay text, and other programs can read them."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]
from meentwerk.errors import UsageError
from meentwerk.identities import results
from meentwerk.identities.model import Check, Result, Verdict

from .samples import NEWS, result

HOSTILE = '=HYPERLINK("https://evil.example")\x00\x1b[2J]]>&<b>"\n\u202e'


def mixed() -> list[Result]:
    """One of each verdict, and one with hostile texts."""
    strange = replace(result("strange@tides.example.test", Verdict.FAIL), display_name=HOSTILE, names=(HOSTILE,))
    strange = replace(strange, checks=(Check("register", Verdict.FAIL, HOSTILE, HOSTILE, (HOSTILE,)),))
    return [
        result(),
        result("lost@tides.example.test", Verdict.FAIL),
        result("away@tides.example.test", Verdict.UNKNOWN),
        strange,
    ]


def test_json_is_read_back_as_it_was(tmp_path: Path) -> None:
    written = results.write_all(tmp_path, mixed())
    assert sorted(path.name for path in written) == ["identities.prom", "junit.xml", "results.csv", "results.json"]
    assert results.read(tmp_path / "results.json") == mixed()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "other", "results": []}', '{"format": "meentwerk-identities-1"}']
)
def test_what_is_no_result(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="results"):
        results.read(path)


def test_junit_counts_what_it_holds() -> None:
    """Fails when a verdict is lost, a count is wrong, or unknown is reported as a failure."""
    root = fromstring(results.as_junit(mixed()))
    cases = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    assert len(cases) == 3 * 6 + 1
    assert cases[NEWS, "register"].find("failure") is None
    assert cases[NEWS, "register"].find("skipped") is None
    lost = cases["lost@tides.example.test", "link_back"].find("failure")
    assert lost is not None
    assert lost.get("message") == "link_back says fail"
    assert lost.text == "do something\nseen"
    assert cases["away@tides.example.test", "actor"].find("skipped") is not None
    assert cases["away@tides.example.test", "actor"].find("failure") is None
    assert [root.get(name) for name in ("tests", "failures", "skipped")] == ["19", "7", "6"]
    for suite in root:
        assert int(suite.get("tests")) == len(list(suite.iter("testcase")))
        assert int(suite.get("failures")) == len(list(suite.iter("failure")))
        assert int(suite.get("skipped")) == len(list(suite.iter("skipped")))


def test_a_spreadsheet_sees_text() -> None:
    rows = list(csv.DictReader(io.StringIO(results.as_csv(mixed()))))
    assert len(rows) == 19
    assert {row["verified"] for row in rows} == {"pass", "fail", "unknown"}
    assert not [cell for row in rows for cell in row.values() if cell[:1] in set("=+-@\t\r")]
    assert results.cell("@news") == "'@news"


def test_metrics_are_in_prometheus_form() -> None:
    text = results.as_metrics(mixed())
    sample = re.compile(r'[a-z_]+(\{([a-z]+="(\\.|[^"\\\n])*",?)+\})? (NaN|[0-9.]+)')
    for line in text.splitlines():
        assert line.startswith("# ") or sample.fullmatch(line), line
    assert f'handle="{NEWS}",organisation="https://identifier.overheid.nl/tooi/id/ministerie/mnre1034"}} 1' in text
    assert 'handle="away@tides.example.test"' in text
    assert re.search(r'handle="away@tides\.example\.test".* NaN', text)
    assert 'meentwerk_identity_checks{check="register",verdict="fail"} 2' in text


def test_the_verdict_stands_in_the_json_and_follows_from_the_checks() -> None:
    records = json.loads(results.as_json(mixed()))["results"]
    assert [record["verdict"] for record in records] == ["pass", "fail", "unknown", "fail"]


@pytest.mark.parametrize("missing", ["register", "link_strict", "actor"])
def test_one_required_check_decides(missing: str) -> None:
    whole = result()
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        checks = tuple(replace(c, verdict=verdict) if c.name == missing else c for c in whole.checks)
        assert replace(whole, checks=checks).verdict is verdict
    extra = Check("listed", Verdict.FAIL, "not listed")
    assert replace(whole, checks=(*whole.checks, extra)).verdict is Verdict.PASS
