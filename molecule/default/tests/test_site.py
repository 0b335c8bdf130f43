"""The whole site: the parts that only fit when every role did its own."""

import json
import os
from pathlib import Path

import pytest
import yaml
from testinfra.host import Host

DOMAIN = "default.example.test"
WEB_DOMAIN = f"social.{DOMAIN}"
CA = "/etc/ssl/meentwerk/ca.pem"


def get(host: Host, url: str, *options: str) -> tuple[int, str]:
    """Ask from the host itself; returns status and body."""
    code = (
        "import ssl, sys, urllib.request as u\n"
        "class Stay(u.HTTPRedirectHandler):\n"
        "    def redirect_request(self, *a): return None\n"
        f"context = ssl.create_default_context(cafile={CA!r})\n"
        "opener = u.build_opener(u.HTTPSHandler(context=context), Stay)\n"
        "request = u.Request(sys.argv[1], headers=dict(h.split(': ') for h in sys.argv[2:]))\n"
        "try: r = opener.open(request, timeout=20)\n"
        "except u.HTTPError as e: r = e\n"
        "print(r.status); print(r.read().decode(errors='replace'))"
    )
    words = " ".join(f"'{word}'" for word in (url, *options))
    status, _, body = host.check_output(f"python3 -c \"$(cat <<'END'\n{code}\nEND\n)\" {words}").partition("\n")
    return int(status), body


def test_the_front_page_says_that_it_is_a_rehearsal(host: Host) -> None:
    status, body = get(host, f"https://{WEB_DOMAIN}/")
    assert status == 200
    assert "rehearsal" in body


def test_the_entry_is_what_the_instance_says_of_itself(host: Host) -> None:
    _, body = get(host, f"https://{WEB_DOMAIN}/api/v2/instance")
    instance = json.loads(body)
    assert instance["domain"] == DOMAIN
    assert instance["title"] == "Ministry of Tides"
    assert instance["languages"][0] == "nl"
    assert instance["registrations"]["enabled"] is False
    assert [rule["text"] for rule in instance["rules"]] == ["Be kind to people who disagree."]
    assert instance["contact"]["email"] == f"webcare@{DOMAIN}"
    assert instance["contact"]["account"]["username"] == "beheer"


def test_a_handle_at_the_domain_leads_to_the_web_domain(host: Host) -> None:
    status, body = get(host, f"https://{WEB_DOMAIN}/.well-known/webfinger?resource=acct:beheer@{DOMAIN}")
    assert status == 200
    links = {link["rel"]: link for link in json.loads(body)["links"]}
    assert links["self"]["href"].startswith(f"https://{WEB_DOMAIN}/")
    status, _ = get(host, f"https://{DOMAIN}/.well-known/webfinger?resource=acct:beheer@{DOMAIN}")
    assert status in {200, 301}


def test_a_handle_at_a_delegated_domain_leads_to_the_right_handle(host: Host) -> None:
    handle = f"beheer@ministry.{DOMAIN}"
    status, _ = get(host, f"https://ministry.{DOMAIN}/.well-known/webfinger?resource=acct:{handle}")
    assert status == 301
    status, body = get(host, f"https://{WEB_DOMAIN}/.well-known/webfinger?resource=acct:{handle}")
    assert status == 200
    assert json.loads(body)["subject"] == f"acct:beheer@{DOMAIN}"


def test_the_domain_stays_on_record() -> None:
    record = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "host_vars/default-1/deployed.yml"
    assert yaml.safe_load(record.read_text()) == {"instance_deployed": {"domain": DOMAIN, "web_domain": WEB_DOMAIN}}


def test_the_instance_is_healthy_inside(host: Host) -> None:
    health = json.loads(host.check_output("mastodon-run check"))
    assert health["healthy"], health
    assert all(check["ok"] for check in health["checks"].values())


@pytest.mark.parametrize("port", [5432, 6379, 3000, 4000])
def test_nothing_but_the_web_listens_on_the_network(host: Host, port: int) -> None:
    listening = host.check_output("ss -Htlnu | awk '{print $5}'").split()
    assert not [address for address in listening if address.endswith(f":{port}") and not address.startswith("127.")]


def test_the_release_cannot_be_changed_by_the_service(host: Host) -> None:
    assert host.check_output("find /opt/mastodon/releases/ -user mastodon -o -perm -o=w ! -type l") == ""
    assert host.run("runuser -u mastodon -- touch /opt/mastodon/current/x").rc != 0


def test_secrets_are_for_root_and_the_service_only(host: Host) -> None:
    environment = host.file("/etc/mastodon/mastodon.env")
    assert (environment.user, environment.group, environment.mode) == ("root", "mastodon", 0o640)
    assert host.run("runuser -u nobody -- cat /etc/mastodon/mastodon.env").rc != 0
