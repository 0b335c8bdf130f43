"""Documents hold: links lead somewhere, generated pages are fresh, tables match the code."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from meentwerk import reference
from meentwerk.exits import Exit
from meentwerk.secrets.catalogue import KINDS

from .conftest import ROLES, ROOT, name_of

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "roles/*/*.md", "sandbox/*.md", "inventories/*/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+(?:\([^()]*\))?)\)")


def prose(path: Path) -> str:
    """A document without its code blocks."""
    return re.sub(r"^(```|~~~).*?^\1", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """What a link may have behind its #, as code hosts make it from headings."""
    headings = re.findall(r"^#+ +(.*?) *#*$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (document.parent / place).resolve() if place else document
        if not target.exists():
            broken.append(f"{link}: no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            broken.append(f"{link}: no such heading")
    assert not broken, f"{name_of(document)}: {broken}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_scripts_that_it_names_exist(document: Path) -> None:
    named = set(re.findall(r"(?<![\w/.])(scripts/[a-z][\w-]*)(?![\w./-])", document.read_text()))
    gone = sorted(name for name in named if not (ROOT / name).exists())
    assert not gone, f"{name_of(document)} names what does not exist: {gone}"


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = {str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md")} - {"README.md"}
    missing = sorted(page for page in pages if f"({page})" not in index)
    assert not missing, f"docs/README.md does not link {missing}"


def test_the_reference_of_variables_is_fresh() -> None:
    assert reference.REFERENCE.read_text() == reference.render(ROOT / "roles"), (
        "docs/variables.md is stale: run scripts/generate-reference and commit it"
    )


def test_the_architecture_lists_the_exit_codes() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    rows = {int(code): name for code, name in re.findall(r"^\| (\d+) \| ([a-z ]+?) \|", text, flags=re.MULTILINE)}
    assert rows == {code.value: code.name.lower().replace("_", " ") for code in Exit}


def test_the_architecture_names_every_role() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    missing = [role.name for role in ROLES if f"`{role.name}`" not in text]
    assert not missing, f"docs/architecture.md does not name the roles {missing}"


def test_the_tests_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`((?:tests|molecule)/[\w./-]+)`", text))
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert named
    assert not missing, f"docs/architecture.md names what does not exist: {missing}"


def test_the_page_on_secrets_describes_each() -> None:
    text = (ROOT / "docs/secrets.md").read_text()
    missing = [name for name in KINDS if f"`{name}`" not in text]
    assert not missing, f"docs/secrets.md does not describe {missing}"


def test_the_changelog_has_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert version in headings or headings == ["Unreleased"], f"CHANGELOG.md has no section for {version}"


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    articles = [int(number) for number in re.findall(r"^(\d+)\.\s?[A-Z]", text, flags=re.MULTILINE)]
    assert articles == list(range(1, 16))
    assert "EUROPEAN UNION PUBLIC LICENCE v. 1.2" in text
    assert "Appendix" in text
