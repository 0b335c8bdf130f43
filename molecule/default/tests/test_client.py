"""What an ordinary web client does goes through nginx: sign in, large cookies, upload, streaming."""

import html
import json
import os
import re
import secrets
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
sys.path.insert(0, str(PROJECT))

from tests.contract.instance import Settings, reached_at  # noqa: E402  (the path is set above)

CA = Path("~/.cache/meentwerk/test/ca-default/ca.pem").expanduser()
NAME, ADDRESS = "social.default.example.test", "10.87.30.11"
SITE = f"https://{NAME}"
PASSWORD = secrets.token_urlsafe(24)


@pytest.fixture(scope="module", autouse=True)
def _name() -> Iterator[None]:
    """Lead the instance's name to its host: no resolver knows it."""
    with reached_at(Settings(SITE, (), str(CA), ADDRESS)):
        yield


@pytest.fixture(scope="module")
def email() -> str:
    """An account with a password, as a person has it."""
    name = f"client{secrets.token_hex(3)}"
    item = {
        "username": name,
        "email": f"{name}@default.example.test",
        "password": PASSWORD,
        "confirmed": True,
        "approved": True,
    }
    done = subprocess.run(
        [str(PROJECT / "scripts/embedded-host"), "shell", "default-1", "mastodon-run", "batch", "accounts"],
        input=json.dumps({"contract": 1, "items": [item]}), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["results"][0]["error"] is None, done.stdout
    return str(item["email"])


def new_browser() -> requests.Session:
    """A client that trusts the scenario's CA, whatever this machine's environment says."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(CA)
    return session


@pytest.fixture
def browser() -> requests.Session:
    return new_browser()


def picture(side: int) -> bytes:
    """Give a PNG whose noise does not compress: about three bytes for each pixel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + os.urandom(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def sign_in(browser: requests.Session, email: str) -> str:
    """Sign in by the form and let an application in, as the web client does; returns its token."""
    application = browser.post(
        f"{SITE}/api/v1/apps",
        data={"client_name": "client", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "scopes": "read write"},
    ).json()
    query = {
        "client_id": application["client_id"], "redirect_uri": "urn:ietf:wg:oauth:2.0:oob", "response_type": "code",
        "scope": "read write",
    }  # fmt: skip
    form = browser.get(f"{SITE}/oauth/authorize", params=query)
    assert "/auth/sign_in" in form.url
    fields = {"user[email]": email, "user[password]": PASSWORD}
    consent = browser.post(f"{SITE}/auth/sign_in", data={**hidden(form.text), **fields})
    assert consent.status_code == 200, consent.text
    answer = browser.post(f"{SITE}/oauth/authorize", data=hidden(consent.text))
    code = re.search(r"code=([\w-]+)", answer.url) or re.search(r"<code[^>]*>\s*([\w-]+)", answer.text)
    assert code, answer.text
    token = browser.post(
        f"{SITE}/oauth/token",
        data={
            **query,
            "client_secret": application["client_secret"],
            "grant_type": "authorization_code",
            "code": code[1],
        },
    )
    return str(token.json()["access_token"])


def hidden(page: str) -> dict[str, str]:
    """Take the hidden fields out of a page's first form that has some."""
    found = {}
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        for field in re.findall(r"<input[^>]*hidden[^>]*>", form):
            parts = dict(re.findall(r'(\w+)="([^"]*)"', field))
            found[parts["name"]] = html.unescape(parts.get("value", ""))
        if found:
            break
    return found


@pytest.fixture(scope="module")
def token(email: str) -> str:
    session = new_browser()
    # A banner's and a proxy's cookies come with every request
    session.cookies.set("consent", "x" * 2048, domain=NAME)
    return sign_in(session, email)


def test_a_person_signs_in_with_two_kilobytes_of_cookies(browser: requests.Session, token: str) -> None:
    me = browser.get(f"{SITE}/api/v1/accounts/verify_credentials", headers={"Authorization": f"Bearer {token}"})
    assert me.status_code == 200
    assert me.json()["username"].startswith("client")


def test_an_upload_of_the_size_that_mastodon_allows(browser: requests.Session, token: str) -> None:
    image = picture(2300)
    assert 15_000_000 < len(image) < 16 * 1024 * 1024, "Mastodon takes pictures up to 16 MB"
    answer = browser.post(
        f"{SITE}/api/v2/media",
        files={"file": ("noise.png", image, "image/png")},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )
    assert answer.status_code in {200, 202}, answer.text
    place = answer.json()["url"] or answer.json()["preview_url"]
    assert place.startswith(f"{SITE}/system/")
    media = browser.get(place)
    assert media.status_code == 200
    assert media.headers["content-security-policy"] == "default-src 'none'; form-action 'none'; sandbox"


def test_a_post_comes_by_streaming(browser: requests.Session, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    seen: list[str] = []
    text = f"hello {secrets.token_hex(4)}"

    def listen() -> None:
        address = f"{SITE}/api/v1/streaming/user"
        with new_browser().get(address, headers=headers, stream=True, timeout=30) as stream:
            for line in stream.iter_lines(decode_unicode=True):
                seen.append(line)
                if text in line:
                    return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    time.sleep(2)
    assert browser.post(f"{SITE}/api/v1/statuses", data={"status": text}, headers=headers).status_code == 200
    listener.join(20)
    assert any(text in line for line in seen), seen


def test_opening_the_web_client_meets_no_limit(browser: requests.Session, token: str) -> None:
    """What its first seconds ask for, ten times over: nothing is refused by nginx."""
    paths = ("/", "/api/v2/instance", "/api/v1/timelines/home", "/api/v1/notifications", "/api/v1/custom_emojis")
    refused = [
        path
        for _ in range(10)
        for path in paths
        if browser.get(SITE + path, headers={"Authorization": f"Bearer {token}"}).status_code == 429
    ]
    assert refused == []


def test_the_page_has_one_policy_and_it_is_the_applications(browser: requests.Session) -> None:
    answer = browser.get(f"{SITE}/")
    policy = answer.headers["content-security-policy"]
    assert ", " not in policy, "two policies would both hold"
    assert "default-src" in policy
