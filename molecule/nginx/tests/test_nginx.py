"""What nginx answers, asked on the host itself over IPv4 and IPv6, with the chain verified by the host's own store."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from asking import ADDRESSES, HSTS, SITE, ask
from testinfra.host import Host

families = pytest.mark.parametrize("family", ["-4", "-6"])


def refused(host: Host, url: str, *options: str) -> str:
    """curl's error for a request that must get no answer at all."""
    quoted = " ".join(f"'{option}'" for option in options)
    done = host.run(f"curl -sS -m 5 {quoted} '{url}'")
    assert done.rc != 0, f"{url} answered: {done.stdout}"
    return str(done.stderr)


@families
@pytest.mark.parametrize("name", ["social", "other", "ministry"])
def test_http_leads_to_https_on_the_same_name(host: Host, family: str, name: str) -> None:
    answer = ask(host, f"http://{name}.example.test/a?b=c", family)
    assert (answer.status, answer.headers["location"]) == (301, [f"https://{name}.example.test/a?b=c"])


@families
def test_acme_challenge_stays_on_http(host: Host, family: str) -> None:
    answer = ask(host, "http://social.example.test/.well-known/acme-challenge/token", family)
    assert (answer.status, answer.body) == (200, "proof\n")
    missing = ask(host, "http://social.example.test/.well-known/acme-challenge/none", family)
    assert missing.status == 404


@families
def test_application_is_reached_over_http2(host: Host, family: str) -> None:
    answer = ask(host, f"{SITE}/about", family, "-HX-Forwarded-For: 192.0.2.1", "-HProxy: evil")
    assert (answer.version, answer.status) == ("HTTP/2", 200)
    seen = {name.lower(): value for name, value in json.loads(answer.body).items()}
    assert seen["host"] == "social.example.test"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-for"] == seen["x-real-ip"] == ADDRESSES[family]
    assert "proxy" not in seen
    assert answer.headers["strict-transport-security"] == [HSTS]


def test_alternate_domain_is_the_application_too(host: Host) -> None:
    assert json.loads(ask(host, "https://other.example.test/about").body)["Host"] == "other.example.test"


@families
def test_http3(host: Host, family: str) -> None:
    assert 'h3=":443"' in ask(host, f"{SITE}/robots.txt").headers["alt-svc"][0]
    for _ in range(6):  # this nginx loses a handshake now and then
        done = host.run(f"curl -sS -i -m 3 {family} --http3-only {SITE}/robots.txt")
        if done.rc == 0:
            break
    assert done.stdout.startswith("HTTP/3 200"), done.stderr


def test_static_files(host: Host) -> None:
    packed = ask(host, f"{SITE}/packs/app-abc123.js", "-HAccept-Encoding: gzip", "-o/dev/null", "-D-")
    assert packed.headers["cache-control"] == ["public, max-age=31536000, immutable"]
    assert packed.headers["content-encoding"] == ["gzip"]
    assert packed.headers["x-content-type-options"] == ["nosniff"]
    assert packed.headers["strict-transport-security"] == [HSTS]
    assert "must-revalidate" in ask(host, f"{SITE}/emoji/1f600.svg").headers["cache-control"][0]
    assert ask(host, f"{SITE}/sw.js").headers["cache-control"] == ["public, max-age=0, must-revalidate"]
    missing = ask(host, f"{SITE}/packs/none.js")
    assert (missing.status, missing.body) == (404, "release 404\n")
    assert "cache-control" not in missing.headers


def test_media_can_run_nothing(host: Host) -> None:
    answer = ask(host, f"{SITE}/system/accounts/evil.html")
    assert answer.status == 200
    policy = answer.headers["content-security-policy"][0]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert answer.headers["x-content-type-options"] == ["nosniff"]
    assert answer.headers["cache-control"] == ["public, max-age=2419200, immutable"]
    assert ask(host, f"{SITE}/system/accounts/").status in {403, 404}
    assert ask(host, f"{SITE}/system/accounts/evil.html", "-XDELETE").status == 403
    assert ask(host, f"{SITE}/system/..%2f..%2f..%2f..%2fetc/passwd", "--path-as-is").status in {400, 404}


def test_public_answers_are_kept_and_private_ones_never(host: Host) -> None:
    # A page of this run's own: one of an earlier run may be answered stale once, while it is renewed
    path = f"/public?{time.time_ns()}"
    first, second = ask(host, SITE + path), ask(host, SITE + path)
    assert second.headers["x-cached"] == ["HIT"]
    assert first.body == second.body
    for option in ("-HAuthorization: Bearer x", "-HCookie: _session_id=x", "-HCookie: _mastodon_session=x"):
        assert ask(host, SITE + path, option).headers["x-cached"] == ["BYPASS"]
    assert ask(host, f"https://other.example.test{path}").headers["x-cached"] == ["MISS"]
    assert ask(host, f"{SITE}/unmarked").body != ask(host, f"{SITE}/unmarked").body


