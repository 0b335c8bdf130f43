"""After five kills and one whole run the instance is as if nothing had happened."""

import json

from testinfra.host import Host


def test_it_is_healthy_inside(host: Host) -> None:
    health = json.loads(host.check_output("mastodon-run check"))
    assert health["healthy"], health


def test_a_domain_that_is_elsewhere_is_not_claimed(host: Host) -> None:
    names = host.check_output(
        "openssl x509 -noout -ext subjectAltName -in /etc/ssl/meentwerk/social.interrupted.example.test/fullchain.pem"
    )
    assert "DNS:social.interrupted.example.test" in names
    assert "DNS:interrupted.example.test" not in names


def test_no_half_release_is_left(host: Host) -> None:
    left = host.check_output("ls -A /opt/mastodon/releases").split()
    assert len(left) == 1, left


def test_the_firewall_has_no_rollback_waiting(host: Host) -> None:
    assert host.check_output("systemctl list-timers --no-legend 'meentwerk-firewall-*'") == ""


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --plain --no-legend") == ""
