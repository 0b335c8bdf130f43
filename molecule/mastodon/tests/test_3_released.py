"""Changing configuration, going forward, failing, going back. The tests follow one another on one host."""

import json
from typing import Any

from deployments import deploy, look, release_id, units
from testinfra.host import Host

# Asks web 50 times a second until it is told to stop, each time on a new connection
PROBE = """
import json, socket, time, pathlib
stop, asked, failed, slowest = pathlib.Path('/run/probe-stop'), 0, [], 0.0
while not stop.exists():
    start = time.monotonic()
    try:
        s = socket.socket(socket.AF_UNIX); s.settimeout(15); s.connect('/run/mastodon/web.sock')
        s.sendall(b'GET /health HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
        if not s.makefile('rb').read().startswith(b'HTTP/1.1 200'): failed.append('status')
    except OSError as error:
        failed.append(repr(error))
    s.close()
    asked += 1; slowest = max(slowest, time.monotonic() - start); time.sleep(.02)
print(json.dumps({'asked': asked, 'failed': failed, 'slowest': slowest}))
"""


def start_probe(host: Host) -> None:
    run = "systemd-run --quiet --unit=probe --description=probe --service-type=exec"
    host.check_output(f"rm -f /run/probe-stop; {run} -p StandardOutput=truncate:/run/probe.json python3 -c %s", PROBE)


def stop_probe(host: Host) -> dict[str, Any]:
    host.check_output("touch /run/probe-stop; while systemctl is-active --quiet probe; do sleep .2; done")
    result: dict[str, Any] = json.loads(host.file("/run/probe.json").content_string)
    return result


def starts(host: Host, unit: str) -> int:
    """Count how often a unit was started."""
    return int(host.check_output(f"journalctl --quiet --unit={unit} --output=cat | grep --count ^Started"))


def test_changed_configuration_restarts_each_service_once(host: Host) -> None:
    before = look(host)
    earlier = {unit: starts(host, unit) for unit in units(before.link)}
    run = deploy(
        "--tags=mastodon_configure,mastodon_run",
        mastodon_environment={"SMTP_SERVER": "mail.example.org"},
    )
    assert run.code == 0, run.text
    after = look(host)
    assert after.running.keys() == before.running.keys()
    assert not set(after.running.values()) & set(before.running.values()), "each service was started again"
    assert {unit: starts(host, unit) for unit in units(before.link)} == {unit: n + 1 for unit, n in earlier.items()}
    assert "SMTP_SERVER" in host.file("/etc/mastodon/mastodon.env").content_string


def test_upgrade_beside_the_old_release(host: Host) -> None:
    # What runs that were interrupted leave: an archive, a half unpacked tree, a half removed release
    leave = "cd /opt/mastodon/releases; echo x > .incoming.tar.zst; mkdir -p .unpack-x/y .remove-z; touch .unpack-x/y/z"
    host.check_output(leave)
    start_probe(host)
    run = deploy(release="next")
    seen = stop_probe(host)
    assert run.code == 0, run.text
    first, following, state = release_id("first"), release_id("next"), look(host)
    assert state.link == following
    assert tuple(sorted(state.running)) == units(following)
    assert state.at_boot == units(following)
    assert state.releases == {first, following}, "the old release is kept, leftovers are gone"
    assert "SMTP_PASSWORD" in host.file("/etc/mastodon/mastodon.env").content_string
    assert seen["asked"] > 100
    # A connection that the old server accepts in the moment it stops may get lost
    assert len(seen["failed"]) <= 1, seen
    assert seen["slowest"] < 10


def test_a_sick_release_does_not_get_into_service(host: Host) -> None:
    before = look(host)
    run = deploy(release="sick", mastodon_health_timeout=5)
    assert run.code != 0
    following = release_id("next")
    assert f"{release_id('sick')} is not healthy after 5 seconds: bin/check: queues: nobody works" in run.words
    assert f"The release {following} is in service again." in run.words
    assert f"-- mastodon-web@{release_id('sick')}.service" in run.words, "the last lines of the log are shown"
    after = look(host)
    assert after.link == before.link == following
    assert after.at_boot == before.at_boot
    assert tuple(sorted(after.running)) == units(following)
    web = f"mastodon-web@{following}.service"
    assert after.running[web] == before.running[web], "web was never stopped"


def test_going_back_is_deploying_the_older_archive(host: Host) -> None:
    foretold = deploy("--check")
    assert foretold.code == 0, foretold.text
    assert foretold.changed == 1, "check mode foretells the switch"
    run = deploy(mastodon_keep_releases=2)
    assert run.code == 0, run.text
    first, state = release_id("first"), look(host)
    assert state.link == first
    assert tuple(sorted(state.running)) == units(first)
    assert state.at_boot == units(first)
    assert state.releases == {first, release_id("next")}, "what is and was in service stays, the others go by age"
