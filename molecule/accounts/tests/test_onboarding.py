"""Onboarding against the rehearsal release: many accounts, interruptions, two runs at once, no secrets."""

import json
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lists
import pytest
import requests
from meentwerk import batch as batch_module
from meentwerk.api import Client, Server
from meentwerk.cli import run as run_here
from onboarding import ADDRESS, CA_FILE, DOMAIN, HOSTS, INSTANCE, SCENARIO, Onboarding
from testinfra.host import Host

from tests.ending import kill_all

# The thousand of docs/accounts.md is for a quiet machine: MEENTWERK_TEST_ACCOUNTS=1000 molecule test -s accounts
MANY = int(os.environ.get("MEENTWERK_TEST_ACCOUNTS", "250"))
KILLS = 10
SERVER = ("--server", DOMAIN, "--address", ADDRESS, "--ca-file", str(CA_FILE))


def batch(host: Host, name: str, *items: dict[str, Any]) -> list[dict[str, Any]]:
    """Run bin/batch on the host."""
    request = json.dumps({"contract": 1, "items": items}).replace("'", "'\\''")
    done = host.run(f"printf %s '{request}' | mastodon-run batch {name}")
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


def states(host: Host, prefix: str) -> dict[str, dict[str, Any]]:
    """Return the accounts of the server whose names begin so."""
    found = batch(host, "states", {"username": "*"})
    return {result["key"]: result["state"] for result in found if result["key"].startswith(prefix)}


def signs_in(email: str, password: str) -> bool:
    """Sign in as a person does, with the form."""
    client = Client(Server.parse(DOMAIN, CA_FILE, ADDRESS))
    session: requests.Session = client.session
    url = f"https://{DOMAIN}/auth/sign_in"
    page = session.get(url, timeout=30, verify=str(CA_FILE))
    found = re.search(
        r'name="authenticity_token"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="authenticity_token"', page.text
    )
    assert found, page.text
    form = {"authenticity_token": found[1] or found[2], "user[email]": email, "user[password]": password}
    answer = session.post(url, data=form, timeout=30, verify=str(CA_FILE), allow_redirects=False)
    return answer.status_code == 303


def test_many_accounts_from_one_file_and_a_second_run_that_writes_nothing(onboarding: Onboarding, host: Host) -> None:
    listed = lists.write(onboarding.folder, onboarding.word("many"), MANY, pictures=20, profiles=40)
    begin = time.monotonic()
    code, answer = onboarding.json("apply", str(listed))
    print(f"{MANY} accounts in {time.monotonic() - begin:.0f} s")
    assert (code, answer["counts"]) == (0, {"created": MANY})
    found = states(host, onboarding.word("many"))
    assert len(found) == MANY
    assert all(state["confirmed"] and state["approved"] for state in found.values())
    first = found[onboarding.word("many") + lists.letters(0)]
    assert first["display_name"] == "Office 0 ✓"
    assert first["avatar"]
    begin = time.monotonic()
    code, answer = onboarding.json("apply", str(listed))
    print(f"nothing to do for {MANY} in {time.monotonic() - begin:.0f} s")
    assert (code, answer["writes"], answer["counts"]) == (0, 0, {"unchanged": MANY})
    assert onboarding.run("plan", str(listed))[0] == 0


