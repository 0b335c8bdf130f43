"""The command as a person and as a program use it: output, exit codes, files."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from meentwerk import cli
from meentwerk.exits import Exit
from meentwerk.moderation import connect as connecting
from meentwerk.moderation import names

from .conftest import Lay, by_both
from .strict import Strict

EXAMPLE = Path(__file__).parents[3] / "policies/example"
SPAM = {"domain": "spam.example.com", "severity": "suspend", "reason": "Spam"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Strict]:
    """A server that every command reaches."""
    strict = Strict()
    monkeypatch.setattr(connecting, "_ways", lambda _target, _inventory: by_both(strict))
    yield strict


def run(*arguments: object) -> int:
    return cli.run(["moderation", *(str(argument) for argument in arguments)])


def test_lint_says_where_and_ends_with_2(lay: Lay, capsys: pytest.CaptureFixture[str]) -> None:
    file = lay(domain_blocks=[{"domain": "*.spam.example", "reason": "Spam"}])
    assert run("lint", "-p", file) == Exit.USAGE
    out = capsys.readouterr().out
    assert re.search(r"organisation\.yml:4:11  domain_blocks, item 1, domain\n    .*\n    Write spam\.example", out)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"domain_blocks": [SPAM]}, Exit.DONE),
        ({"domain_blocks": [{**SPAM, "domain": "nl"}]}, Exit.FINDINGS),
        ({"domain_blocks": [{**SPAM, "expires": "2020-01-01"}]}, Exit.FINDINGS),
    ],
)
def test_lint_ends_as_it_found(lay: Lay, body: dict[str, Any], code: Exit, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", "-p", lay(**body)) == code
    capsys.readouterr()
    assert run("lint", "-p", lay(**body), "--json") == code
    answer = json.loads(capsys.readouterr().out)
    assert bool(answer["guards"] or answer["remarks"]) == (code is Exit.FINDINGS)


def test_the_example_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", "-p", EXAMPLE / "organisation.yml", "-p", EXAMPLE / "railways.yml") == Exit.DONE


def test_from_plan_to_second_apply(
    lay: Lay, server: Strict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, kept = lay(domain_blocks=[SPAM, {"domain": "loud.example.com", "reason": "Noise"}]), tmp_path / "tides.plan"
    assert run("plan", "-p", file, "--out", kept) == Exit.FINDINGS
    out = capsys.readouterr().out
    assert "domain blocks: +2 create" in out
    assert "+ spam.example.com  suspend  «Spam»  [organisation.yml:4]" in out
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert server.writes() == 0
    assert run("diff", "-p", file) == Exit.FINDINGS
    assert "+severity: suspend" in capsys.readouterr().out
    assert run("apply", kept, "--audit", tmp_path / "audit.jsonl") == Exit.DONE
    assert "2 changes made and read back" in capsys.readouterr().out
    assert run("apply", kept) == Exit.REFUSED
    assert "changed since" in capsys.readouterr().err
    for verb in ("plan", "apply", "diff"):
        assert run(verb, "-p", file, "--json") == Exit.DONE
        answer = json.loads(capsys.readouterr().out)
        assert not answer.get("changes")
        assert not answer.get("drift")
    assert server.writes() == 2


def test_drift_is_shown_field_by_field(lay: Lay, server: Strict, capsys: pytest.CaptureFixture[str]) -> None:
    file = lay(ownership={"domain_blocks": "exclusive"}, domain_blocks=[SPAM])
    server.block("spam.example.com", "silence", private_comment="Spam")
    server.block("hand.example.com")
    assert run("diff", "-p", file) == Exit.FINDINGS
    out = capsys.readouterr().out
    assert "-severity: silence\n+severity: suspend\n" in out
    assert "@@ domain block hand.example.com\n-severity: silence\n" in out
    assert run("diff", "-p", file, "--json") == Exit.FINDINGS
    drift = json.loads(capsys.readouterr().out)["drift"]
    assert [(it["key"], it["differs"]) for it in drift] == [
        ("spam.example.com", ["severity"]),
        ("hand.example.com", []),
    ]


def test_a_guard_ends_with_6_and_is_let_through_by_name(
    lay: Lay, server: Strict, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lay(domain_blocks=[{**SPAM, "domain": "tides.example.org"}])
    assert run("plan", "-p", file) == Exit.REFUSED
    assert "refused by the guard own-domains" in capsys.readouterr().out
    assert run("apply", "-p", file) == Exit.REFUSED
    assert run("apply", "-p", file, "--override", "own-domain") == Exit.USAGE
    assert run("apply", "-p", file, "--override", "own-domains") == Exit.DONE


def test_what_fails_ends_with_4(lay: Lay, server: Strict, capsys: pytest.CaptureFixture[str]) -> None:
    server.deaf = frozenset({"203.0.113.0/24"})
    server.post("/api/v1/admin/ip_blocks", {"ip": "203.0.113.0/24", "severity": "sign_up_block"})
    block = {"ip": "203.0.113.0/24", "severity": "no_access", "reason": "x"}
    file = lay(ip_blocks=[block], domain_blocks=[SPAM], ownership={"ip_blocks": "exclusive"})
    assert run("apply", "-p", file) == Exit.PARTIAL
    assert "failed: IP block 203.0.113.0/24: the server said yes, but" in capsys.readouterr().out


def test_what_a_server_has_becomes_a_layer_that_changes_nothing(
    lay: Lay, server: Strict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.block("spam.example.com", "suspend", public_comment="Spam: all of it", private_comment="Wave of May")
    server.block("loud.example.com", "silence", private_comment="line one\nline two", obfuscate=True)
    server.post("/api/v1/admin/ip_blocks", {"ip": "203.0.113.0/24", "severity": "sign_up_block", "expires_in": 86_400})
    server.post("/api/v1/admin/domain_allows", {"domain": "city.example.net"})
    server.post("/api/v1/admin/email_domain_blocks", {"domain": "x.example.com", "allow_with_approval": True})
    server.post("/api/v1/admin/canonical_email_blocks", {"canonical_email_hash": "a" * 64})
    server.rules = [
        {"id": "1", "text": "Be kind.", "hint": "", "translations": {"nl": {"text": "Aardig.", "hint": ""}}}
    ]
    out = tmp_path / "found.yml"
    assert run("import", "--layer", "tides", "--exclusive", "--out", out) == Exit.DONE
    assert "reason: Wave of May" in out.read_text()
    assert run("plan", "-p", out, "--json") == Exit.DONE
    assert run("import", "--out", out) == Exit.REFUSED, "an existing file is never overwritten"


def test_a_list_becomes_a_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "community.yml"
    assert run("import", "--list", EXAMPLE / "lists/community.csv", "--out", out) == Exit.DONE
    assert run("lint", "-p", out) == Exit.DONE
    broken = tmp_path / "broken.csv"
    broken.write_text("domain\nno domain\n")
    assert run("import", "--list", broken) == Exit.USAGE


def test_what_is_exported_is_what_mastodon_imports(lay: Lay, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = {"domain": "quiet.example.com", "severity": "noop", "reason": "Watched"}
    file = lay(domain_blocks=[{**SPAM, "public_comment": "Spam, scams", "obfuscate": True}, quiet])
    assert run("export", "-p", file) == Exit.DONE
    assert capsys.readouterr().out.splitlines() == [
        "#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate",
        'spam.example.com,suspend,false,false,"Spam, scams",true',
    ]


def test_the_public_sees_what_is_in_force_and_nothing_private(
    lay: Lay, server: Strict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.block("spam.example.com", "suspend", public_comment="<b>Spam</b>", private_comment="see ticket 7")
    server.block("hidden.example.com", "silence", obfuscate=True)
    server.block("watched.example.com", "noop", private_comment="see ticket 8")
    file = lay(
        domain_blocks=[{**SPAM, "published": {"nl": "Reclame"}}, {"domain": "planned.example.com", "reason": "x"}]
    )
    folder = tmp_path / "public"
    options = ["-p", file, "--server", "https://tides.example.org", "--organisation", "Ministry of Tides"]
    assert run("publish", folder, *options) == Exit.DONE
    assert sorted(path.name for path in folder.iterdir()) == [
        "about.en.md", "about.nl.md", "limits.en.html", "limits.json", "limits.nl.html",
    ]  # fmt: skip
    everything = "".join(path.read_text() for path in folder.iterdir())
    for secret in ("ticket", "watched", "hidden.example.com", "planned"):
        assert secret not in everything
    assert not [path for path in folder.glob("*.[hm]*") if "<b>Spam" in path.read_text()]
    dutch, english = (folder / "limits.nl.html").read_text(), (folder / "limits.en.html").read_text()
    assert "Reclame" in dutch
    assert "&lt;b&gt;Spam&lt;/b&gt;" in english
    assert '<html lang="nl">' in dutch
    assert [row["domain"] for row in json.loads((folder / "limits.json").read_text())["domain_blocks"]] == [
        "spam.example.com",
        names.obfuscated("hidden.example.com"),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan"], "no policy"),
        (["plan", "-p", "/nowhere.yml"], "no layer"),
        (["plan", "--instance", "tides"], "inventory"),
        (["apply", "/nowhere.plan", "--server", "https://tides.example.org"], "no plan"),
        (["diff", "-p", EXAMPLE / "organisation.yml", "--server", "http://tides.example.org"], "not encrypted"),
        (["diff", "-p", EXAMPLE / "organisation.yml"], "no server"),
        (["diff", "-p", EXAMPLE / "organisation.yml", "--server", "https://tides.example.org"], "no token"),
        (["import"], "no server"),
    ],
)
def test_what_does_not_fit_together_is_said(
    arguments: list[object], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MEENTWERK_TOKEN", raising=False)
    if "/nowhere.plan" in arguments:
        monkeypatch.setenv("MEENTWERK_TOKEN", "x" * 20)
    assert run(*arguments) == Exit.USAGE
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 2
