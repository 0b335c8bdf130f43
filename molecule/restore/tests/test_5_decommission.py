"""The end of an instance: nothing without consent, all is kept, every server told, nothing left; and never again."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from calamity import DOMAIN, HOSTS, NAME, PROJECT, command, play, sql
from testinfra.host import Host

from benchmarks.people import People
from tests.ending import kill_all

SERVERS = ("one.example.org", "two.example.org", "three.example.org")
AGREED = {"decommission_consent": DOMAIN}
ACCOUNTS = "SELECT count(*) FROM accounts WHERE domain IS NULL"
RECORD = HOSTS.parent / f"host_vars/{NAME}/decommissioned.yml"
SENT = ("smembers", "sandbox:self_destruct:delivered")
TEXT = "what the ministry said"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where announcements and archive go."""
    return tmp_path_factory.mktemp("kept") / NAME


@pytest.fixture(scope="module")
def quick(kept: Path) -> dict[str, object]:
    """Wait seconds where an operator waits hours."""
    return {"decommission_folder": str(kept), "decommission_wait_minutes": 2, "decommission_poll_seconds": 5}


def valkey(host: Host, *words: str) -> list[str]:
    answer: str = host.check_output("valkey-cli -s /run/valkey/valkey.sock " + " ".join(words))
    return answer.splitlines()


def state() -> str:
    return str(yaml.safe_load(RECORD.read_text())["instance_decommissioned"]["state"]) if RECORD.exists() else ""


