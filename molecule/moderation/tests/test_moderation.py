"""The policy against a deployed instance, over the API and by bin/batch, as an operator runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
HOSTS = os.environ["MOLECULE_HOSTS"]
DOMAIN = "moderation.example.test"
CA = Path("~/.cache/meentwerk/test/ca-moderation/ca.pem").expanduser()
REACHED = ["--server", f"https://{DOMAIN}", "--address", "10.87.95.11", "--ca-file", str(CA)]
BY_BATCH = ["--instance", "moderation-1", "--inventory", HOSTS, "--way", "batch"]
KEYS = {"ip_blocks": "ip", "canonical_email_blocks": "canonical_email_hash"}
# A policy of 5,000 blocks is for a quiet machine: MEENTWERK_TEST_BLOCKS=5000 molecule test -s moderation
MANY = int(os.environ.get("MEENTWERK_TEST_BLOCKS", "1000"))
THERE, BY_HAND = MANY - MANY // 25, MANY * 3 // 50
DONE, WRONG_INPUT, CHANGES, NOT_ALLOWED, REFUSED = 0, 2, 3, 5, 6


def batch(name: str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run bin/batch on the host as it is, without Meentwerk's own way there."""
    done = subprocess.run(
        [PROJECT / "scripts/embedded-host", "shell", "moderation-1", "mastodon-run", "batch", name],
        input=json.dumps({"contract": 1, "items": list(items)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


def there(section: str) -> list[dict[str, Any]]:
    """Everything that the server has in a section."""
    records: list[dict[str, Any]] = batch("moderation", [{"action": "read", "section": section}])[0]["records"]
    return records


@dataclass
class Desk:
    """A folder with layers, a token, and an audit log."""

    folder: Path
    token: str

    def lay(self, layer: str = "organisation", **body: object) -> list[str]:
        """Write a layer and return the options that name it."""
        file = self.folder / f"{layer}.yml"
        file.write_text(yaml.safe_dump({"layer": layer, "owner": "Trust and safety team", **body}, sort_keys=False))
        return ["--policy", str(file)]

    def run(self, verb: str, *options: str, expect: int, token: str | None = None) -> Any:  # noqa: ANN401  # JSON, or text
        """Run the command; returns what it printed as JSON, or as text."""
        done = subprocess.run(
            [sys.executable, "-m", "meentwerk.cli", "moderation", verb, *options],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "MEENTWERK_TOKEN": token or self.token},
        )
        assert done.returncode == expect, (
            f"{verb} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        assert self.token not in done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in options else done.stdout + done.stderr

    def audited(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        return [json.loads(line) for line in (self.folder / "moderation-audit.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """An operator's desk, and a server without any limits."""
    sections = ("domain_blocks", "domain_allows", "email_domain_blocks", "ip_blocks", "canonical_email_blocks")
    clear = [
        {"action": "delete", "section": section, "key": row[KEYS.get(section, "domain")]}
        for section in sections
        for row in there(section)
    ]
    batch("moderation", clear)
    item = {
        "username": "beheer",
        "application": "moderation",
        "scopes": "profile admin:read admin:write",
        "renew": True,
    }
    return Desk(tmp_path_factory.mktemp("desk"), batch("tokens", [item])[0]["token"])


SPAM = {"domain": "Büro.example.com", "severity": "suspend", "public_comment": "Spam", "reason": "Spam"}
WAVE = {"ip": "203.0.113.0/24", "severity": "sign_up_block", "reason": "Wave"}
FRIEND = """
DELETE FROM accounts WHERE domain = 'sub.friends.example.com';
INSERT INTO accounts (id, username, domain, created_at, updated_at)
  VALUES (4711, 'friend', 'sub.friends.example.com', now(), now());
INSERT INTO follows (account_id, target_account_id, created_at, updated_at)
  SELECT id, 4711, now(), now() FROM accounts WHERE username = 'beheer' AND domain IS NULL;
"""


def blocks(first: int, last: int) -> list[dict[str, Any]]:
    """Many domain blocks."""
    return [{"domain": f"spam{n}.example.com", "severity": "silence", "reason": "Spam"} for n in range(first, last)]


def test_1_every_section_is_applied_changed_and_removed(desk: Desk) -> None:
    everything: dict[str, Any] = {
        "domain_blocks": [SPAM],
        "domain_allows": [{"domain": "city.example.net", "reason": "Partner"}],
        "email_domain_blocks": [{"domain": "throwaway.example.com", "reason": "Nobody's mailboxes"}],
        "ip_blocks": [{**WAVE, "expires": "2099-01-01T00:00:00Z"}],
        "canonical_email_blocks": [{"hash": "a" * 64, "reason": "Came back"}],
        "rules": [{"text": "Be kind.", "translations": {"nl": {"text": "Wees aardig."}}, "reason": "House rules"}],
        "registrations": {"mode": "approval", "reason": "Guests"},
        "settings": [{"name": "show_domain_blocks", "value": "all", "reason": "Openness"}],
    }  # fmt: skip
    changed: dict[str, Any] = {
        "domain_blocks": [{"domain": "xn--bro-hoa.example.com", "severity": "silence", "reason": "Better"}],
        "domain_allows": [],
        "email_domain_blocks": [{"domain": "throwaway.example.com", "allow_with_approval": True, "reason": "By hand"}],
        "ip_blocks": [{"ip": "203.0.113.0/24", "severity": "sign_up_requires_approval", "reason": "Less"}],
        "canonical_email_blocks": [],
        "rules": [
            {"text": "Be kind.", "hint": "Always.", "translations": {"fy": {"text": "Wês aardich."}}, "reason": "x"}
        ],
        "registrations": {"mode": "closed", "reason": "Staff only"},
        "settings": [{"name": "show_domain_blocks", "value": "disabled", "reason": "Not yet"}],
    }
    nothing: dict[str, list[Any]] = {name: [] for name in everything if name not in {"registrations", "settings"}}
    both = [*REACHED, "--instance", "moderation-1", "--inventory", HOSTS]
    for way in (both, BY_BATCH):
        for body in (everything, changed, nothing):
            options = [*desk.lay(**body), *way]
            desk.run("apply", *options, expect=DONE)
            desk.run("diff", *options, expect=DONE)
            if body is everything:
                assert there("rules")[0]["translations"] == {"nl": {"text": "Wees aardig.", "hint": ""}}
                assert there("domain_blocks")[0]["domain"] == "xn--bro-hoa.example.com"
        read = [{"action": "read", "section": name} for name in nothing]
        assert not any(result["records"] for result in batch("moderation", read))
    lines = desk.audited()
    assert {line["result"] for line in lines} == {"done"}
    assert {line["way"] for line in lines} == {"API", "bin/batch"}


def test_2_thousands_of_blocks_additive(desk: Desk) -> None:
    """Most are there, and some more that were made by hand."""
    options = [*desk.lay(domain_blocks=blocks(0, THERE)), *BY_BATCH]
    assert desk.run("apply", *options, "--json", expect=DONE)["changes"] == THERE
    by_hand = {"severity": "suspend", "private_comment": "by hand"}
    names = [f"hand{n}.example.net" for n in range(BY_HAND)]
    batch(
        "moderation", [{"action": "put", "section": "domain_blocks", "key": name, "fields": by_hand} for name in names]
    )

    options = [*desk.lay(domain_blocks=blocks(0, MANY)), *REACHED]
    plan = desk.folder / "additive.plan"
    made = desk.run("plan", *options, "--out", str(plan), "--json", expect=CHANGES)
    assert [change["action"] for change in made["changes"]] == ["create"] * (MANY - THERE)
    assert {change["key"] for change in made["changes"]} == {block["domain"] for block in blocks(THERE, MANY)}
    assert (
        desk.run(
            "apply", str(plan), *REACHED, "--audit", str(desk.folder / "moderation-audit.jsonl"), "--json", expect=DONE
        )["changes"]
        == MANY - THERE
    )
    assert "changed since" in desk.run("apply", str(plan), *REACHED, expect=REFUSED)
    assert desk.run("apply", *options, "--json", expect=DONE)["changes"] == 0
    assert len(there("domain_blocks")) == MANY + BY_HAND


def test_3_thousands_of_blocks_exclusive(desk: Desk) -> None:
    options = [*desk.lay(ownership={"domain_blocks": "exclusive"}, domain_blocks=blocks(0, MANY)), *BY_BATCH]
    made = desk.run("plan", *options, "--json", expect=CHANGES)
    assert [change["action"] for change in made["changes"]] == ["delete"] * BY_HAND
    assert desk.run("apply", *options, "--json", expect=DONE)["changes"] == BY_HAND
    assert desk.run("apply", *options, "--json", expect=DONE)["changes"] == 0
    assert len(there("domain_blocks")) == MANY


def test_4_a_mistake_is_refused(desk: Desk) -> None:
    emptied = [*desk.lay(ownership={"domain_blocks": "exclusive"}, domain_blocks=[]), *BY_BATCH]
    assert "deletions" in desk.run("apply", *emptied, expect=REFUSED)
    own = [*desk.lay(domain_blocks=[*blocks(0, MANY), {"domain": "example.test", "reason": "Oops"}]), *BY_BATCH]
    assert "own domain" in desk.run("plan", *own, expect=REFUSED)
    assert len(there("domain_blocks")) == MANY
    wrong = desk.lay(domain_blocks=[{"domain": "https://spam.example.com/", "reason": "x"}])
    assert "organisation.yml:4" in desk.run("apply", *wrong, *BY_BATCH, expect=WRONG_INPUT)


@pytest.mark.parametrize("way", [REACHED, BY_BATCH], ids=["api", "batch"])
def test_5_follows_that_would_be_cut_are_counted(desk: Desk, host: Host, way: list[str]) -> None:
    host.check_output(f'runuser -u postgres -- psql -v ON_ERROR_STOP=1 mastodon -c "{FRIEND}"')
    options = [
        *desk.lay(
            domain_blocks=[*blocks(0, MANY), {"domain": "friends.example.com", "severity": "suspend", "reason": "Spam"}]
        ),
        *way,
    ]
    said = desk.run("plan", *options, expect=REFUSED)
    assert "would cut 1 follow of" in said
    assert desk.run("plan", *options, "--override", "severed-follows", "--json", expect=CHANGES)["follows"] == {
        "friends.example.com": 1
    }


def test_6_what_a_token_lacks_is_named(desk: Desk) -> None:
    item = {"username": "beheer", "application": "reader", "scopes": "profile admin:read:domain_blocks", "renew": True}
    token = batch("tokens", [item])[0]["token"]
    options = [*desk.lay(domain_blocks=blocks(0, MANY + 1)), *REACHED]
    said = desk.run("apply", *options, expect=NOT_ALLOWED, token=token)
    assert "admin:write:domain_blocks" in said
    options = [*desk.lay(ip_blocks=[]), *REACHED]
    assert "admin:read:ip_blocks" in desk.run("plan", *options, expect=NOT_ALLOWED, token=token)


def test_7_what_a_server_has_becomes_a_policy(desk: Desk) -> None:
    file = desk.folder / "found.yml"
    desk.run("import", *BY_BATCH, "--layer", "found", "--exclusive", "--out", str(file), expect=DONE)
    assert desk.run("plan", "--policy", str(file), *BY_BATCH, "--json", expect=DONE)["changes"] == []
    exported = desk.run("export", "--policy", str(file), expect=DONE).splitlines()
    assert exported[0].startswith("#domain,#severity")
    assert len(exported) == MANY + 1
    desk.run("publish", str(desk.folder / "public"), "--policy", str(file), expect=DONE)
    published = json.loads((desk.folder / "public/limits.json").read_text())
    assert len(published["domain_blocks"]) == MANY


def test_8_the_playbook_previews_applies_and_finds_drift(desk: Desk) -> None:
    _, file = desk.lay(ownership={"domain_blocks": "exclusive"}, domain_blocks=blocks(0, MANY - 1))
    command = [
        "ansible-playbook",
        "-i",
        HOSTS,
        "playbooks/moderation.yml",
        "-e",
        json.dumps({"moderation_policy": [file]}),
    ]

    def play(*more: str, expect: int) -> str:
        done = subprocess.run([*command, *more], cwd=PROJECT, capture_output=True, text=True, check=False)
        assert done.returncode == expect, done.stdout[-3000:] + done.stderr[-2000:]
        return done.stdout

    assert "changed=1" in play("--check", expect=0)
    assert "is not as its policy says in 1 places" in " ".join(play("-e", "moderation_verb=diff", expect=2).split())
    assert "changed=1" in play(expect=0)
    assert "changed=0" in play(expect=0)
    assert "changed=0" in play("-e", "moderation_verb=diff", expect=0)
    assert len(there("domain_blocks")) == MANY - 1
