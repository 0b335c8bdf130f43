"""Every verdict as expected, against real servers and hostile sites; nothing private contacted; the server agrees."""

import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import lab
import pytest
import testinfra
from testinfra.host import Host

PRIVATE = "10.87.100.66"
testinfra_hosts = ["identities-1"]


def other(name: str) -> Host:
    """Another host of the scenario."""
    return testinfra.get_host(f"ansible://{name}", ansible_inventory=str(lab.SCENARIO / "hosts.yml"))


class Seen:
    """What the first check found, what the servers say, and what went over the wire."""

    def __init__(self, host: Host) -> None:
        self.tokens = lab.people(host, list(lab.CASES), "tides.example.test")
        self.lakes = lab.people(other("identities-2"), ["news"], "lakes.example.test")
        self.client = lab.session()
        for name, case in lab.CASES.items():
            self.save("social.tides.example.test", self.tokens[name], case.page, f"Account {name}")
        self.save("social.lakes.example.test", self.lakes["news"], "https://www.lakes.example.test/nolink", "News")
        self.config = lab.configure()
        self.server = self.settled()
        self.check = lab.run("check", "--inventory", str(lab.SCENARIO / "hosts.yml"))
        self.results = self.read()
        self.private = lab.captured(other("identities-4"))
        self.sites = lab.captured(other("identities-3"))

    def save(self, server: str, token: str, page: str, title: str) -> None:
        """Save a profile with a link, as its owner does."""
        answer = self.client.patch(
            f"https://{server}/api/v1/accounts/update_credentials",
            json={"display_name": title, "fields_attributes": {"0": {"name": "Web", "value": page}}},
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )
        assert answer.status_code == 200, answer.text

    def verified(self, name: str) -> str | None:
        """Since when the server calls the account's link verified."""
        url = f"https://social.tides.example.test/api/v1/accounts/lookup?acct={name}"
        (field,) = self.client.get(url, timeout=20).json()["fields"]
        at: str | None = field["verified_at"]
        return at

    def settled(self) -> dict[str, str | None]:
        """Wait until the server has looked at every link that it verifies; return what it says of all."""
        wanted = [name for name, case in lab.CASES.items() if case.server]
        end = time.monotonic() + 60
        while time.monotonic() < end and not all(self.verified(name) for name in wanted):
            time.sleep(1)
        return {name: self.verified(name) for name in lab.CASES}

    def read(self) -> dict[str, dict[str, Any]]:
        """Results by handle."""
        data = json.loads((lab.PLACE / "identities/results.json").read_text())
        return {f"{r['account']['name']}@{r['account']['domain']}": r for r in data["results"]}

    def checks(self, handle: str) -> dict[str, dict[str, Any]]:
        """Checks of an account by name."""
        return {check["name"]: check for check in self.results[handle]["checks"]}


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    host = other("identities-1")
    yield Seen(host)


def test_the_check_ran_and_has_findings(seen: Seen) -> None:
    assert seen.check.returncode == 3, seen.check.stderr[-3000:]
    assert len(seen.results) == len(lab.CASES) + 1
    print(f"\n{seen.check.stderr}")


@pytest.mark.parametrize("name", lab.CASES)
def test_verdict(seen: Seen, name: str) -> None:
    case, checks = lab.CASES[name], seen.checks(lab.handle(name))
    found = {check: checks[check]["verdict"] for check in ("link_back", "link_strict")}
    print(f"{name:14} {found['link_back']:8} {found['link_strict']:8} server {'yes' if seen.server[name] else 'no'}")
    assert found == {"link_back": case.back, "link_strict": case.strict}, checks["link_back"]["why"]
    assert case.words in checks["link_back"]["why"] + checks["link_strict"]["why"]
    for check in ("webfinger", "webfinger_web", "actor", "host_meta"):
        assert checks[check]["verdict"] == "pass", checks[check]["why"]
    for check, verdict in case.extra:
        assert checks[check]["verdict"] == verdict


@pytest.mark.parametrize("name", [name for name, case in lab.CASES.items() if case.server is not None])
def test_the_server_agrees_case_by_case(seen: Seen, name: str) -> None:
    case, checks = lab.CASES[name], seen.checks(lab.handle(name))
    assert bool(seen.server[name]) is case.server
    if case.back != "unknown":
        assert (case.back == "pass") is case.server
        assert checks["server_verified"]["verdict"] == "pass", checks["server_verified"]["why"]


def test_only_what_is_right_is_verified(seen: Seen) -> None:
    verified = {handle for handle, result in seen.results.items() if result["verdict"] == "pass"}
    assert verified == {lab.handle(name) for name in ("right", "within", "headredirect", "wrongcase")}


def test_traps_of_the_register(seen: Seen) -> None:
    right = seen.checks(lab.handle("right"))
    assert right["listed"]["verdict"] == "pass"
    assert right["lookalike"]["verdict"] == "fail"
    assert "t1des.example.test of Impostor looks like its tides.example.test" in right["lookalike"]["why"]
    assert "ended on 2020-01-01" in seen.checks(lab.handle("ended"))["register"]["why"]
    assert "Twice too" in seen.checks(lab.handle("twice"))["profile_link"]["why"]
    assert "user name @within@tides.example.test" in seen.checks(lab.handle("within"))["listed"]["cure"]


