"""Many accounts: progress that can be read, one question once, names that look alike across the fleet and beyond."""

import json

import pytest
from meentwerk.identities import run
from meentwerk.identities.model import Domain, Organisation, Verdict
from meentwerk.identities.registry import Registry

from .samples import SOURCE, TIDES, account
from .world import World

ORGANISATION = Organisation((TIDES,), ("Ministry",), domains=(Domain("tides.example.test"),), sources=(SOURCE,))
OTHER = "https://register.example.org/other"


def test_progress_says_how_fast_and_how_long() -> None:
    progress = run.Progress(300)
    progress.done = 60
    assert progress.line(20.0) == "60 of 300 accounts, 3.0 a second, 80 s left"
    assert run.Progress(5).line(0.0).endswith("...")


def test_progress_in_a_log_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "SECONDS_BETWEEN_LINES", 0.0)
    progress = run.Progress(2)
    progress.step()
    progress.step()
    progress.end()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["1", "2", "looked"]


def looks(
    world: World, *handles: tuple[str, str, str], servers: tuple[str, ...] = ()
) -> dict[str, tuple[Verdict, str]]:
    """Check accounts (handle, organisation, display name); return their lookalike check."""
    for handle, _, title in handles:
        world.account(handle)
        name, _, domain = handle.partition("@")
        shown = {"url": f"https://{domain}/@{name}", "display_name": title, "fields": []}
        world.page(f"https://{domain}/api/v1/accounts/lookup?acct={name}", json.dumps(shown))
    accounts = [account(handle, organisation, handle.partition("@")[2]) for handle, organisation, _ in handles]
    results = run.judge_all(accounts, Registry({TIDES: ORGANISATION}), world.fetcher(seconds=2), servers)
    found = {}
    for result in results:
        check = result.check("lookalike")
        assert check is not None
        found[result.account.handle] = (check.verdict, check.why)
    return found


def test_names_in_the_fleet(world: World) -> None:
    found = looks(
        world,
        ("news@tides.example.test", TIDES, "Ministry of Tides"),
        ("nevvs@tides.example.test", TIDES, "Something else"),
        ("press@lakes.example.test", OTHER, "Ministry of Tıdes"),  # noqa: RUF001  # that is the point
        ("water@lakes.example.test", OTHER, "Water\u202eretaw"),
        ("plain@lakes.example.test", OTHER, "Plain"),
    )
    assert "its handle looks like that of nevvs@tides.example.test" in found["news@tides.example.test"][1]
    assert "its display name looks like that of press@lakes.example.test" in found["news@tides.example.test"][1]
    assert "nobody sees" in found["water@lakes.example.test"][1]
    assert found["plain@lakes.example.test"][0] is Verdict.PASS


def test_names_on_known_servers(world: World) -> None:
    fleet = ("news@tides.example.test", TIDES, "Ministry of Tides")
    place = "https://remote.example.test/api/v1/accounts/lookup?acct=news"
    world.page(place, json.dumps({"display_name": "Ministry οf Tides"}))  # noqa: RUF001  # a Greek letter
    found = looks(world, fleet, servers=("remote.example.test",))["news@tides.example.test"]
    assert found[0] is Verdict.FAIL
    assert "news@remote.example.test shows itself as" in found[1]
    assert "\\u03bf" in found[1], "what cannot be told apart is written out"
    world.page(place, json.dumps({"display_name": "Somebody"}))
    assert looks(world, fleet, servers=("remote.example.test",))["news@tides.example.test"][0] is Verdict.PASS
    world.page(place, "", 404)
    assert looks(world, fleet, servers=("remote.example.test",))["news@tides.example.test"][0] is Verdict.PASS
    world.page(place, "", 503)
    assert looks(world, fleet, servers=("remote.example.test",))["news@tides.example.test"][0] is Verdict.UNKNOWN


def test_a_domain_is_asked_once_for_all_its_accounts(world: World) -> None:
    looks(world, *((f"news{n}@tides.example.test", TIDES, f"Title {n}") for n in "abc"))
    assert [path for _, _, path in world.asked].count("/.well-known/host-meta") == 1
