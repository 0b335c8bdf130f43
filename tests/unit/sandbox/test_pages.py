from pathlib import Path

import pytest
from meentwerk_sandbox import release
from meentwerk_sandbox.config import ROOT

PAGES = sorted(path for path in (ROOT / "templates").glob("*.html") if not path.name.startswith("_"))


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "layout.html"], ids=lambda path: path.name)
def test_every_page_uses_the_layout_that_says_what_this_is(path: Path) -> None:
    assert path.read_text().startswith('{% extends "layout.html" %}')


def test_the_layout_says_what_this_is() -> None:
    layout = (ROOT / "templates" / "layout.html").read_text()
    assert "{{ notice }}" in layout
    assert "not Mastodon" in release.NOTICE


@pytest.mark.parametrize("path", sorted((ROOT / "public").glob("*.html")), ids=lambda path: path.name)
def test_static_error_pages_say_so_too(path: Path) -> None:
    assert release.NOTICE in path.read_text()
