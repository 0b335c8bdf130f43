"""After five kills and one whole run the instance is as if nothing had happened."""

import json

from testinfra.host import Host


def test_it_is_healthy_inside(host: Host) -> None:
    health = json.loads(host.check_output("mastodon-run check"))
    assert health["healthy"], health


def test_no_half_release_is_left(host: Host) -> None:
    left = host.check_output("ls -A /opt/mastodon/releases").split()
    assert len(left) == 1, left


def test_the_firewall_has_no_rollback_waiting(host: Host) -> None:
    assert host.check_output("systemctl list-timers --no-legend 'meentwerk-firewall-*'") == ""


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --plain --no-legend") == ""
