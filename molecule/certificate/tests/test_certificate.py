"""Three ways to a certificate, one result; asked for over the network with verified chains."""

import json
import os
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import testinfra
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from testinfra.host import Host

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
CACHE = SCENARIO / ".cache"
STATE = "/var/lib/meentwerk-certificate"
LIVE = "/etc/ssl/meentwerk"


# Each test has its own host, so testinfra's fixture, which repeats every test on every host, is not used
def connect(name: str) -> Host:
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={os.environ['MOLECULE_HOSTS']}")


@pytest.fixture(scope="module")
def by_acme() -> Host:
    return connect("certificate-1")


@pytest.fixture(scope="module")
def switched() -> Host:
    return connect("certificate-3")


def play(playbook: str) -> dict[str, dict[str, int]]:
    """Run a playbook of the scenario; Ansible's statistics per host."""
    done = subprocess.run(
        ["ansible-playbook", "--inventory", os.environ["MOLECULE_HOSTS"], str(SCENARIO / playbook)],
        capture_output=True,
        text=True,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=dict(os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json"),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    stats: dict[str, dict[str, int]] = json.loads(done.stdout[done.stdout.index("{") :])["stats"]
    return stats


def served(address: str, name: str, roots: Path) -> x509.Certificate:
    """The certificate that a client sees which trusts only these roots."""
    context = ssl.create_default_context(cafile=str(roots))
    with (
        socket.create_connection((address, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der)


def wait_until_served(address: str, name: str, roots: Path, expected: x509.Certificate) -> None:
    """A reload returns before the new workers have taken over."""
    end = time.monotonic() + 20
    while served(address, name, roots) != expected:
        assert time.monotonic() < end, "nginx still serves the old certificate"
        time.sleep(0.5)


def on_disk(host: Host, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(host.file(f"{LIVE}/{name}/fullchain.pem").content)


def names(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return sorted(extension.value.get_values_for_type(x509.DNSName))


def nginx_process(host: Host) -> str:
    return str(host.check_output("systemctl show -P MainPID nginx"))


def responder_starts(host: Host) -> int:
    journal = host.check_output("journalctl -u meentwerk-acme-responder.service -o cat --no-pager")
    return sum(line.startswith("Started ") for line in journal.splitlines())


def renew(host: Host, *environment: str) -> int:
    """Run certbot's own service as its timer does, except that it renews before it is due; its exit code."""
    lines = [
        "[Service]",
        "ExecStart=",
        "ExecStart=/usr/bin/certbot -q renew --force-renewal --no-random-sleep-on-renew",
    ]
    lines += [f"Environment={each}" for each in environment]
    folder = "/run/systemd/system/certbot.service.d"
    host.check_output(f"mkdir -p {folder} && printf '%s\\n' {' '.join(map(repr, lines))} >{folder}/zz-test.conf")
    host.check_output("systemctl daemon-reload")
    try:
        return int(host.run("systemctl start certbot.service").rc)
    finally:
        host.check_output(f"rm {folder}/zz-test.conf && systemctl daemon-reload")


@pytest.fixture(scope="module")
def pebble_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root under which this run of pebble issues; it makes a new one at every start."""
    context = ssl.create_default_context(cafile=str(CACHE / "root.pem"))
    with (
        socket.create_connection(("10.87.25.12", 15000), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="pebble.example.test") as tls,
    ):
        tls.sendall(b"GET /roots/0 HTTP/1.0\r\nHost: pebble.example.test\r\n\r\n")
        answer = b"".join(iter(lambda: tls.recv(65536), b""))
    path = tmp_path_factory.mktemp("pebble") / "root.pem"
    path.write_bytes(answer.partition(b"\r\n\r\n")[2])
    return path


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("certificate-1", "acme.example.test"),
        ("certificate-3", "switch.example.test"),
        ("certificate-3", "internal.example.test"),
    ],
)
def test_files(where: str, name: str) -> None:
    host = connect(where)
    key, chain = host.file(f"{LIVE}/{name}/privkey.pem"), host.file(f"{LIVE}/{name}/fullchain.pem")
    assert (key.user, key.group, oct(key.mode)) == ("root", "root", "0o600")
    assert (chain.user, oct(chain.mode)) == ("root", "0o644")
    assert "id-ecPublicKey" in host.check_output(f"openssl x509 -in {LIVE}/{name}/fullchain.pem -noout -text")
    assert "NIST CURVE: P-256" in host.check_output(f"openssl pkey -in {LIVE}/{name}/privkey.pem -noout -text")
    assert oct(host.file(STATE).mode) == "0o700"
    # Nobody but root reads any copy of any key
    assert host.check_output(f"find -L {LIVE} {STATE} -name 'privkey*' -perm /077") == ""


def test_first_issue_needed_no_web_server(by_acme: Host) -> None:
    assert responder_starts(by_acme) == 1
    assert not by_acme.service("meentwerk-acme-responder").is_running


def test_acme_certificate_is_served(by_acme: Host, pebble_root: Path) -> None:
    for address in ("10.87.25.11", "fd87:6d65:656e::25:11"):
        certificate = served(address, "www.acme.example.test", pebble_root)
        assert names(certificate) == ["acme.example.test", "www.acme.example.test"]
        assert certificate == on_disk(by_acme, "acme.example.test")


def test_renewal_is_a_timer_with_jitter(by_acme: Host) -> None:
    assert by_acme.service("certbot.timer").is_enabled
    assert by_acme.service("certbot.timer").is_running
    assert by_acme.check_output("systemctl show -P RandomizedDelayUSec certbot.timer") == "12h"
    before = on_disk(by_acme, "acme.example.test")
    by_acme.check_output("systemctl start certbot.service")
    assert on_disk(by_acme, "acme.example.test") == before


def test_forced_renewal_reloads_nginx_and_restarts_nothing(by_acme: Host, pebble_root: Path) -> None:
    before, process = on_disk(by_acme, "acme.example.test"), nginx_process(by_acme)
    started = responder_starts(by_acme)
    assert renew(by_acme) == 0
    after = on_disk(by_acme, "acme.example.test")
    assert after.serial_number != before.serial_number
    wait_until_served("10.87.25.11", "acme.example.test", pebble_root, after)
    assert nginx_process(by_acme) == process
    # nginx answered the challenge itself
    assert responder_starts(by_acme) == started
    assert oct(by_acme.file(f"{LIVE}/acme.example.test/privkey.pem").mode) == "0o600"
    # The old pair is kept once, nothing older
    assert int(by_acme.check_output(f"ls {LIVE}/.versions/acme.example.test | wc -l")) <= 2


def test_failed_renewal_is_a_failed_unit(by_acme: Host) -> None:
    before = on_disk(by_acme, "acme.example.test")
    # certbot does not know pebble's CA any more
    assert renew(by_acme, "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt") != 0
    assert by_acme.check_output("systemctl is-failed certbot.service") == "failed"
    assert on_disk(by_acme, "acme.example.test") == before
    by_acme.check_output("systemctl reset-failed certbot.service")


def test_refused_reload_is_a_failed_unit_and_is_made_good(by_acme: Host, pebble_root: Path) -> None:
    process = nginx_process(by_acme)
    by_acme.check_output("cp -p /etc/nginx/nginx.conf /root/good.conf && echo nonsense >>/etc/nginx/nginx.conf")
    try:
        assert renew(by_acme) != 0
    finally:
        by_acme.check_output("mv /root/good.conf /etc/nginx/nginx.conf")
    # nginx goes on with the old pair, and the next run of the timer finishes the work
    assert served("10.87.25.11", "acme.example.test", pebble_root) != on_disk(by_acme, "acme.example.test")
    by_acme.check_output("systemctl start certbot.service")
    wait_until_served("10.87.25.11", "acme.example.test", pebble_root, on_disk(by_acme, "acme.example.test"))
    assert nginx_process(by_acme) == process


def test_change_of_mode_kept_nginx_running(switched: Host) -> None:
    assert nginx_process(switched) == switched.file("/root/nginx-before").content_string.strip()
    certificate = served("10.87.25.13", "switch.example.test", CACHE / "root.pem")
    assert certificate == on_disk(switched, "switch.example.test")
    assert names(certificate) == ["*.switch.example.test", "switch.example.test"]


def test_internal_certificate(switched: Host) -> None:
    certificate = on_disk(switched, "internal.example.test")
    assert names(certificate) == ["internal.example.test"]
    switched.check_output(
        "openssl verify -purpose sslserver -verify_hostname internal.example.test"
        f" {LIVE}/internal.example.test/fullchain.pem"
    )
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_internal_ca_signs_only_for_names_that_nobody_owns() -> None:
    ca = x509.load_pem_x509_certificate((CACHE / "ca/ca.pem").read_bytes())
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = [name.value for name in constraints.value.permitted_subtrees or []]
    assert "test" in permitted
    assert "nl" not in permitted
    assert oct((CACHE / "ca/ca.key").stat().st_mode)[-3:] == "600"
    assert oct((CACHE / "ca").stat().st_mode)[-3:] == "700"
    # Keys of hosts stay on the hosts
    assert sorted(path.name for path in (CACHE / "ca").iterdir()) == ["ca.key", "ca.pem"]


def aged(key_pem: bytes, days_left: int) -> bytes:
    """A certificate from the scenario's internal CA with a 90-day life of which this much is left."""
    ca = x509.load_pem_x509_certificate((CACHE / "ca/ca.pem").read_bytes())
    ca_key = serialization.load_pem_private_key((CACHE / "ca/ca.key").read_bytes(), None)
    key = serialization.load_pem_private_key(key_pem, None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    end = datetime.now(UTC) + timedelta(days=days_left)
    builder = x509.CertificateBuilder(ca.subject, ca.subject, key.public_key(), x509.random_serial_number())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    alternative = x509.SubjectAlternativeName([x509.DNSName("internal.example.test")])
    builder = builder.not_valid_before(end - timedelta(days=90)).not_valid_after(end)
    builder = builder.add_extension(identifier, critical=False).add_extension(alternative, critical=True)
    return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(("days_left", "renewed"), [(31, False), (29, True)])
def test_internal_certificate_is_renewed_under_a_third(switched: Host, days_left: int, renewed: bool) -> None:
    path = f"{STATE}/internal.example.test/internal"
    old = aged(switched.file(f"{path}/privkey.pem").content, days_left).decode()
    switched.check_output(f"printf %s '{old}' >{path}/fullchain.pem")
    play("internal.yml")
    new = on_disk(switched, "internal.example.test")
    assert (new.not_valid_after_utc - datetime.now(UTC) > timedelta(days=80)) is renewed
    if not renewed:  # leave a converged host
        switched.check_output(f"rm {path}/fullchain.pem")
        play("internal.yml")


def test_bad_requests_are_refused_before_anything_changes(switched: Host) -> None:
    listing = f"find {LIVE} {STATE} -printf '%p %l %T@ %m\\n' | sort"
    before = switched.check_output(listing)
    stats = play("refusals.yml")
    assert stats["certificate-3"]["changed"] == 0
    assert stats["certificate-3"]["rescued"] >= 18
    assert switched.check_output(listing) == before
