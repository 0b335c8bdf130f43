"""The register page: whole, in both languages, valid for whoever reads it, and hostile names stay text."""

import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import feedparser  # type: ignore[import-untyped]
import jsonschema
import pytest
from lxml import etree  # type: ignore[import-untyped]
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit
from meentwerk.identities import history, publish
from meentwerk.identities.config import Config
from meentwerk.identities.model import Check, Result, Verdict

from .samples import LAKES, NEWS, account, result

EVIL = "evil@lakes.example.test"
HOSTILE = "<script>alert(1)</script>\u202e\x00\"'><img src=x onerror=alert(2)>{{7*7}}"
SETTINGS = Config.model_validate(
    {
        "contact": "https://example.org",
        "site": "https://register.example.org/",
        "publisher": {"name": "Register & co <b>", "contact": "https://example.org/contact"},
        "registers": [{"name": "roo", "kind": "roo", "source": "roo.xml"}],
    }
)


def found() -> list[Result]:
    hostile = replace(result(EVIL, Verdict.FAIL, name=HOSTILE), names=(HOSTILE,))
    hostile = replace(hostile, account=account(EVIL, LAKES))
    accused = Check("lookalike", Verdict.FAIL, "impostor@remote.example.test shows itself as 'News'")
    whole = result()
    return [
        replace(whole, checks=(*whole.checks, accused)),
        hostile,
        result("away@tides.example.test", Verdict.UNKNOWN),
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "site"
    before = [result(EVIL, at="2026-10-01T10:00:00+00:00")]
    past, _ = history.advance(history.History({}, []), before)
    past, _ = history.advance(past, found())
    publish.publish(folder, found(), past, SETTINGS)
    return folder


class Page(HTMLParser):
    """What a page links to, and what could run."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.active: list[str] = []
        self.language = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [values[name] or "" for name in ("href", "src") if name in values]
        self.active += [tag] if tag in {"script", "iframe", "object", "style", "img"} else []
        self.active += [name for name in values if name.startswith("on") or name == "style"]
        if tag == "html":
            self.language = values.get("lang") or ""


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_page_exists_in_every_language(site: Path) -> None:
    names = {lang: sorted(str(p.relative_to(site / lang)) for p in (site / lang).rglob("*")) for lang in ("nl", "en")}
    assert names["nl"] == names["en"]
    assert f"a/{NEWS}.html" in names["nl"]
    assert len([name for name in names["nl"] if name.startswith("o/")]) == 2
    for page in pages(site):
        if page.parent != site:
            assert Page(page).language == page.relative_to(site).parts[0]


def test_the_languages_have_the_same_words() -> None:
    def keys(node: Any, at: str = "") -> set[str]:
        if isinstance(node, dict):
            return {at} | {key for name, child in node.items() for key in keys(child, f"{at}.{name}")}
        return {f"{at}[{len(node)}]"} if isinstance(node, list) else {at}

    assert keys(publish.words("nl")) == keys(publish.words("en"))


def test_links_within_the_site_lead_somewhere_and_nothing_else_is_loaded(site: Path) -> None:
    for page in pages(site):
        read = Page(page)
        assert set(read.active) <= {"script"}
        if "script" in read.active:
            assert page.name == "index.html"
            assert "<script src=" in page.read_text()
        for link in read.links:
            if link.startswith("/"):
                target = site / link[1:].replace("%40", "@")
                assert target.is_file(), f"{page}: {link}"
            else:
                assert link.startswith(("https://", "#")), f"{page}: {link}"


def test_hostile_names_are_text(site: Path) -> None:
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "\u202e" not in text
        assert "\x00" not in text
        assert "49" not in re.sub(r"[0-9a-f]{64}|\d{4}-\d\d-\d\d|\d\d:\d\d|-[0-9a-f]{6}", "", text)
    shown = (site / f"en/a/{EVIL}.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_a_page_can_be_read_without_a_script(site: Path) -> None:
    text = (site / "en/index.html").read_text()
    assert text.count('<li data-status="') == 3
    assert 'role="search" hidden' in text, "a field that does nothing is not shown"


def test_who_is_accused_of_imitation_is_not_published(site: Path) -> None:
    everything = "".join(path.read_text() for path in site.rglob("*") if path.is_file())
    assert "impostor" not in everything


def test_json_holds_to_its_schema(site: Path) -> None:
    data = json.loads((site / "register.json").read_text())
    schema = json.loads((site / "register.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema, cls=jsonschema.Draft202012Validator)
    assert data["$schema"] == schema["$id"] == "https://register.example.org/register.schema.json"
    assert {a["handle"]: a["status"] for a in data["accounts"]} == {
        NEWS: "pass",
        "away@tides.example.test": "unknown",
        EVIL: "fail",
    }
    data["accounts"][0]["status"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


def test_only_verified_accounts_are_on_the_follow_list(site: Path) -> None:
    rows = list(csv.reader((site / "follow.csv").open(newline="")))
    assert rows == [["Account address", "Show boosts", "Notify on new posts", "Languages"], [NEWS, "true", "false", ""]]


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_feed_is_atom(site: Path, language: str) -> None:
    """By the grammar that RFC 4287 prints, and by a parser that subscribers use."""
    path = site / language / "feed.xml"
    # lxml reads the compact form by the package rnc2rng
    check = etree.RelaxNG.from_rnc_string(Path(__file__).with_name("atom.rnc").read_text())
    document = etree.parse(str(path))
    check.assertValid(document)
    entry = next(iter(document.getroot().iter("{http://www.w3.org/2005/Atom}entry")))
    entry.remove(entry.find("{http://www.w3.org/2005/Atom}updated"))
    assert not check.validate(document), "the grammar sees an entry without a date"
    feed = feedparser.parse(path.read_bytes())
    assert not feed.bozo, feed.get("bozo_exception")
    assert feed.version == "atom10"
    assert feed.feed.title.startswith("Register & co <b>")
    assert len(feed.entries) == 3
    assert len({item.id for item in feed.entries}) == 3
    dates = [item.updated for item in feed.entries]
    assert dates == sorted(dates, reverse=True)
    assert feed.feed.updated == dates[0]


def test_what_is_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.jpg").write_text("x")
    for place in (tmp_path / "mine", tmp_path / "mine/photo.jpg"):
        with pytest.raises(MeentwerkError) as caught:
            publish.publish(place, found(), history.History({}, []), SETTINGS)
        assert caught.value.exit is Exit.REFUSED
    assert (tmp_path / "mine/photo.jpg").read_text() == "x"


def test_pages_that_are_gone_go_and_a_failure_leaves_the_old_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "site"
    publish.publish(place, found(), history.History({}, []), SETTINGS)
    publish.publish(place, found()[:1], history.History({}, []), SETTINGS)
    assert [path.name for path in (place / "en/a").iterdir()] == [f"{NEWS}.html"]
    monkeypatch.setattr(publish, "follow_list", lambda _register: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish.publish(place, found(), history.History({}, []), SETTINGS)
    assert (place / "follow.csv").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"], "nothing half made is left"


def test_the_templates_travel_with_the_package(tmp_path: Path) -> None:
    """As pip installs it elsewhere, not only from this clone."""
    root = Path(__file__).parents[3]
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(root / "scripts/meentwerk", source / "scripts/meentwerk", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, capture_output=True)
    held = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    folder = root / "scripts/meentwerk/identities/site"
    assert {f"meentwerk/identities/site/{path.name}" for path in folder.iterdir() if path.is_file()} <= held
