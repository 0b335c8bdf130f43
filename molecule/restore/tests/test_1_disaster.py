"""The host dies while people write, its disk is gone, and a fresh host takes its place."""

import json
import time
from datetime import datetime

from calamity import DOMAIN, a_fresh_host, lose_the_host, play, reach, sql, writing
from testinfra.host import Host

from benchmarks.people import People

STATED = 60  # seconds: the recovery point that docs/backup.md states
MEDIA = "cd /var/lib/mastodon/media && find . -type f -not -path './cache/*' | sort | xargs sha256sum"
HOME = "/api/v1/timelines/home?limit=40"
HOLD = "/etc/mastodon/hold"
KEYS = "grep --extended-regexp '^(ACTIVE_RECORD|SECRET_KEY|VAPID)' /etc/mastodon/mastodon.env | sort | sha256sum"


def jobs(host: Host) -> int:
    """Count the jobs that wait in Sidekiq's queues."""
    count = "valkey-cli -s /run/valkey/valkey.sock --raw eval %s 0"
    script = (
        "local n = 0 for _, queue in ipairs(redis.call('smembers', 'queues')) do "
        "n = n + redis.call('llen', 'queue:' .. queue) end return n"
    )
    return int(host.check_output("runuser -u valkey -- " + count, script))


def test_the_host_is_lost_and_comes_back(instance: Host, people: People) -> None:
    # Uploads of people, and a two-factor seed as the database holds it: encrypted with the instance's keys
    instance.check_output(
        "install -d -o mastodon -g www-data /var/lib/mastodon/media/accounts/avatars && "
        "for n in $(seq 20); do head -c 50000 /dev/urandom > /var/lib/mastodon/media/accounts/avatars/$n.jpg; done && "
        "chown -R mastodon:www-data /var/lib/mastodon/media/accounts"
    )
    # The reader's timeline lies in Valkey from here on, as old as the snapshot
    assert people.target.ask("GET", HOME, people.reader)[0] == 200
    made = play("backup", backup_label="before-the-storm")
    assert made.code == 0, made.text
    media, keys = instance.check_output(MEDIA), instance.check_output(KEYS)

    with writing(people) as posts:
        time.sleep(75)  # longer than the stated recovery point: some posts have left the host, some have not
        died = lose_the_host()
    accepted = dict(posts.accepted)
    assert len(accepted) > 100

    began = time.monotonic()
    a_fresh_host()
    run = play("restore")
    took = time.monotonic() - began
    assert run.code == 0, run.text
    assert "Nothing is delivered yet." in run.words

    host = reach("restore-1")
    found = set(sql(host, "SELECT id FROM statuses").split())
    lost = {post: when for post, when in accepted.items() if post not in found}
    kept = [when for post, when in accepted.items() if post in found]
    gap = died - max(kept)
    print(
        f"\n{len(accepted)} posts accepted in the last {died - min(accepted.values()):.0f} s, {len(lost)} lost; "
        f"recovery point {gap:.1f} s ({STATED} s stated); restored onto a fresh host in {took:.0f} s"
    )
    assert gap <= STATED
    late = [post for post, when in lost.items() if when < died - STATED]
    assert late == [], "a post older than the stated recovery point is lost"
    # What came back is a beginning without holes
    assert all(when > max(kept) for when in lost.values())

    _, home = people.target.ask("GET", HOME, people.reader)
    newest = sorted((post for post in accepted if post in found), key=int)[-len(home) :]
    assert {post["id"] for post in home} == set(newest), "what came back stands in the timelines of those who follow"

    assert host.check_output(MEDIA) == media
    assert host.check_output(KEYS) == keys
    report = json.loads(host.check_output("cat /var/lib/meentwerk/restore.json"))
    assert datetime.fromisoformat(report["recovery_point"]).timestamp() >= died - STATED - 1


def test_people_are_signed_in_and_nothing_is_delivered(instance: Host, people: People) -> None:
    for token in (people.authors[0], people.reader):
        status, account = people.target.ask("GET", "/api/v1/accounts/verify_credentials", token)
        assert status == 200, account
    assert instance.file(HOLD).exists
    status, _ = people.target.ask("POST", "/api/v1/statuses", people.authors[0], {"status": "while it waits"})
    assert status == 200
    time.sleep(3)
    assert instance.check_output("systemctl list-units --no-legend --state=active 'mastodon-sidekiq@*'") == ""
    assert jobs(instance) > 0, "what is to be delivered waits in its queue"


def test_the_site_does_not_end_the_hold(instance: Host) -> None:
    run = play("site")
    assert run.code != 0
    assert "This instance was restored and waits" in run.words
    assert "playbooks/resume.yml" in run.words
    assert instance.file(HOLD).exists


def test_the_operator_releases_it(instance: Host, people: People) -> None:
    run = play("resume")
    assert run.code == 0, run.text
    assert not instance.file(HOLD).exists
    deadline = time.monotonic() + 30
    while jobs(instance) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert jobs(instance) == 0
    healthy = json.loads(instance.check_output("meentwerk-backup check"))
    assert healthy["healthy"], healthy
    checked = play("health")
    assert checked.code == 0, checked.text
    again = play("site")
    assert again.code == 0, again.text
    assert "changed=0" in again.text
    status, page = people.target.ask("GET", "/api/v2/instance")
    assert (status, page["domain"]) == (200, DOMAIN)