def test_a_first_password_works_and_its_file_is_private(onboarding: Onboarding) -> None:
    name = onboarding.word("many") + lists.letters(3)
    [password] = onboarding.passwords()[name]
    assert signs_in(f"team3@{onboarding.word('many')}.example.org", password)
    assert not signs_in(f"team3@{onboarding.word('many')}.example.org", password + "x")
    for path in (onboarding.state, *onboarding.state.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_killed_at_ten_random_moments_it_is_finished_without_a_double(onboarding: Onboarding, host: Host) -> None:
    listed = lists.write(onboarding.folder, onboarding.word("kill"), 30, pictures=10)
    chance = random.Random(os.environ.get("MEENTWERK_TEST_SEED", time.time_ns()))
    length, killed = 4.0, 0
    for _ in range(KILLS):
        process = onboarding.start("apply", str(listed))
        moment = chance.uniform(0.5, length)
        time.sleep(moment)
        if process.poll() is None:
            kill_all(process)
            killed += 1
        else:
            length = max(1.0, length / 2)
        onboarding.said += list(process.communicate())
    assert killed >= KILLS // 2
    code, said = onboarding.run("apply", str(listed))
    assert code == 0, said
    time.sleep(2)  # what was killed here may still have been at work on the host
    assert onboarding.json("apply", str(listed))[1]["writes"] == 0
    found = states(host, onboarding.word("kill"))
    assert len(found) == 30
    passwords = onboarding.passwords()
    assert {name: len(passwords[name]) for name in found} == dict.fromkeys(found, 1)
    for name in list(found)[::6]:
        assert signs_in(found[name]["email"], passwords[name][0]), name
    assert tokens_left(host, onboarding.word("kill")) == "0"


def tokens_left(host: Host, prefix: str) -> str:
    """Return how many tokens of onboarding the database holds for accounts whose names begin so."""
    query = (
        "select count(*) from oauth_access_tokens t join oauth_applications a on a.id = t.application_id "
        "join users u on u.id = t.resource_owner_id join accounts c on c.id = u.account_id "
        f"where a.name = 'Meentwerk onboarding' and c.username like '{prefix}%'"
    )
    return str(host.check_output(f'runuser -u mastodon -- psql -d mastodon -tAc "{query}"')).strip()


def test_of_two_runs_at_once_one_is_refused_or_waits(onboarding: Onboarding, host: Host) -> None:
    listed = lists.write(onboarding.folder, onboarding.word("pair"), 5)
    first, second = onboarding.start("apply", str(listed)), onboarding.start("apply", str(listed))
    onboarding.said += [text for process in (first, second) for text in process.communicate(timeout=300)]
    assert sorted((first.returncode, second.returncode)) in ([0, 6], [0, 0])
    listed = lists.write(onboarding.folder, onboarding.word("wait"), 5)
    first, second = (onboarding.start("apply", str(listed), "--wait", "--json") for _ in range(2))
    answers = [json.loads(process.communicate(timeout=300)[0]) for process in (first, second)]
    assert sorted((answer["writes"] > 0) for answer in answers) == [False, True]
    assert len(states(host, onboarding.word("wait"))) == 5


def test_a_name_of_another_is_a_conflict(onboarding: Onboarding, host: Host) -> None:
    listed = lists.write(onboarding.folder, onboarding.word("taken"), 1)
    name = onboarding.word("taken") + lists.letters(0)
    batch(host, "accounts", {"username": name, "email": f"{name}@else.example"})
    code, said = onboarding.run("apply", str(listed))
    assert code == 3
    assert "another e-mail address" in said
    assert states(host, name)[name]["email"] == f"{name}@else.example"


def test_accounts_end_exported_and_are_deleted_only_after_a_typed_word(onboarding: Onboarding, host: Host) -> None:
    name = onboarding.word("pair") + lists.letters(0)
    code, said = onboarding.run("offboard", name)
    assert code == 0, said
    assert states(host, name)[name]["disabled"] is True
    [export] = (onboarding.state / "exports").glob(f"{name}-*.json")
    assert json.loads(export.read_text())["account"]["username"] == name
    assert onboarding.run("offboard", name, "--delete", "--confirm", "no")[0] == 6
    assert states(host, name)[name]["email"] is not None
    code, said = onboarding.run("offboard", name, "--delete", "--confirm", DOMAIN)
    assert code == 0, said
    assert states(host, name)[name]["email"] is None


def test_status_for_a_spreadsheet_holds_no_formula(onboarding: Onboarding) -> None:
    listed = lists.write(onboarding.folder, onboarding.word("pair"), 5, department="=cmd|' /C calc'!A0")
    table = onboarding.folder / "status.csv"
    assert onboarding.run("status", str(listed), "--csv", str(table))[0] == 0
    text = table.read_text(encoding="utf-8-sig")
    assert "'=cmd" in text
    assert not re.search(r"(^|,)\"?=", text, re.MULTILINE)


@pytest.fixture
def moderator(onboarding: Onboarding, host: Host) -> Iterator[dict[str, str]]:
    scopes = ["admin:read:accounts", "admin:write:accounts"]
    [made] = batch(host, "tokens", {"username": "beheer", "application": "test", "scopes": scopes, "renew": True})
    yield {"MEENTWERK_TOKEN": made["token"]}
    onboarding.said.append("")
    assert made["token"] not in "".join(onboarding.said)


def test_another_s_server_over_its_api_alone(onboarding: Onboarding, host: Host, moderator: dict[str, str]) -> None:
    listed = lists.write(onboarding.folder, onboarding.word("else"), 6, pictures=2)
    more = (*SERVER, "--state", str(onboarding.folder / "else-state"), "--patience", "0")
    (onboarding.folder / "else-state").mkdir(mode=0o700)
    assert onboarding.run("plan", str(listed), *more[:-2], **moderator)[0] == 3
    code, said = onboarding.run("apply", str(listed), *more, **moderator)
    assert code == 7, said  # five sign-ups in half an hour, and no patience
    assert "rate limit" in said
    host.check_output("mastodon-run tootctl cache clear")
    code, answer = onboarding.json("apply", str(listed), *more, **moderator)
    assert (code, answer["counts"]) == (3, {"waiting": 6})
    for index in range(6):
        host.check_output(
            f"mastodon-run tootctl accounts modify {onboarding.word('else')}{lists.letters(index)} --confirm"
        )
    host.check_output("mastodon-run tootctl cache clear")
    code, answer = onboarding.json("apply", str(listed), *more, **moderator)
    assert (code, answer["counts"]) == (0, {"changed": 6}), answer
    assert onboarding.json("apply", str(listed), *more, **moderator)[1]["writes"] == 0
    found = states(host, onboarding.word("else"))[onboarding.word("else") + lists.letters(0)]
    assert found["display_name"] == "Office 0 ✓"
    assert found["avatar"]
    pending = json.loads((onboarding.folder / "else-state/pending.json").read_text())
    assert pending == {}


def test_no_password_and_no_token_is_ever_said(
    onboarding: Onboarding, host: Host, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens live in memory only: this run is here, where they can be seen."""
    tokens: list[str] = []
    several = batch_module.HostBatch.several

    def seen(
        self: batch_module.HostBatch,
        wanted: Sequence[tuple[str, Sequence[batch_module.Item]]],
        *,
        dry_run: bool = False,
    ) -> list[list[batch_module.Result]]:
        results = several(self, wanted, dry_run=dry_run)
        tokens.extend(result["token"] for part in results for result in part if result.get("token"))
        return results

    monkeypatch.setattr(batch_module.HostBatch, "several", seen)
    listed = lists.write(onboarding.folder, onboarding.word("quiet"), 5, pictures=1)
    assert (
        run_here(
            ["accounts", "apply", str(listed), "--instance", INSTANCE, "-i", HOSTS, "--state", str(onboarding.state)]
        )
        == 0
    )
    onboarding.said += list(capfd.readouterr())
    passwords = [password for found in onboarding.passwords().values() for password in found]
    assert len(tokens) == 5
    assert len(passwords) > MANY
    journal = host.check_output("journalctl --no-pager -o json -q; cat /var/log/nginx/*.log 2>/dev/null || true")
    kept = "".join(path.read_text() for path in onboarding.state.glob("*") if path.is_file())
    for name, text in {"output": "".join(onboarding.said), "host's journal": journal, "journal": kept}.items():
        assert not [secret for secret in (*tokens, *passwords) if secret in text], name


def test_the_list_of_the_entry_was_made_by_the_playbook(host: Host) -> None:
    names = [{"username": name} for name in ("news", "dikes", "ponds")]
    found = {result["key"]: result["state"] for result in batch(host, "states", *names)}
    assert found["news"]["role"] == "Spokesperson"
    assert found["news"]["role_requires_2fa"] is True
    assert found["news"]["fields"][0] == {
        "name": "Website",
        "value": "https://tides.example.org/social",
        "verified_at": None,
    }
    assert found["dikes"]["bot"] is True
    assert found["ponds"]["disabled"] is True
    assert (SCENARIO / "lists/accounts.yml").is_file()
    assert Path(HOSTS).is_file()


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["again", "check mode"])
def test_the_playbook_has_nothing_left_to_do(options: list[str]) -> None:
    done = subprocess.run(
        ["ansible-playbook", "-i", str(HOSTS), "playbooks/accounts.yml", *options],
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=dict(os.environ, ANSIBLE_FORCE_COLOR="0", ANSIBLE_NOCOLOR="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert done.stdout.count("changed=0 ") == done.stdout.count("changed="), done.stdout[-3000:]
