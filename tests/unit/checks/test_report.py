"""The report: figures, worst first, a page that needs nothing, files for their owner only, and exit codes."""

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from meentwerk import cli
from meentwerk.checks import report, run
from meentwerk.checks.judge import JUDGES
from meentwerk.checks.model import AREAS, Judge, Result, Status
from meentwerk.exits import Exit

ROOT = Path(__file__).parents[3]


def sample(*more: Result) -> run.Report:
    judge = Judge("tls")
    judge.rule("TLS-001", "Only new versions", holds=True, wanted="TLS 1.3", found="TLS 1.3", cure="unused")
    judge.rule("TLS-002", "Good ciphers", holds=False, wanted="AES", found="<b>RC4</b>", cure="first line\nsecond line")
    judge.rule("TLS-003", "Order", holds=None, wanted="yes", found="not reached", cure="open the way")
    judge.advise("TLS-015", "OCSP", found="none", cure="")
    return run.Report("web-1", "social.example.org", "2030-01-01T00:00:00+00:00", {"tls": [*judge.results, *more]})


def test_the_screen_shows_figures_and_everything_but_what_passes() -> None:
    lines = report.lines(sample())
    assert lines[1].split() == ["tls", "1", "1", "1", "1"]
    text = "\n".join(lines)
    assert text.index("TLS-002") < text.index("TLS-003") < text.index("TLS-015")
    assert "TLS-001" not in text
    assert "  cure:   first line\n          second line" in text


def test_a_rule_that_holds_needs_no_cure() -> None:
    assert sample().areas["tls"][0].cure == ""


def test_the_page_has_every_result_and_loads_nothing() -> None:
    page = report.page(sample())
    assert all(name in page for name in ("TLS-001", "TLS-002", "TLS-003", "TLS-015", "social.example.org"))
    assert "&lt;b&gt;RC4&lt;/b&gt;" in page
    assert "<script" not in page
    assert "src=" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert page.index("TLS-002") < page.index("TLS-001"), "worst first"


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    places = report.write(sample(), tmp_path / "reports")
    assert [place.name for place in places] == ["web-1.json", "web-1.html"]
    assert {stat.S_IMODE(place.stat().st_mode) for place in places} == {0o600}
    document = json.loads(places[0].read_text())
    assert document["counts"] == {"pass": 1, "fail": 1, "unknown": 1, "info": 1}
    assert document["areas"]["tls"][1]["cure"] == "first line\nsecond line"
    report.write(sample(), tmp_path / "reports")  # a second run replaces the first


@pytest.mark.parametrize(
    ("statuses", "strict", "drifted"),
    [
        ({Status.PASS, Status.INFO}, True, False),
        ({Status.PASS, Status.UNKNOWN}, False, False),
        ({Status.PASS, Status.UNKNOWN}, True, True),
        ({Status.FAIL}, False, True),
    ],
)
def test_what_counts_as_drift(statuses: set[Status], strict: bool, drifted: bool) -> None:
    results = [Result("X-001", "tls", "x", status, "", "") for status in statuses]
    assert run.Report("h", "d", "t", {"tls": results}).drifted(strict) is drifted


@pytest.mark.parametrize(
    ("given", "reached", "own", "chosen"),
    [
        (["192.0.2.1"], ["198.51.100.1"], ["2001:db8::1"], ["192.0.2.1"]),
        ([], ["192.0.2.1"], ["10.0.0.1", "2001:db8::1"], ["192.0.2.1", "2001:db8::1"]),
        ([], ["192.0.2.1"], ["fd00::1", "2606:4700::1"], ["192.0.2.1", "2606:4700::1"]),
        ([], ["192.0.2.1"], ["fd00::1"], ["192.0.2.1", "fd00::1"]),
        ([], ["2001:db8::1"], ["192.0.2.1"], ["2001:db8::1", "192.0.2.1"]),
        ([], [], [], []),
    ],
)
def test_where_a_host_is_asked(given: list[str], reached: list[str], own: list[str], chosen: list[str]) -> None:
    assert run.choose(given, reached, own) == chosen


def test_an_area_that_nobody_measured_is_unknown() -> None:
    for area in AREAS:
        (only,) = run.judge(area, {}, {})
        assert only.status is Status.UNKNOWN


def request(**more: Any) -> str:
    return json.dumps(
        {
            "host": "web-1", "areas": ["health"], "measured": {"health": {"healthy": True}}, "own_addresses": [],
            "target": {"names": ["x.example.org"], "addresses": ["127.0.0.1"]}, "scan": False, "resolver": "",
            "ssh": {"address": "127.0.0.1", "port": 22}, "controls": {"playbook": "", "sources": [], "arguments": []},
            "promise": {}, **more,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("healthy", "code"), [(True, Exit.DONE), (False, Exit.FINDINGS)],
)  # fmt: skip
def test_the_command_ends_as_the_report_says(
    healthy: bool, code: Exit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    measured = {"health": {"healthy": healthy, "problem": "no answer"}}
    monkeypatch.setattr("sys.stdin", io.StringIO(request(measured=measured)))
    assert cli.run(["check", "host", "--json", "--report", str(tmp_path)]) == code
    answer = json.loads(capsys.readouterr().out)
    assert answer["drift"] is not healthy
    assert [Path(place).exists() for place in answer["files"]] == [True, True]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "web-1"}'])
def test_a_request_that_is_none_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert cli.run(["check", "host"]) == Exit.USAGE
    assert "playbooks/check.yml calls this" in capsys.readouterr().err


def test_the_role_knows_the_same_areas() -> None:
    """One fact, three readers: the role's list, its choices, and the order here."""
    variables = yaml.safe_load((ROOT / "roles/check/vars/main.yml").read_text())
    options = yaml.safe_load((ROOT / "roles/check/meta/argument_specs.yml").read_text())["argument_specs"]["main"][
        "options"
    ]
    assert tuple(variables["__check_every"]) == AREAS
    assert tuple(options["check_skip_areas"]["choices"]) == AREAS
    assert set(variables["__check_promise"]) == set(AREAS)
    assert JUDGES.keys() <= set(AREAS)