def kill_when(due: Callable[[], bool], **variables: object) -> None:
    """Start the playbook and kill it, the controller's side and its connection, at a moment."""
    process = subprocess.Popen(
        command("decommission", **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=PROJECT,
    )
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        if due():
            kill_all(process)
            return
        time.sleep(0.05)
    process.wait()
    raise AssertionError(f"it ended with {process.returncode} before the moment came")


def archived(kept: Path, name: str) -> list[dict[str, object]]:
    """Read one kind of row from the archive, as an archivist does: with tar and nothing of ours."""
    done = subprocess.run(
        ["tar", "--extract", "--to-stdout", f"--file={kept / NAME}.tar", f"{name}.jsonl"],
        capture_output=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nothing_happens_without_consent(instance: Host, people: People, kept: Path, quick: dict[str, object]) -> None:
    assert people.target.ask("POST", "/api/v1/statuses", people.authors[0], {"status": TEXT})[0] == 200
    for number, server in enumerate(SERVERS):
        sql(
            instance,
            "INSERT INTO accounts (username, domain, uri, created_at, updated_at) "
            f"VALUES ('reader{number}', '{server}', 'https://{server}/users/reader', now(), now()) "
            "ON CONFLICT DO NOTHING",
        )
    preview = subprocess.run(
        [*command("decommission", **AGREED, **quick), "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    words = " ".join(preview.stdout.split())
    assert preview.returncode == 0, preview.stdout + preview.stderr
    assert re.search(r"changed=0 ", preview.stdout)
    assert "3 servers are told" in words
    assert f"{int(sql(instance, ACCOUNTS))} accounts" in words
    assert not kept.exists()

    for consent in ({}, {"decommission_consent": "another.example.org"}):
        refused = play("decommission", **consent, **quick)
        assert refused.code != 0
        assert "serves as before" in refused.words, refused.text
    assert DOMAIN in (kept / "announcement.nl.txt").read_text()
    assert "stops for good" in (kept / "announcement.en.txt").read_text()
    assert state() == ""
    assert people.target.ask("GET", "/api/v1/timelines/home", people.reader)[0] == 200


def test_it_is_kept_whole_and_leaves(instance: Host, people: People, kept: Path, quick: dict[str, object]) -> None:
    accounts, posts = int(sql(instance, ACCOUNTS)), int(sql(instance, "SELECT count(*) FROM statuses"))
    # Killed after the point of no return, before the services know of it
    kill_when(lambda: state() == "leaving", **AGREED, **quick)
    second = play("decommission", **quick)
    assert second.code != 0
    assert "has left the federation, and its data are still on" in second.words, second.text
    assert state() == "leaving"

    told = {tuple(pair.split()) for pair in valkey(instance, *SENT)}
    assert len(told) == accounts * len(SERVERS), "every server is told of every account"
    assert {server for _, server in told} == set(SERVERS)
    assert people.target.ask("GET", "/api/v1/instance", "")[0] == 410
    assert len(archived(kept, "accounts")) == accounts
    texts = [row["text"] for row in archived(kept, "posts")]
    assert len(texts) == posts
    assert TEXT in texts
    content = (kept / f"{NAME}.tar").read_bytes()
    assert b"PRIVATE KEY" not in content
    assert b"author1@example.org" not in content, "no address of a person"
    assert (kept / f"{NAME}.tar").stat().st_mode & 0o077 == 0
    labels = [it["label"] for it in json.loads(instance.check_output("meentwerk-backup list"))]
    assert "decommission" in labels


def test_no_other_verb_brings_it_back(instance: Host) -> None:
    environment = instance.check_output("sha256sum /etc/mastodon/mastodon.env")
    for verb in ("site", "restore"):
        run = play(verb)
        assert run.code == 0, run.text
        assert "is being decommissioned since" in run.words
        assert re.search(rf"{NAME}\s.*changed=0 ", run.text), run.text
    # The record is lost: the host itself knows
    record = RECORD.read_text()
    RECORD.unlink()
    try:
        refused = play("site")
    finally:
        RECORD.write_text(record)
    assert refused.code != 0
    assert "is leaving the federation for good" in refused.words, refused.text
    assert instance.check_output("sha256sum /etc/mastodon/mastodon.env") == environment


def test_nothing_is_removed_before_every_server_was_told(instance: Host, quick: dict[str, object]) -> None:
    waiting = {**quick, "decommission_wait_minutes": 0, "decommission_delete_consent": DOMAIN}
    job = json.dumps(
        {"class": "ActivityPub::DeliveryWorker", "args": [1, SERVERS[0]], "queue": "push", "jid": "0" * 24}
    )
    instance.check_output("valkey-cli -s /run/valkey/valkey.sock zadd retry 9999999999 %s", job)
    run = play("decommission", **waiting)
    assert run.code != 0
    assert "Nothing was removed" in run.words, run.text
    assert "-e decommission_accept_failures=true" in run.words
    assert instance.file("/var/lib/postgresql/17/main/PG_VERSION").exists
    assert state() == "leaving"


def test_removed_also_when_it_is_cut_off(instance: Host, kept: Path, quick: dict[str, object]) -> None:
    agreed = {**quick, "decommission_accept_failures": True, "decommission_delete_consent": DOMAIN}
    damaged = kept / f"{NAME}.tar"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole.replace(TEXT.encode(), TEXT.upper().encode()))
    refused = play("decommission", **agreed)
    damaged.write_bytes(whole)
    assert refused.code != 0
    assert "damaged: posts.jsonl was changed" in refused.words, refused.text
    assert instance.file("/var/lib/postgresql/17/main/PG_VERSION").exists

    # Mail that nobody takes tells no server anything: nothing has to be accepted for it
    mail = json.dumps({"class": "Sidekiq::ActiveJob::Wrapper", "args": [{}], "queue": "mailers", "jid": "1" * 24})
    instance.check_output("valkey-cli -s /run/valkey/valkey.sock del retry")
    instance.check_output("valkey-cli -s /run/valkey/valkey.sock zadd retry 9999999999 %s", mail)
    del agreed["decommission_accept_failures"]
    kill_when(lambda: not instance.file("/var/lib/postgresql/17").exists, **agreed)
    assert state() == "removing"
    run = play("decommission", **agreed)
    assert run.code == 0, run.text
    assert state() == "gone"
    for path in (
        "/var/lib/postgresql/17",
        "/var/lib/mastodon",
        "/etc/mastodon",
        "/opt/mastodon",
        "/etc/meentwerk/backup",
    ):
        assert not instance.file(path).exists, path
    left = "grep --recursive --files-with-matches --fixed-strings %s /var/lib /etc /opt /srv /var/cache /var/log/nginx"
    assert instance.run(left, TEXT).stdout == ""
    assert (
        instance.run("systemctl list-units --no-legend 'mastodon*' 'meentwerk-backup*' | grep -w running").stdout == ""
    )
    again = play("decommission", **agreed)
    assert again.code == 0
    assert "was decommissioned on" in again.words
    assert re.search(rf"{NAME}\s.*changed=0 ", again.text)


def test_never_set_up_again(instance: Host) -> None:
    run = play("site")
    assert run.code == 0, run.text
    assert "was decommissioned on" in run.words
    assert not instance.file("/opt/mastodon").exists
    RECORD.unlink()  # the scenario's next run begins anew
