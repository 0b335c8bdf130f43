"""What was found, as files: JSON, CSV, JUnit, Prometheus' text format. All of them say the same."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pydantic import TypeAdapter, ValidationError

from meentwerk.errors import UsageError
from meentwerk.files import replace_file
from meentwerk.identities.model import Result, Verdict

FORMAT = "meentwerk-identities-1"
RESULTS = "results.json"
_results = TypeAdapter(list[Result])
# What XML 1.0 cannot hold, not even escaped
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_all(folder: Path, results: Sequence[Result]) -> list[Path]:
    """Write every format into a folder; each file is whole or the one from before."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        RESULTS: as_json(results),
        "results.csv": as_csv(results),
        "junit.xml": as_junit(results),
        "identities.prom": as_metrics(results),
    }
    for name, text in made.items():
        replace_file(folder / name, text, 0o644)
    return [folder / name for name in made]


def read(path: Path) -> list[Result]:
    """Read results.json; UsageError where it is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise UsageError(f"{path} was written by another version: {data['format']}", "run the check again")
        return _results.validate_python(data["results"], strict=False)
    except FileNotFoundError:
        cure = "run first: meentwerk identities check"
        raise UsageError(f"there are no results: {path}", cure) from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise UsageError(f"{path} holds no results of an identity check", "run the check again") from None


def records(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return results as JSON holds them: every field, and the verdict that follows from them."""
    return [{**asdict(result), "verdict": str(result.verdict)} for result in results]


def as_json(results: Sequence[Result]) -> str:
    """Return the results for machines; `read` reads them back."""
    data = {"format": FORMAT, "made_at": now(), "results": records(results)}
    return json.dumps(data, indent=1, ensure_ascii=False, default=str) + "\n"


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def cell(text: str) -> str:
    """Return a text that a spreadsheet program takes for text, whatever it begins with (formula injection)."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def as_csv(results: Sequence[Result]) -> str:
    """Return one line for each check."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["handle", "organisation", "name", "verified", "check", "verdict", "why", "cure", "checked_at"])
    for result in results:
        for check in result.checks:
            row = [
                result.account.handle,
                result.account.organisation,
                result.names[0] if result.names else "",
                str(result.verdict),
                check.name,
                str(check.verdict),
                check.why,
                check.cure,
                result.checked_at,
            ]
            writer.writerow([cell(text) for text in row])
    return out.getvalue()


def as_junit(results: Sequence[Result]) -> str:
    """Return one suite for each account and one case for each check; unknown is skipped, not failed."""
    root = ElementTree.Element("testsuites", name="identities")
    for result in results:
        counts = Counter(check.verdict for check in result.checks)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_xml(result.account.handle),
            timestamp=result.checked_at,
            tests=str(len(result.checks)),
            failures=str(counts[Verdict.FAIL]),
            skipped=str(counts[Verdict.UNKNOWN]),
            errors="0",
        )
        for check in result.checks:
            case = ElementTree.SubElement(suite, "testcase", classname=_xml(result.account.handle), name=check.name)
            if check.verdict is Verdict.FAIL:
                failure = ElementTree.SubElement(case, "failure", message=_xml(check.why), type=check.name)
                failure.text = _xml("\n".join(filter(None, (check.cure, *check.evidence))))
            elif check.verdict is Verdict.UNKNOWN:
                ElementTree.SubElement(case, "skipped", message=_xml(check.why))
    for name in ("tests", "failures", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def as_metrics(results: Sequence[Result]) -> str:
    """Return gauges for Prometheus' textfile collector: 1 verified, 0 not, and no value where it is not known."""
    lines = [
        "# HELP meentwerk_identity_verified Whether an account is proven to be its organisation's.",
        "# TYPE meentwerk_identity_verified gauge",
    ]
    value = {Verdict.PASS: "1", Verdict.FAIL: "0", Verdict.UNKNOWN: "NaN"}
    for result in results:
        labels = f'handle="{_label(result.account.handle)}",organisation="{_label(result.account.organisation)}"'
        lines.append(f"meentwerk_identity_verified{{{labels}}} {value[result.verdict]}")
    lines += [
        "# HELP meentwerk_identity_checks How many checks ended with a verdict.",
        "# TYPE meentwerk_identity_checks gauge",
    ]
    counts = Counter((check.name, check.verdict) for result in results for check in result.checks)
    for name in dict.fromkeys(check.name for result in results for check in result.checks):
        for verdict in Verdict:
            lines.append(f'meentwerk_identity_checks{{check="{name}",verdict="{verdict}"}} {counts[name, verdict]}')
    lines += [
        "# HELP meentwerk_identity_last_run_timestamp_seconds When the identities were last checked.",
        "# TYPE meentwerk_identity_last_run_timestamp_seconds gauge",
        f"meentwerk_identity_last_run_timestamp_seconds {datetime.now(UTC).timestamp():.0f}",
    ]
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
