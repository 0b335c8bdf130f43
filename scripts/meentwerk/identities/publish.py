"""The register page: static files in every language, machine-readable data, a feed of changes, a list to follow."""

import csv
import hashlib
import io
import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict

from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit
from meentwerk.identities import results
from meentwerk.identities.config import Config
from meentwerk.identities.history import History
from meentwerk.identities.model import REQUIRED, Result, Verdict

SITE = "site"
NAMES = {"nl": "Nederlands", "en": "English"}
MARKS = {"pass": "✔", "fail": "✘", "unknown": "?"}
STATIC = ("style.css", "search.js", "icon.svg")
# Whoever is accused of imitation has not been heard: that check is for the operator, not for the public
NOT_PUBLIC = {"lookalike"}
MARK = "register.json"
FEED_ENTRIES = 100
FOLLOW_HEADER = ("Account address", "Show boosts", "Notify on new posts", "Languages")


Status = Literal["pass", "fail", "unknown"]


class _Public(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublicSource(_Public):
    """A register that was read."""

    name: str
    address: str
    date: str
    sha256: str


class PublicCheck(_Public):
    """What was checked and what was seen; in English."""

    name: str
    verdict: Status
    why: str
    evidence: list[str]


class PublicAccount(_Public):
    """An account, and whether it is proven to be its organisation's."""

    handle: str
    status: Status
    since: str | None
    checked_at: str
    organisation: str
    organisation_name: str
    display_name: str
    profile_url: str
    checks: list[PublicCheck]
    sources: list[PublicSource]


class PublicRegister(_Public):
    """register.json."""

    publisher: str
    made_at: str
    accounts: list[PublicAccount]


def visible(text: str) -> str:
    """Return a text without characters that nobody sees: they turn lines around or hide letters."""
    kept = (
        " " if letter.isspace() else letter
        for letter in text
        if unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co"} or letter.isspace()
    )
    return " ".join("".join(kept).split())


def slug(identifier: str) -> str:
    """Return the name of an organisation's page: readable, and different for different identifiers."""
    words = re.sub(r"[^a-z0-9]+", "-", identifier.lower().removeprefix("https://")).strip("-")[-60:].strip("-")
    return f"{words}-{hashlib.sha256(identifier.encode()).hexdigest()[:6]}"


def public(found: Sequence[Result], past: History, publisher: str, made_at: str) -> PublicRegister:
    """Return what everyone may know, in the order of organisations and handles."""
    accounts = [_account(result, past) for result in found]
    accounts.sort(key=lambda account: (account.organisation_name.casefold(), account.handle))
    return PublicRegister(publisher=publisher, made_at=made_at, accounts=accounts)


def _account(result: Result, past: History) -> PublicAccount:
    state = past.states.get(result.account.handle)
    verified = state.verified if state else result.verdict is Verdict.PASS
    status: Status = "pass" if verified else "unknown" if result.verdict is Verdict.UNKNOWN else "fail"
    return PublicAccount(
        handle=result.account.handle,
        status=status,
        since=state.since if state else None,
        checked_at=result.checked_at,
        organisation=result.account.organisation,
        organisation_name=visible(result.names[0] if result.names else result.account.organisation),
        display_name=visible(result.display_name),
        profile_url=result.profile_url if result.profile_url.startswith("https://") else "",
        checks=[
            PublicCheck(
                name=check.name,
                verdict=check.verdict.value,
                why=visible(check.why),
                evidence=[visible(line) for line in check.evidence],
            )
            for check in result.checks
            if check.name not in NOT_PUBLIC
        ],
        sources=[
            PublicSource(name=source.register, address=source.address, date=source.date, sha256=source.sha256)
            for source in result.sources
        ],
    )


def words(language: str) -> dict[str, Any]:
    """Return the page's words in a language."""
    text = (resources.files("meentwerk.identities") / SITE / f"{language}.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def follow_list(register: PublicRegister) -> str:
    """Return the verified accounts as Mastodon's import takes them (Form::Import, type `following`)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FOLLOW_HEADER)
    for account in register.accounts:
        if account.status == "pass":
            writer.writerow([account.handle, "true", "false", ""])
    return out.getvalue()


def schema(site: str) -> dict[str, Any]:
    """Return the JSON Schema of register.json."""
    made = PublicRegister.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{site}/register.schema.json", **made}


def publish(output: Path, found: Sequence[Result], past: History, settings: Config) -> int:
    """Make the site in `output`, whole or not at all; return the number of its files."""
    if output.exists() and not (output.is_dir() and ((output / MARK).is_file() or not any(output.iterdir()))):
        cure = "give an empty folder, or one that this command made"
        raise MeentwerkError(f"{output} holds something else and is not replaced", cure, Exit.REFUSED)
    output.parent.mkdir(parents=True, exist_ok=True)
    made_at = results.now()
    register = public(found, past, settings.publisher.name, made_at)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as scratch:
        new = Path(scratch) / "new"
        _write(new, register, past, settings)
        count = sum(path.is_file() for path in new.rglob("*"))
        if output.exists():
            output.rename(Path(scratch) / "old")
        new.rename(output)
    return count


def _write(folder: Path, register: PublicRegister, past: History, settings: Config) -> None:
    folder.mkdir(mode=0o755)
    data = {"$schema": f"{settings.site}/register.schema.json", **register.model_dump(mode="json")}
    _put(folder / MARK, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    _put(folder / "register.schema.json", json.dumps(_with_schema_key(schema(settings.site)), indent=1) + "\n")
    _put(folder / "follow.csv", follow_list(register))
    for name in STATIC:
        shutil.copyfile(str(resources.files("meentwerk.identities") / SITE / name), folder / name)
    templates = _templates()
    texts = {language: words(language) for language in settings.languages}
    common = {"publisher": settings.publisher, "site": settings.site, "languages": settings.languages}
    common |= {"made_at": register.made_at, "marks": MARKS, "names": NAMES, "texts": texts}
    _put(folder / "index.html", templates.get_template("root.html.j2").render(**common))
    organisations = _organisations(register)
    shown = [{**account.model_dump(), "organisation_slug": slug(account.organisation)} for account in register.accounts]
    known = {account.handle for account in register.accounts}
    events = [event for event in past.events if event.handle in known][:FEED_ENTRIES]
    for language in settings.languages:
        pages = _Pages(folder / language, templates, {**common, "language": language, "text": texts[language]})
        pages.make("index.html", "index.html.j2", accounts=shown)
        pages.make("how.html", "how.html.j2", check_names=list(texts[language]["checks"]), required=REQUIRED)
        pages.make("feed.xml", "feed.xml.j2", events=events)
        for organisation in organisations:
            pages.make(f"o/{organisation['slug']}.html", "organisation.html.j2", organisation=organisation)
        for account in shown:
            pages.make(f"a/{account['handle']}.html", "account.html.j2", account=account)


def _with_schema_key(made: dict[str, Any]) -> dict[str, Any]:
    """Allow the document to name its schema, which is no part of the data."""
    made["properties"]["$schema"] = {"type": "string"}
    return made


class _Pages:
    """Writes the pages of one language."""

    def __init__(self, folder: Path, templates: Environment, values: dict[str, Any]) -> None:
        self._folder, self._templates, self._values = folder, templates, values
        for part in (folder, folder / "o", folder / "a"):
            part.mkdir(mode=0o755)

    def make(self, page: str, template: str, **values: object) -> None:
        """Write one page."""
        text = self._templates.get_template(template).render(**self._values, page=page, **values)
        _put(self._folder / page, text)


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("meentwerk.identities", SITE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = lambda text: f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
    return environment


def _organisations(register: PublicRegister) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for account in register.accounts:
        made = found.setdefault(
            account.organisation,
            {
                "slug": slug(account.organisation),
                "identifier": account.organisation,
                "name": account.organisation_name,
                "sources": account.sources,
                "accounts": [],
            },
        )
        made["accounts"].append(account)
    return list(found.values())


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