def test_organisation_and_domains_come_from_the_entry(seen: Seen) -> None:
    account = seen.results[lab.handle("right")]["account"]
    assert account["organisation_name"] == "Ministry of Tides"
    assert account["web_domain"] == "social.tides.example.test"
    assert account["address"] == "10.87.100.11"


def test_nothing_private_was_ever_contacted(seen: Seen) -> None:
    """By what came over the wire of the host that stands for the operator's own network."""
    assert [line for line in seen.private if line.startswith((f"{PRIVATE} 443 ", f"{PRIVATE} 80 "))] == []
    assert [line for line in seen.sites if line.startswith("10.87.100.13 443 ")], "the same capture sees visits"


def test_the_capture_would_have_seen_it(seen: Seen) -> None:
    assert seen
    host = other("identities-1")
    assert "Welcome" in host.check_output(f"curl -sk --max-time 10 https://{PRIVATE}/")
    assert f"{PRIVATE} 443 10.87.100.11" in lab.captured(other("identities-4"))


def test_a_link_that_is_lost_raises_an_alert(seen: Seen) -> None:
    site = other("identities-3")
    right = ["--only", lab.handle("right"), "--inventory", str(lab.SCENARIO / "hosts.yml")]
    site.check_output("touch /run/redesigned")
    try:
        lost = lab.run("check", *right)
    finally:
        site.check_output("rm /run/redesigned")
    assert lost.returncode == 3
    assert f"ALERT {lab.handle('right')} was verified and is not any more: link_back" in lost.stderr
    assert "stale: verified since" in lost.stdout
    again = lab.run("check", *right)
    assert f"verified: {lab.handle('right')}" in again.stderr
    assert seen.read().keys() == seen.results.keys(), "a look at one keeps the others"


def test_saving_again_makes_the_server_look(seen: Seen) -> None:
    """A page that was wrong when the profile was saved, and is right now."""
    site = other("identities-3")
    site.check_output("touch /run/redesigned")
    page = lab.CASES["right"].page
    seen.save("social.tides.example.test", seen.tokens["right"], f"{page}?new", "Account right")
    time.sleep(3)
    assert seen.verified("right") is None
    site.check_output("rm /run/redesigned")
    token = lab.PLACE / "token"
    token.write_text(seen.tokens["right"])
    done = lab.run("fix", lab.handle("right"), "--resave", "--token-file", str(token))
    assert done.returncode == 0, done.stderr
    assert seen.tokens["right"] not in done.stdout + done.stderr
    end = time.monotonic() + 20
    while not seen.verified("right"):
        assert time.monotonic() < end, "the server looked again"
        time.sleep(0.5)


def test_letters_for_webmasters(seen: Seen) -> None:
    assert seen
    done = lab.run("fix", lab.handle("slash"))
    assert done.returncode == 0
    assert '<link rel="me" href="https://social.tides.example.test/@slash">' in done.stdout


def test_the_follow_list_is_imported(seen: Seen) -> None:
    """By the page on which people do it, on a server as strict as Mastodon."""
    done = lab.run("publish", "--output", str(lab.PLACE / "site"))
    assert done.returncode == 0, done.stderr
    text = (lab.PLACE / "site/follow.csv").read_text()
    base = "https://social.tides.example.test"
    page = seen.client.get(f"{base}/auth/sign_in", timeout=20).text
    sign_in = {"user[email]": "nolink@tides.example.test", "user[password]": lab.PASSWORD}
    seen.client.post(f"{base}/auth/sign_in", sign_in | {"authenticity_token": form_token(page)}, timeout=20)
    page = seen.client.get(f"{base}/settings/imports", timeout=20).text
    form = {"form_import[type]": "following", "form_import[mode]": "merge", "authenticity_token": form_token(page)}
    answer = seen.client.post(
        f"{base}/settings/imports", form, files={"form_import[data]": ("follow.csv", text, "text/csv")}, timeout=20
    )
    assert "up to 4 accounts" in answer.text
    answer = seen.client.post(f"{answer.url}/confirm", {"authenticity_token": form_token(answer.text)}, timeout=20)
    assert "Imported 4 of 4" in answer.text
    headers = {"Authorization": f"Bearer {seen.tokens['nolink']}"}
    me = seen.client.get(f"{base}/api/v1/accounts/verify_credentials", headers=headers, timeout=20).json()["id"]
    followed = seen.client.get(f"{base}/api/v1/accounts/{me}/following", headers=headers, timeout=20).json()
    listed = {row["Account address"].split("@")[0] for row in csv.DictReader(io.StringIO(text))}
    assert {account["username"] for account in followed} == listed


def test_the_page_is_served_beside_an_instance(seen: Seen) -> None:
    """By the playbook, on a host with the role nginx; the instance answers as before, a second run changes nothing."""
    first, second = lab.play("register-site"), lab.play("register-site")
    assert first.returncode == 0, first.stdout[-3000:]
    assert "identities-2" in first.stdout
    assert second.returncode == 0
    assert " changed=0 " in second.stdout.split("PLAY RECAP")[1]
    page = seen.client.get("https://register.example.test/en/index.html", timeout=20)
    assert page.status_code == 200
    assert f"@{lab.handle('right')}" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert seen.client.get("https://social.lakes.example.test/api/v2/instance", timeout=20).status_code == 200


def form_token(page: str) -> str:
    return page.split('name="authenticity_token" value="')[1].split('"', maxsplit=1)[0]
