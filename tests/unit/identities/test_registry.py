"""What registers say together: joined organisations, domains claimed twice, domains that look alike; downloads."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from meentwerk.errors import UsageError
from meentwerk.identities import registry
from meentwerk.identities.config import Config
from meentwerk.identities.model import Domain

from .samples import LAKES, TIDES, contact, organisation, roo
from .world import World

CSV = f"identifier,name,domains\n{TIDES},Ministry of Tides,waves.example.test\n"


def config(*registers: dict[str, Any]) -> Config:
    return Config.model_validate({"contact": "https://example.org", "registers": list(registers)})


def load(tmp_path: Path, text: str, *wanted: str) -> registry.Registry:
    (tmp_path / "roo.xml").write_text(text)
    settings = config({"name": "roo", "kind": "roo", "source": "roo.xml"})
    return registry.load(settings, tmp_path, tmp_path / "cache", set(wanted))


def test_two_registers_are_joined_by_identifier(tmp_path: Path) -> None:
    (tmp_path / "roo.xml").write_text(roo(organisation(TIDES, "Tides", contact("https://tides.example.test"))))
    (tmp_path / "more.csv").write_text(CSV)
    settings = config(
        {"name": "roo", "kind": "roo", "source": "roo.xml"}, {"name": "more", "kind": "csv", "source": "more.csv"}
    )
    found = registry.load(settings, tmp_path, tmp_path / "cache", {TIDES + "/"}).get(TIDES)
    assert found is not None
    assert found.domains == (Domain("tides.example.test"), Domain("waves.example.test"))
    assert [source.register for source in found.sources] == ["roo", "more"]
    assert all(len(source.sha256) == 64 and source.date for source in found.sources)


def test_a_domain_claimed_twice(tmp_path: Path) -> None:
    both = contact("https://tides.example.test")
    text = roo(organisation(TIDES, "Tides", both), organisation(LAKES, "Lakes", both, number="2"))
    known = load(tmp_path, text, TIDES)
    tides = known.get(TIDES)
    assert tides is not None
    assert known.other_claims(tides, "tides.example.test") == {LAKES: "Lakes"}


def test_who_contains_an_organisation_may_share_its_site(tmp_path: Path) -> None:
    both = contact("https://tides.example.test")
    inner = organisation(LAKES, "Lakes", both, number="2")
    known = load(
        tmp_path, roo(organisation(TIDES, "Tides", f"{both}<p:organisaties>{inner}</p:organisaties>")), TIDES, LAKES
    )
    tides, lakes = known.get(TIDES), known.get(LAKES)
    assert tides is not None
    assert lakes is not None
    assert known.other_claims(tides, "tides.example.test") == {}
    assert known.other_claims(lakes, "tides.example.test") == {}


def test_a_domain_that_looks_like_another(tmp_path: Path) -> None:
    text = roo(
        organisation(TIDES, "Tides", contact("https://morning.example.test")),
        organisation(LAKES, "Impostor", contact("https://moming.example.test"), number="2"),
    )
    known = load(tmp_path, text, TIDES)
    assert known.lookalikes == {"morning.example.test": {"moming.example.test": "Impostor"}}


def test_a_register_that_is_not_there(tmp_path: Path) -> None:
    settings = config({"name": "roo", "kind": "roo", "source": "https://register.example.org/roo.xml"})
    with pytest.raises(UsageError, match="registers update"):
        registry.load(settings, tmp_path, tmp_path / "cache", {TIDES})


ADDRESS = "https://other.example.test/roo.xml"


def download(world: World, tmp_path: Path, **options: Any) -> registry.Download:
    settings = config({"name": "roo", "kind": "roo", "source": ADDRESS, **options})
    (one,) = registry.download_all(settings, tmp_path, world.fetcher())
    return one


def test_a_download_is_kept_and_asked_for_by_its_etag(world: World, tmp_path: Path) -> None:
    text = roo(organisation(TIDES, "Tides"))
    world.page(ADDRESS, text, ETag='"one"')
    assert download(world, tmp_path).outcome == "updated"
    assert (tmp_path / "roo/register").read_text() == text
    seen = []

    def asked(handler: Any) -> None:
        seen.append(handler.headers["If-None-Match"])
        handler.send_response(304)
        handler.end_headers()

    world.pages["other.example.test", "/roo.xml"] = asked
    assert download(world, tmp_path).outcome == "unchanged"
    assert seen == ['"one"']


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ("<html>Sign in", 200, "is not read"),
        (roo(organisation(TIDES, "Tides"))[:-20], 200, "damaged or cut off"),
        (roo(), 200, "holds no organisation"),
        ("", 500, "answers 500"),
        ("x" * 1_100_000, 200, "larger than 1 MB"),
    ],
)
def test_a_bad_download_leaves_the_good_one(world: World, tmp_path: Path, body: str, status: int, why: str) -> None:
    good = roo(organisation(TIDES, "Tides"))
    world.page(ADDRESS, good)
    download(world, tmp_path)
    world.page(ADDRESS, body, status)
    one = download(world, tmp_path, max_mb=1)
    assert one.outcome == "failed"
    assert why in one.detail
    assert (tmp_path / "roo/register").read_text() == good
    assert sorted(path.name for path in (tmp_path / "roo").iterdir()) == ["download.json", "register"]


def test_a_download_never_leaves_https(world: World) -> None:
    with pytest.raises(ValueError, match="neither an https address nor a file"):
        config({"name": "roo", "kind": "roo", "source": "http://other.example.test/roo.xml"})
    assert asyncio.run(world.fetcher().get(ADDRESS)).status == 404