def test_only_what_cannot_leak_is_compressed(host: Host) -> None:
    assert "content-encoding" not in ask(host, f"{SITE}/page", "-HAccept-Encoding: gzip").headers
    api = ask(host, f"{SITE}/api/v1/long", "-HAccept-Encoding: gzip", "-o/dev/null", "-D-")
    assert api.headers["content-encoding"] == ["gzip"]


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_large_upload(host: Host, version: str) -> None:
    host.check_output("truncate -s 1M /tmp/fits; truncate -s 3M /tmp/large")
    fits = ask(host, f"{SITE}/api/v2/media", version, "-HExpect:", "--data-binary", "@/tmp/fits")
    assert json.loads(fits.body) == {"received": 1048576}
    large = ask(host, f"{SITE}/api/v2/media", version, "-HExpect:", "--data-binary", "@/tmp/large")
    assert large.status == 413
    assert large.headers["content-type"] == ["application/json"]
    assert "2 MB" in json.loads(large.body)["error"]
    page = ask(host, f"{SITE}/settings/profile", version, "-HExpect:", "--data-binary", "@/tmp/large")
    assert (page.status, page.headers["content-type"][0].split(";")[0]) == (413, "text/html")
    assert "2 MB" in page.body


@families
def test_websocket(host: Host, family: str) -> None:
    headers = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    headers.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    answer = ask(
        host, f"{SITE}/api/v1/streaming?access_token=topsecret", family, "--http1.1", *(f"-H{each}" for each in headers)
    )
    assert answer.status == 101
    # The example of RFC 6455, 1.3
    assert answer.headers["sec-websocket-accept"] == ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
    assert answer.body.endswith("hello")


def test_server_sent_events_come_as_they_happen(host: Host) -> None:
    # The stand-in takes 4.5 s for the whole stream; a buffered one would give nothing within two
    done = host.run(f"curl -sS -N -m 2 {SITE}/api/v1/streaming/public")
    assert done.rc == 28  # curl's own time limit
    assert "data: 1" in done.stdout
    assert "data: 2" not in done.stdout


def test_strangers_get_no_answer(host: Host) -> None:
    assert "unrecognized name" in refused(host, "https://stranger.example.test/")
    refused(host, "https://10.87.26.11/", "-k")
    refused(host, "http://stranger.example.test/")
    refused(host, "http://10.87.26.11/")
    # A known name in the handshake and an unknown one in the request
    refused(host, f"{SITE}/", "-HHost: stranger.example.test")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_old_tls_is_refused(host: Host, version: str) -> None:
    # SECLEVEL=0, or this host's own OpenSSL would refuse before it asks
    refused(host, f"{SITE}/", "--tls-max", version, "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0")


@pytest.mark.parametrize(
    ("cipher", "accepted"),
    [
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("ECDHE-ECDSA-AES256-SHA384", False),
        ("ECDHE-ECDSA-AES128-SHA256", False),
        ("AES256-GCM-SHA384", False),
        ("DHE-RSA-AES256-GCM-SHA384", False),
    ],
)
def test_ciphers_of_tls_1_2(host: Host, cipher: str, accepted: bool) -> None:
    done = host.run(
        "openssl s_client -connect social.example.test:443 -servername social.example.test -tls1_2"
        f" -cipher {cipher}@SECLEVEL=0 </dev/null"
    )
    assert (f"Cipher is {cipher}" in done.stdout) is accepted


def test_weak_key_exchange_is_refused(host: Host) -> None:
    call = "openssl s_client -connect social.example.test:443 -servername social.example.test"
    assert host.run(f"{call} -groups secp224r1 -tls1_2 </dev/null").rc != 0
    assert host.run(f"{call} -tls1_2 -sigalgs ECDSA+SHA224 </dev/null").rc != 0
    assert "Extended master secret: yes" in host.run(f"{call} -tls1_2 </dev/null").stdout


def test_security_txt(host: Host) -> None:
    for name in ("social.example.test", "ministry.example.test"):
        answer = ask(host, f"https://{name}/.well-known/security.txt")
        assert answer.headers["content-type"] == ["text/plain; charset=utf-8"]
        fields = [line.partition(": ") for line in answer.body.splitlines() if line and not line.startswith("#")]
        values = {key: [v for k, _, v in fields if k == key] for key, _, _ in fields}
        assert values["Contact"] == ["mailto:security@example.test", "https://example.test/report"]
        assert f"https://{name}/.well-known/security.txt" in values["Canonical"]
        assert values["Preferred-Languages"] == ["nl, en"]
        (expires,) = values["Expires"]
        left = datetime.fromisoformat(expires.replace("Z", "+00:00")) - datetime.now(UTC)
        assert timedelta(days=180) < left < timedelta(days=366)


