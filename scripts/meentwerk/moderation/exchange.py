"""Policies from servers and lists, and lists from policies."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from meentwerk.errors import UsageError
from meentwerk.moderation import lists, show
from meentwerk.moderation.audit import AuditLog
from meentwerk.moderation.lists import FLAGS
from meentwerk.moderation.policy import Policy
from meentwerk.moderation.sections import BY_NAME, LISTS, STRICTNESS, Name
from meentwerk.moderation.state import Record, records
from meentwerk.moderation.work import Ways, observe

# Admin::Import::ROWS_PROCESSING_LIMIT
MOST_CSV_ROWS = 20_000
CSV_HEADER = ("#domain", "#severity", "#reject_media", "#reject_reports", "#public_comment", "#obfuscate")
LONGEST_REASON = 200


class _Dumper(yaml.SafeDumper):
    """Writes lists indented below their key, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # PyYAML's name
        super().increase_indent(flow, False)


def layer_of_server(ways: Ways, layer: str, owner: str, *, exclusive: bool) -> str:
    """Return a layer that holds what a server has: planned against that server, it changes nothing."""
    names: list[Name] = [section.name for section in LISTS]
    state = observe(ways, names, (), AuditLog(Path("/nonexistent")))
    found = dict(state.sections)
    if ways.batch is not None:
        found["rules"] = records("rules", ways.batch.rows("rules", ()))
    elif ways.api is not None:
        found["rules"] = records("rules", ways.api.client.get("/api/v1/instance/rules"))
    text = f"found on {ways.server} on {datetime.now(UTC):%Y-%m-%d}; the reason was not recorded"
    body: dict[str, Any] = {"layer": layer, "owner": owner}
    if exclusive:
        body["ownership"] = {section.name: "exclusive" for section in LISTS if found.get(section.name)}
    for name in (*names, "rules"):
        if found.get(name):
            body[name] = [_entry(name, record, text) for record in _in_order(name, found[name])]
    return _yaml(body)


def layer_of_list(file: Path, layer: str, owner: str) -> str:
    """Return a layer that holds a list's domain blocks."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "give a list in UTF-8") from None
    found = lists.parse(text, file, file.name)
    if found.problems:
        show.problems(found.problems)
        raise UsageError(f"{len(found.problems)} rows of {file} cannot be taken over", "correct them first")
    reason = f"taken over from {file.name} on {datetime.now(UTC):%Y-%m-%d}"
    rows = [
        Record(it.domain, {"severity": it.severity, **{flag: getattr(it, flag) for flag in FLAGS},
                           "public_comment": it.public_comment, "private_comment": reason})
        for it in found.entries.values()
    ]  # fmt: skip
    return _yaml(
        {"layer": layer, "owner": owner, "domain_blocks": [_entry("domain_blocks", row, reason) for row in rows]}
    )


def _in_order(name: Name, found: Any) -> list[Record]:  # noqa: ANN401  # a mapping of records
    rows: list[Record] = list(found.values())
    if name == "rules":
        return sorted(rows, key=lambda row: int(row.fields["position"] or 0))
    return sorted(rows, key=lambda row: row.key)


def _entry(name: Name, record: Record, reason: str) -> dict[str, Any]:
    import json  # noqa: PLC0415

    section = BY_NAME[name]
    comment = str(record.fields.get(section.comment, "")) if section.comment else ""
    # A short comment is the reason, as moderators write them
    said = comment if comment and len(comment) <= LONGEST_REASON and "\n" not in comment else reason
    entry: dict[str, Any] = {"hash" if name == "canonical_email_blocks" else section.key: record.key}
    for field, default in section.fields.items():
        value = record.fields.get(field)
        if value != default and field not in {section.comment, "position", "translations", "expires_at"}:
            entry[field] = value
    if "severity" in section.fields:
        entry["severity"] = record.fields["severity"]
    if section.comment and comment != said:
        entry[section.comment] = comment
    if record.fields.get("expires_at"):
        entry["expires"] = str(record.fields["expires_at"])
    if name == "rules" and (words := json.loads(str(record.fields["translations"]))):
        entry["translations"] = {code: {k: v for k, v in it.items() if v} for code, it in words.items()}
    return {**entry, "reason": said}


def _yaml(body: dict[str, Any]) -> str:
    head = (
        "---\n# Written by scripts/apply-moderation import. Read it, give reasons, then keep it in version control.\n"
    )
    return head + yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def csv_of(policy: Policy) -> str:
    """Return the policy's domain blocks in the form of Mastodon's own export: no private comments, no plain noop."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    rows = 0
    for key, one in sorted(policy.sections.get("domain_blocks", {}).items()):
        fields = one.fields
        if STRICTNESS[str(fields["severity"])] == 0 and not fields["reject_media"]:
            continue
        flags = [str(fields[flag]).lower() for flag in ("reject_media", "reject_reports")]
        obfuscate = str(fields["obfuscate"]).lower()
        writer.writerow([key, fields["severity"], *flags, fields["public_comment"], obfuscate])
        rows += 1
    if rows > MOST_CSV_ROWS:
        from meentwerk.console import note  # noqa: PLC0415

        note(f"note: {rows} rows; Mastodon's own import takes {MOST_CSV_ROWS}")
    return output.getvalue()
