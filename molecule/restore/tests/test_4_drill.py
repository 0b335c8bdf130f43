"""A drill: what an auditor gets, and that the instance and its backups do not notice."""

import json
import subprocess
from pathlib import Path

from calamity import DOMAIN, PROJECT, REPOSITORY, play, sql
from testinfra.host import Host


def test_the_drill(instance: Host, place: Host, tmp_path: Path) -> None:
    key = tmp_path / "drill-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    timelines = f"ls {REPOSITORY}/pgbackrest/archive/restore-1/17-1 | cut -c1-8 | sort -u"
    before = place.check_output(timelines)
    run = play("drill", drill_key=str(key), drill_reports=str(tmp_path), drill_group="restore")
    assert run.code == 0, run.text
    (document,) = tmp_path.glob("drill-restore-1-*.json")
    report = json.loads(document.read_text())
    point, seconds = report["recovery_point_seconds"], report["restore_seconds"]
    print(f"\ndrill: recovery point {point:.0f} s, recovery time {seconds:.0f} s")
    assert report["passed"]
    assert report["domain"] == DOMAIN
    assert {name for name, check in report["checks"].items() if check["ok"]} == set(report["checks"])
    assert report["rows_found"]["statuses"] == int(sql(instance, "SELECT count(*) FROM statuses"))
    signers = tmp_path / "signers"
    signers.write_text(f"auditor {key.with_name('drill-key.pub').read_text()}")
    for path in (document, document.with_suffix(".html")):
        command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "auditor", "-n", "meentwerk-drill"]
        command += ["-s", f"{path}.sig"]
        with path.open("rb") as content:
            assert subprocess.run(command, stdin=content, capture_output=True, check=False).returncode == 0
    assert place.check_output(timelines) == before, "the drill wrote nothing into the archive"
    left = subprocess.run([str(PROJECT / "scripts/embedded-host"), "list"], capture_output=True, text=True, check=True)
    assert "drill-restore-1" not in left.stdout
