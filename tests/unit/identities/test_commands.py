"""The commands from end to end: exit codes, files, alerts, letters, and what happens to nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from meentwerk import cli
from meentwerk.identities import cli as identities

from .samples import NEWS, TIDES, contact, organisation, roo
from .world import World

WEB = "social.tides.example.test"
PROFILE = f"https://{WEB}/@news"
SITE = "https://www.tides.example.test/"
VERIFIED = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def place(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with one account that is right, and one that belongs to nobody."""
    monkeypatch.setattr(identities, "_fetcher", lambda _config, _base: world.fetcher(seconds=2))
    world.account(NEWS, WEB, [(SITE, VERIFIED)])
    world.page(SITE, f'<link rel="me" href="{PROFILE}">')
    inside = contact(SITE, social=PROFILE)
    (tmp_path / "roo.xml").write_text(roo(organisation(TIDES, "Ministry of Tides", inside)))
    (tmp_path / "identities.yml").write_text(
        f"contact: https://example.org/robots\nregisters: [{{name: roo, kind: roo, source: roo.xml}}]\n"
        f"accounts: [{{handle: {NEWS}, organisation: {TIDES}, web_domain: {WEB}}}]\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    return cli.run(["identities", *arguments])


def states(place: Path) -> Any:
    return json.loads((place / "identities/history.json").read_text())


def test_all_is_right(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "1 accounts: 1 verified" in err
    assert f"verified: {NEWS}" in err
    names = {path.name for path in (place / "identities").iterdir()}
    assert names == {"results.json", "results.csv", "junit.xml", "identities.prom", "history.json"}
    assert run("report") == 0
    assert "link_back\tpass" in capsys.readouterr().out
    assert run("report", "--only-findings") == 0
    assert capsys.readouterr().out == ""


def test_lost_and_found_again(place: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run("check")
    world.page(SITE, "<p>redesigned")
    capsys.readouterr()
    assert run("check") == 3
    out, err = capsys.readouterr()
    assert f"ALERT {NEWS} was verified and is not any more: link_back: the page does not link back" in err
    assert f"{NEWS}\tlink_back\tfail" in out
    assert run("check") == 3
    assert "ALERT" not in capsys.readouterr().err, "told once"
    assert run("report") == 3
    world.page(SITE, f'<link rel="me" href="{PROFILE}">')
    assert run("check") == 0
    assert [event["verified"] for event in states(place)["events"]] == [True, False, True]


def test_unknown_has_an_exit_code_of_its_own(place: Path, world: World) -> None:
    run("check")
    world.page(SITE, "", 502)
    assert run("check") == 4
    assert states(place)["states"][NEWS]["verified"] is True


def test_json_for_machines(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert place
    assert run("check", "--json") == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["verdict"] == "pass"
    assert run("report", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [record]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "--config", "none.yml"], "there is no none.yml"),
        (["check", "--only", "press@tides.example.test"], "is not among the accounts"),
        (["check", "--only", "nonsense"], "is no handle"),
        (["check", "-i", "none"], "there is no inventory"),
        (["report"], "run first: meentwerk identities check"),
        (["publish", "--output", "x"], "run first"),
        (["fix"], "run first"),
    ],
)
def test_wrong_usage(
    place: Path, world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(*arguments) == 2
    assert words in capsys.readouterr().err
    assert world.asked == []
    assert not (place / "identities/results.json").exists()


def test_a_look_at_one_account_keeps_the_others(place: Path, world: World) -> None:
    world.account("press@tides.example.test", WEB, [(SITE, None)])
    more = "accounts: [{handle: press@tides.example.test, organisation: x}, "
    text = (place / "identities.yml").read_text().replace("accounts: [", more)
    (place / "identities.yml").write_text(text)
    assert run("check") == 3
    assert run("check", "--only", NEWS) == 0
    results = json.loads((place / "identities/results.json").read_text())["results"]
    assert [r["account"]["name"] for r in results] == ["press", "news"]


def test_accounts_of_an_inventory(place: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    entry: dict[str, object] = {
        "instance_domain": "tides.example.test",
        "instance_web_domain": WEB,
        "ansible_host": "192.0.2.11",
        "instance_organisation": {"name": "Ministry of Tides", "register_id": TIDES},
    }
    hosts = place / "fleet/departments"
    hosts.mkdir(parents=True)
    (hosts / "tides.yml").write_text(json.dumps({"mastodon_instances": {"hosts": {"tides": entry}}}))
    text = (place / "identities.yml").read_text()
    (place / "identities.yml").write_text(
        text.replace(f"accounts: [{{handle: {NEWS}, organisation: {TIDES}, web_domain: {WEB}}}]", "")
    )
    listing = f"https://{WEB}/api/v1/directory?local=true&order=new&limit=80&offset=0"
    world.page(listing, json.dumps([{"username": "news"}, {"username": "press"}]))
    world.account("press@tides.example.test", WEB, [(SITE, None)])
    assert run("check", "-i", "fleet") == 3
    results = json.loads((place / "identities/results.json").read_text())["results"]
    assert [r["account"]["name"] for r in results] == ["news", "press"]
    world.page(listing, "", 401)
    assert run("check", "-i", "fleet") == 4
    assert "its directory answers 401" in capsys.readouterr().err
    (place / "identities.yml").write_text(
        f"{text.splitlines()[0]}\n{text.splitlines()[1]}\naccounts: [{{handle: {NEWS}}}]\n"
    )
    assert run("check", "-i", "fleet") == 0, "the organisation comes from the entry, and nobody asks the directory"
    assert run("check") == 2
    assert "nobody says" in capsys.readouterr().err
    (place / "fleet/lists").mkdir()
    (place / "fleet/lists/tides.csv").write_text("username\npress\n")
    entry["instance_accounts"] = "lists/tides.csv"
    (hosts / "tides.yml").write_text(json.dumps({"mastodon_instances": {"hosts": {"tides": entry}}}))
    assert run("check", "-i", "fleet") == 3


def test_strangers_do_not_write_on_the_terminal(place: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert place
    world.page(f"https://{WEB}/.well-known/webfinger?resource=acct:{NEWS}", json.dumps({"subject": "\x1b[2J\x07evil"}))
    run("check")
    run("fix")
    assert "\x1b" not in "".join(capsys.readouterr())


def test_publish(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("check")
    assert run("publish", "--output", "site") == 0
    assert (place / "site/nl/index.html").is_file()
    assert "1 accounts" in capsys.readouterr().out
    (place / "other").mkdir()
    (place / "other/file").touch()
    assert run("publish", "--output", "other") == 6


def test_registers_update(place: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    text = (place / "identities.yml").read_text()
    (place / "identities.yml").write_text(text.replace("roo.xml", "https://other.example.test/roo.xml"))
    assert run("check") == 2
    assert "registers update" in capsys.readouterr().err
    world.page("https://other.example.test/roo.xml", (place / "roo.xml").read_bytes(), ETag='"1"')
    assert run("registers", "update") == 0
    assert run("check") == 0
    world.page("https://other.example.test/roo.xml", "", 500)
    assert run("registers", "update") == 1
