"""The public account of what is limited and why: pages in Dutch and English, JSON, and a text for the about page."""

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meentwerk.files import replace_file
from meentwerk.moderation import names
from meentwerk.moderation.policy import Policy, Wanted
from meentwerk.moderation.sections import STRICTNESS, Fields
from meentwerk.moderation.state import State

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGES = ("nl", "en")
NO_REASON = {"nl": "geen openbare toelichting", "en": "no public comment"}


def write(folder: Path, policy: Policy, state: State | None, organisation: str) -> list[Path]:
    """Write limits.json, limits.LANGUAGE.html and about.LANGUAGE.md into a folder, each whole; return their paths."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape  # noqa: PLC0415  # slow to load

    folder.mkdir(parents=True, exist_ok=True)
    entries = limited(policy, state)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = _plain
    today = datetime.now(UTC).date().isoformat()
    document = {"organisation": organisation, "date": today, "domain_blocks": entries, "allows": _allows(policy)}
    files = {"limits.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n"}
    for language in LANGUAGES:
        for name in ("limits.html", "about.md"):
            stem, _, ending = name.partition(".")
            template = environment.get_template(f"{stem}.{language}.{ending}")
            files[f"{stem}.{language}.{ending}"] = template.render(document)
    for name, text in files.items():
        replace_file(folder / name, text, 0o644)
    return [folder / name for name in files]


def _plain(text: str) -> str:
    """Return a text on one line in which neither Markdown nor HTML means anything."""
    return re.sub(r"([\\\\`*_{}\[\]#|~])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def limited(policy: Policy, state: State | None) -> list[dict[str, Any]]:
    """Return the limited servers by strictness and name, as visitors may see them.

    Private comments, reasons and plain noop are not for visitors; a hidden name has its middle replaced, and the
    SHA-256 by which a visitor can test a guess, as Mastodon shows it. With a `state`, only what is in force counts.
    """
    wanted = policy.sections.get("domain_blocks", {})
    shown: Mapping[str, Fields]
    if state is None:
        shown = {key: one.fields for key, one in wanted.items()}
    else:
        shown = {key: record.fields for key, record in state.sections.get("domain_blocks", {}).items()}
    rows = [
        _row(key, fields, wanted.get(key))
        for key, fields in shown.items()
        if fields["severity"] != "noop" or fields["reject_media"] or fields["reject_reports"]
    ]
    return sorted(rows, key=lambda row: (-STRICTNESS[row["severity"]], row["domain"]))


def _row(key: str, fields: Fields, wanted: Wanted | None) -> dict[str, Any]:
    said = str(fields["public_comment"])
    translated = wanted.published if wanted else {}
    return {
        "domain": names.obfuscated(key) if fields["obfuscate"] else key,
        "digest": names.digest(key),
        "severity": str(fields["severity"]),
        "reject_media": bool(fields["reject_media"]),
        "reject_reports": bool(fields["reject_reports"]),
        "comment": {language: translated.get(language) or said or NO_REASON[language] for language in LANGUAGES},
    }


def _allows(policy: Policy) -> list[str]:
    return sorted(policy.sections.get("domain_allows", {}))
