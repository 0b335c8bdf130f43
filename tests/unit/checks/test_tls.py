"""TLS: every weakness that a real server is given is found, and a server without one passes every rule."""

import socket
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from meentwerk.checks.judge import tls as judge
from meentwerk.checks.model import Result, Status
from meentwerk.checks.probe import Target, tls

from .conftest import Serve

NOW = datetime.now(UTC).isoformat()
GOOD = (
    "-min_protocol", "TLSv1.2", "-serverpref", "-no_ticket", "-no_renegotiation",
    "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384",
    "-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
    "-groups", "X25519:P-256", "-sigalgs", "ECDSA+SHA256:RSA+SHA256:RSA-PSS+SHA256",
)  # fmt: skip
LOOSE = ("-cipher", "ECDHE+AESGCM:@SECLEVEL=0")
PROMISE = {"days_left": 14, "post_quantum": False}


def results(target: Target, **promise: Any) -> dict[str, Result]:
    measured = {**tls.measure(target), "now": NOW}
    return {it.id: it for it in judge.judge(measured, PROMISE | promise)}


def but(*options: str) -> tuple[str, ...]:
    """The good server with options that replace its own."""
    kept = [GOOD[at : at + (2 if GOOD[at + 1 : at + 2] and not GOOD[at + 1].startswith("-") else 1)]
            for at, word in enumerate(GOOD) if word.startswith("-")]  # fmt: skip
    names = {word for word in options if word.startswith("-")}
    return (*(word for part in kept if part[0] not in names for word in part), *options)


def failed(found: dict[str, Result]) -> set[str]:
    return {it.id for it in found.values() if it.status is Status.FAIL}


def test_a_good_server_passes_every_rule(serve: Serve) -> None:
    found = results(serve(*GOOD))
    assert {it.status for it in found.values()} <= {Status.PASS, Status.INFO}, [
        it for it in found.values() if it.status in {Status.FAIL, Status.UNKNOWN}
    ]
    assert found["TLS-001"].found == "TLS 1.2, TLS 1.3"
    assert "ECDHE-ECDSA-CHACHA20-POLY1305" in found["TLS-002"].found


@pytest.mark.parametrize(
    ("rule", "options", "said"),
    [
        ("TLS-001", ("-min_protocol", "TLSv1", "-cipher", "ALL:@SECLEVEL=0"), "TLS 1.0"),
        ("TLS-001", ("-max_protocol", "TLSv1.2"), "TLS 1.2"),
        ("TLS-002", ("-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA256"), "0xC023"),
        ("TLS-002", ("-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_AES_128_CCM_8_SHA256", *LOOSE), "0x1305"),
        ("TLS-003", ("-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"), "TLS_AES_128_GCM_SHA256, "),
        ("TLS-004", ("-groups", "P-256:ffdhe2048"), "group 256"),
        ("TLS-004", ("-groups", "P-224:P-256"), "group 21"),
        ("TLS-006", ("-sigalgs", "ECDSA+SHA256:RSA+SHA256:ECDSA+SHA224"), "0x0303"),
        ("TLS-006", ("-sigalgs", "ECDSA+SHA256:RSA+SHA256:ECDSA+SHA1", *LOOSE), "0x0203"),
    ],
)  # fmt: skip
def test_each_weakness_is_found(serve: Serve, rule: str, options: tuple[str, ...], said: str) -> None:
    found = results(serve(*but(*options)))
    assert found[rule].status is Status.FAIL, found[rule]
    assert said in found[rule].found
    assert found[rule].cure


def test_static_rsa_and_dhe_are_found(serve: Serve) -> None:
    weak = "ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384:AES128-GCM-SHA256"
    found = results(serve(*but("-cipher", weak), key="rsa"))
    assert {"0x009F", "0x009C"} <= {
        word for word in found["TLS-002"].found.replace(",", " ").split() if word[:2] == "0x"
    }
    assert found["TLS-010"].status is Status.FAIL, "RSA of 2048 bits is to be phased out"


def test_early_data_is_found(serve: Serve) -> None:
    options = [it for it in GOOD if it != "-no_ticket"]
    found = results(serve(*options, "-early_data", "-max_early_data", "16384", page=False))
    assert found["TLS-009"].status is Status.FAIL
    assert "16384" in found["TLS-009"].found


def test_no_hybrid_is_found_where_one_is_promised(serve: Serve) -> None:
    assert failed(results(serve(*GOOD), post_quantum=True)) == {"TLS-005"}


def test_a_certificate_of_another_ca_or_name_is_found(serve: Serve) -> None:
    target = serve(*GOOD)
    strange = Target(target.names, target.addresses, "", port=target.port, timeout=5)
    assert failed(results(strange)) == {"TLS-011"}
    other = Target(["other.example.test"], target.addresses, target.ca_file, port=target.port, timeout=5)
    assert failed(results(other)) == {"TLS-011"}


def test_a_certificate_that_ends_soon_is_found(serve: Serve) -> None:
    assert failed(results(serve(*GOOD), days_left=91)) == {"TLS-012"}


def test_where_nobody_answers_nothing_is_known() -> None:
    nobody = Target(["social.example.test"], ["127.0.0.1"], "", port=9, timeout=1)
    (only,) = results(nobody).values()
    assert only.status is Status.UNKNOWN
    assert "Connection refused" in only.found


def test_an_address_that_is_not_reached_keeps_the_rest_from_passing(serve: Serve) -> None:
    target = serve(*GOOD)
    both = Target(target.names, ["127.0.0.1", "::1"], target.ca_file, port=target.port, timeout=5)
    found = results(both)
    assert found["TLS-001"].status is Status.UNKNOWN
    assert "::1" in found["TLS-001"].found


def test_what_speaks_no_tls_is_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.sendall(b"220 mail.example.test ESMTP, not TLS at all\r\n")
                connection.close()

        threading.Thread(target=answer, daemon=True).start()
        (only,) = results(Target(["x.example.test"], ["127.0.0.1"], "", port=port, timeout=2)).values()
    assert only.status is Status.UNKNOWN
