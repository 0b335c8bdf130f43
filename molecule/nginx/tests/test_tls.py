"""TLS as the check measures it from the controller, and what can only be seen on the host."""

import os
from datetime import UTC, datetime
from pathlib import Path

from meentwerk.checks.judge import headers as headers_judge
from meentwerk.checks.judge import tls as judge
from meentwerk.checks.model import Status
from meentwerk.checks.probe import Target, tls, web
from testinfra.host import Host

CA = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / ".cache/ca/ca.pem"
NAMES = ["social.example.test", "other.example.test", "example.test", "ministry.example.test"]
TARGET = Target(NAMES, ["10.87.26.11", "fd87:6d65:656e::26:11"], str(CA))
NOW = datetime.now(UTC).isoformat()


def test_every_rule_of_the_guideline_holds_on_both_families() -> None:
    results = judge.judge({**tls.measure(TARGET), "now": NOW}, {"days_left": 14, "post_quantum": True})
    assert not [it for it in results if it.status not in {Status.PASS, Status.INFO}]
    assert len(results) == 15
    groups = next(it for it in results if it.id == "TLS-004").found
    assert groups == "X25519MLKEM768, X25519, P-256, P-384"


def test_every_rule_on_headers_holds_on_both_families() -> None:
    promise = {"hsts_seconds": 63072000, "compress_pages": False}
    results = headers_judge.judge({**web.measure(TARGET), "now": NOW}, promise)
    assert not [it for it in results if it.status is not Status.PASS]


def test_no_session_ticket_is_given(host: Host) -> None:
    done = host.run(
        "openssl s_client -connect social.example.test:443 -servername social.example.test -tls1_2 </dev/null"
    )
    assert "Cipher is ECDHE" in done.stdout
    assert "session ticket" not in done.stdout.lower()
