"""What a drill measured, as JSON for machines and a page for auditors, each with a signature (BIO2 8.13.04)."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment
from pydantic import BaseModel, ConfigDict, Field, field_validator

from meentwerk.release import sign

NAMESPACE = "meentwerk-drill"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Restore drill of {{ it.instance }}</title>
<style>body{font:1em/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;width:100%}.no{color:#b00020;font-weight:bold}
th,td{text-align:left;border-bottom:1px solid #ccc;padding:.3em .6em;vertical-align:top}</style>
</head><body>
<h1>Restore drill of {{ it.instance }} ({{ it.domain }})</h1>
<p class="{{ '' if it.passed else 'no' }}">{{ 'Passed' if it.passed else 'Failed' }} on {{ it.ended.isoformat() }}.</p>
<table>
{% for name, value in rows %}<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</table>
<h2>Rows, as recorded by the backup and found after the restore</h2>
<table><tr><th>table</th><th>recorded</th><th>found</th></tr>
{% for name, count in it.rows_recorded.items() %}<tr><td>{{ name }}</td><td>{{ count }}</td>\
<td>{{ it.rows_found.get(name, 'missing') }}</td></tr>
{% endfor %}</table>
<h2>Deep check of the restored instance</h2>
<table><tr><th>check</th><th>well</th><th>detail</th></tr>
{% for name, check in it.checks.items() %}<tr><td>{{ name }}</td><td class="{{ '' if check.ok else 'no' }}">\
{{ 'yes' if check.ok else 'no' }}</td><td>{{ check.detail }}</td></tr>
{% endfor %}</table>
<p>Its signature lies beside this page. <code>ssh-keygen -Y verify -n {{ namespace }}</code> checks it.</p>
</body></html>
"""


class Check(BaseModel):
    """One part of the deep check."""

    model_config = ConfigDict(extra="forbid")

    ok: bool
    detail: str


class Drill(BaseModel):
    """What a drill measured; times with their zone, durations in seconds."""

    model_config = ConfigDict(extra="forbid")

    instance: str
    domain: str
    release: str
    repository: str
    backup: str = Field(description="Label of the backup whose record was compared.")
    backup_moment: datetime
    recovery_point: datetime = Field(description="Moment of the last change that came back.")
    began: datetime
    ended: datetime
    restore_seconds: float = Field(ge=0, description="From the first byte restored until web served.")
    media_files: int = Field(ge=0)
    rows_recorded: dict[str, int]
    rows_found: dict[str, int]
    checks: dict[str, Check]

    @field_validator("backup_moment", "recovery_point", "began", "ended")
    @classmethod
    def _has_a_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("a moment without a zone")
        return value

    @property
    def recovery_point_seconds(self) -> float:
        """How old the last change was when the drill began: what would have been lost."""
        return max(0.0, (self.began - self.recovery_point).total_seconds())

    @property
    def passed(self) -> bool:
        """Everything recorded came back, and the restored instance is well."""
        complete = all(name in self.rows_found for name in self.rows_recorded)
        return complete and bool(self.checks) and all(check.ok for check in self.checks.values())

    def document(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "format": 1,
            "passed": self.passed,
            "recovery_point_seconds": self.recovery_point_seconds,
            **self.model_dump(mode="json"),
        }

    def page(self) -> str:
        """Give the report as a page that needs nothing beside it."""
        rows = [
            ("Release", self.release),
            ("Repository", self.repository),
            ("Backup", f"{self.backup}, {self.backup_moment.isoformat()}"),
            (
                "Recovery point",
                f"{self.recovery_point.isoformat()}, {self.recovery_point_seconds:.0f} s before the drill",
            ),
            ("Recovery time", f"{self.restore_seconds:.0f} s"),
            ("Media, each compared with its hash", f"{self.media_files} files and folders"),
            ("Duration of the drill", f"{(self.ended - self.began).total_seconds():.0f} s"),
        ]
        template = Environment(autoescape=True).from_string(PAGE)
        return template.render(it=self, rows=rows, namespace=NAMESPACE) + "\n"


def write(drill: Drill, folder: Path, key: Path) -> list[Path]:
    """Write and sign both forms; returns the files, signatures included."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"drill-{drill.instance}-{drill.ended:%Y%m%dT%H%M%SZ}"
    document, page = folder / f"{stem}.json", folder / f"{stem}.html"
    document.write_text(json.dumps(drill.document(), indent=2) + "\n", encoding="utf-8")
    page.write_text(drill.page(), encoding="utf-8")
    return [document, sign.sign(document, key, NAMESPACE), page, sign.sign(page, key, NAMESPACE)]
