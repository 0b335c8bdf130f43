"""A deployed release: who may read what, how it runs, what operators have."""

import json
import re

import pytest
import yaml
from deployments import SCENARIO, look, release_id, units
from testinfra.host import Host

VARS = yaml.safe_load((SCENARIO / "vars.yml").read_text())

FILES = [
    ("/etc/mastodon", "root", "mastodon", 0o750),
    ("/etc/mastodon/mastodon.env", "root", "mastodon", 0o640),
    ("/etc/mastodon/instance.json", "root", "mastodon", 0o640),
    ("/opt/mastodon/releases", "root", "root", 0o755),
    ("/opt/mastodon/current/", "root", "root", 0o555),
    ("/opt/mastodon/current/bin/web", "root", "root", 0o555),
    ("/opt/mastodon/current/public/404.html", "root", "root", 0o444),
    ("/var/lib/mastodon", "mastodon", "mastodon", 0o711),
    ("/var/lib/mastodon/media", "mastodon", "www-data", 0o2750),
    ("/run/mastodon/web.sock", "mastodon", "www-data", 0o660),
    ("/run/mastodon/streaming.sock", "mastodon", "www-data", 0o660),
]


@pytest.mark.parametrize(("path", "owner", "group", "mode"), FILES)
def test_rights(host: Host, path: str, owner: str, group: str, mode: int) -> None:
    file = host.file(path)
    assert (file.user, file.group, oct(file.mode)) == (owner, group, oct(mode))


def test_release_in_service(host: Host) -> None:
    state, first = look(host), release_id("first")
    assert state.link == first
    assert tuple(sorted(state.running)) == units(first)
    assert state.at_boot == units(first)
    assert host.service("mastodon.target").is_enabled
    assert state.releases == {first}, "archive and temporary folders are gone"


def as_nginx(host: Host, socket: str, path: str, *headers: str) -> str:
    """Ask through a socket as nginx does; returns status and body."""
    script = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
        "s.sendall(sys.argv[2].replace('|','\\r\\n').encode()); print(s.makefile('rb').read().decode(), end='')"
    )
    head = "|".join([f"GET {path} HTTP/1.1", "Host: tides.example.org", *headers, "Connection: close", "|"])
    command = "runuser -u www-data -- python3 -c %s %s %s"
    return str(host.check_output(command, script, f"/run/mastodon/{socket}.sock", head))


def test_nginx_may_connect(host: Host) -> None:
    assert as_nginx(host, "web", "/health").startswith("HTTP/1.1 200")
    assert as_nginx(host, "streaming", "/api/v1/streaming/health").startswith("HTTP/1.1 200")


def test_others_may_not_connect(host: Host) -> None:
    script = "import socket; socket.socket(socket.AF_UNIX).connect('/run/mastodon/web.sock')"
    assert "PermissionError" in host.run("runuser -u nobody -- python3 -c %s", script).stderr


def test_settings_rules_and_owner_arrived(host: Host) -> None:
    answer = as_nginx(host, "web", "/api/v2/instance", "X-Forwarded-Proto: https")
    instance = json.loads(answer.partition("\r\n\r\n")[2])
    assert instance["title"] == "Ministry of Tides"
    assert [rule["text"] for rule in instance["rules"]] == ["Be kind", "No advertising"]
    assert instance["contact"]["account"]["username"] == "beheer"


def test_every_value_survives_the_environment_file(host: Host) -> None:
    script = "import os, json; print(json.dumps(dict(os.environ)))"
    command = "systemd-run --quiet --wait --pipe -p EnvironmentFile=/etc/mastodon/mastodon.env python3 -c %s"
    seen = json.loads(host.check_output(command, script))
    assert seen["SMTP_PASSWORD"] == VARS["mastodon_environment"]["SMTP_PASSWORD"]
    assert seen["LOCAL_DOMAIN"] == "tides.example.org"
    assert seen["ALTERNATE_DOMAINS"] == "tides.example.com"


def test_record_recognises_secrets_without_holding_them(host: Host) -> None:
    text = host.file("/etc/mastodon/instance.json").content_string
    record = json.loads(text)
    assert (record["domain"], record["web_domain"]) == ("tides.example.org", "tides.example.org")
    assert len(record["fingerprints"]) == 6
    assert "0123456789abcdef0123456789abcdef0123456789abcdef" not in text


@pytest.mark.parametrize("component", ["web", "streaming", "sidekiq"])
def test_sandbox_of_services(host: Host, component: str) -> None:
    report = host.check_output(
        f"systemd-analyze security --no-pager mastodon-{component}@{release_id('first')}.service"
    )
    found = re.search(r"exposure level for .*: ([0-9.]+)", report)
    assert found is not None
    assert float(found[1]) <= 1.3


def test_retention_runs_every_night(host: Host) -> None:
    for name in ("media", "preview_cards"):
        assert host.service(f"mastodon-retention@{name}.timer").is_running
        host.check_output(f"systemctl start mastodon-retention@{name}.service")
        shown = host.check_output(f"systemctl show -p Result,ExecMainStatus mastodon-retention@{name}.service")
        assert shown.split() == ["Result=success", "ExecMainStatus=0"]
    timer = host.check_output("systemctl cat mastodon-retention@media.timer")
    assert "RandomizedDelaySec" in timer


def test_operators_have_tootctl(host: Host) -> None:
    assert host.run("tootctl version").rc == 0
    refused = host.run("runuser -u nobody -- mastodon-run check")
    assert refused.rc == 1
    assert "only root" in refused.stderr
    missing = host.run("mastodon-run nonsense")
    assert missing.rc == 2
    assert "no program nonsense" in missing.stderr


def test_exit_codes_and_stdin_pass_through(host: Host) -> None:
    assert host.run("echo nonsense | mastodon-run batch rules").rc == 2
    question = json.dumps({"contract": 1, "dry_run": True, "items": [{"name": "site_title", "value": "Other"}]})
    answer = json.loads(host.check_output("echo %s | mastodon-run batch settings", question))
    assert answer["changed"] == 1
    assert json.loads(host.check_output("mastodon-run check"))["healthy"] is True


def test_uploads_are_readable_for_nginx_only(host: Host) -> None:
    probe = "mkdir -p /var/lib/mastodon/media/t && echo x > /var/lib/mastodon/media/t/f"
    # Within what the service's sandbox allows: www-data is not known inside, and no bit may be set that changes a group
    sandbox = "-p User=mastodon -p PrivateUsers=yes -p RestrictSUIDSGID=yes -p CapabilityBoundingSet= -p UMask=0027"
    host.check_output(f"systemd-run --quiet --wait --pipe {sandbox} sh -c %s", probe)
    assert host.run("runuser -u www-data -- cat /var/lib/mastodon/media/t/f").rc == 0
    assert host.run("runuser -u nobody -- cat /var/lib/mastodon/media/t/f").rc != 0
    host.check_output("rm -r /var/lib/mastodon/media/t")


def test_services_come_back_with_the_machine(host: Host) -> None:
    host.check_output("systemctl stop mastodon.target && systemctl start mastodon.target")
    assert tuple(sorted(look(host).running)) == units(release_id("first"))


def test_no_secret_in_the_journal(host: Host) -> None:
    journal = host.check_output("journalctl --no-pager --output=cat")
    assert "0123456789abcdef0123456789abcdef" not in journal
    assert "tides-tides-tides" not in journal