@families
@pytest.mark.parametrize("name", ["ministry.example.test", "example.test"])
@pytest.mark.parametrize("path", ["webfinger?resource=acct:a@example.test", "host-meta", "nodeinfo"])
def test_delegated_domains(host: Host, family: str, name: str, path: str) -> None:
    answer = ask(host, f"https://{name}/.well-known/{path}", family)
    assert (answer.status, answer.headers["location"]) == (301, [f"{SITE}/.well-known/{path}"])
    assert answer.headers["access-control-allow-origin"] == ["*"]
    assert ask(host, f"https://{name}/anything", family).status == 404


def test_pages_while_the_application_is_down(host: Host) -> None:
    public = f"{SITE}/public?{time.time_ns()}"
    assert ask(host, public).status == 200
    host.check_output("systemctl stop backend@web")
    try:
        page = ask(host, f"{SITE}/about-us")
        assert page.status == 502
        assert "Back in a moment" in page.body
        assert page.headers["retry-after"] == ["30"]
        assert page.headers["strict-transport-security"] == [HSTS]
        api = ask(host, f"{SITE}/api/v1/instance")
        assert api.headers["content-type"] == ["application/json"]
        assert "error" in json.loads(api.body)
        # What was public before is still answered
        assert ask(host, public).status == 200
        host.check_output("echo 'release 500' >/opt/mastodon/current/public/500.html")
        assert ask(host, f"{SITE}/about-us").body == "release 500\n"
    finally:
        host.check_output("rm -f /opt/mastodon/current/public/500.html; systemctl start backend@web")


def test_log_holds_no_address_and_no_token(host: Host) -> None:
    for family in ADDRESSES:
        ask(host, f"{SITE}/logged?access_token=topsecret", family, "-HReferer: https://x.example/?token=topsecret")
    log = host.check_output("cat /var/log/nginx/*.log")
    assert '"client":"10.87.26.0"' in log
    assert '"client":"fd87:6d65:656e::"' in log
    assert '"path":"/logged"' in log
    assert "topsecret" not in log
    for line in host.check_output("cat /var/log/nginx/access.log").splitlines():
        entry = json.loads(line)
        # Clients and server are one host here: only the address that was asked for may stand in full
        assert not set(ADDRESSES.values()) & {value for name, value in entry.items() if name != "host"}
    errors = host.check_output("cat /var/log/nginx/error.log")
    assert not [address for address in ADDRESSES.values() if address in errors]


def test_logs_are_kept_for_their_days(host: Host) -> None:
    assert host.service("logrotate.timer").is_enabled
    host.check_output("logrotate --debug /etc/logrotate.d/nginx")
    before = host.check_output("systemctl show -P MainPID nginx")
    host.check_output("logrotate --force /etc/logrotate.d/nginx")
    ask(host, f"{SITE}/after-rotation")
    assert "after-rotation" in host.check_output("cat /var/log/nginx/access.log")
    assert host.check_output("systemctl show -P MainPID nginx") == before


def test_bad_configuration_never_replaces_the_good_one(host: Host) -> None:
    """What the role's validation does, on the host: nginx refuses the file, and the running server notices nothing."""
    host.check_output("cp /etc/nginx/nginx.conf /tmp/bad.conf && sed -i 's/^http {/http { nonsense;/' /tmp/bad.conf")
    assert host.run("/usr/sbin/nginx -t -q -c /tmp/bad.conf").rc != 0
    before = host.check_output("systemctl show -P MainPID nginx")
    host.check_output("cp /etc/nginx/nginx.conf /tmp/good.conf && cp /tmp/bad.conf /etc/nginx/nginx.conf")
    try:
        assert host.run("systemctl reload nginx").rc != 0
        assert ask(host, f"{SITE}/robots.txt").status == 200
    finally:
        host.check_output("cp -p /tmp/good.conf /etc/nginx/nginx.conf && systemctl reload nginx")
    assert host.check_output("systemctl show -P MainPID nginx") == before
    # The next converge must find the running configuration to be the one on the disk
    time.sleep(0.2)


def test_debians_own_page_is_gone(host: Host) -> None:
    assert "Welcome to nginx" not in host.run("curl -s http://127.0.0.1/").stdout
    assert "server_tokens off" in host.file("/etc/nginx/nginx.conf").content_string
    assert ask(host, f"{SITE}/robots.txt").headers["server"] == ["nginx"]
