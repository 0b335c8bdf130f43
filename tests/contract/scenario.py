"""What the people on the instance do, so that it answers as the recorded server did.

Most steps use Mastodon.py, as its own tests do; where it would hide an answer, they send the request themselves. A
step that fails is reported by itself and does not stop the others.
"""

import secrets
import struct
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mastodon import Mastodon

from .instance import Instance


@dataclass
class Stage:
    """Everything a step may use."""

    instance: Instance
    owner: Mastodon
    anna: Mastodon
    bert: Mastodon
    nobody: Mastodon
    notes: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str, person: str | None = None, **arguments: Any) -> Any:
        """Send one request as a person or as nobody."""
        token = self.instance.tokens[person] if person else None
        return self.instance.call(method, path, token, **arguments)

    def id_of(self, client: Mastodon) -> str:
        """Give the account number of who uses a client."""
        return str(client.account_verify_credentials()["id"])


PATIENCE = 30  # seconds

Step = Callable[[Stage], object]
STEPS: dict[str, Step] = {}


def step(function: Step) -> Step:
    """Add a function to the scenario; they run in the order in which they are written."""
    STEPS[function.__name__] = function
    return function


def play(instance: Instance) -> dict[str, str]:
    """Run the scenario; gives the trace of each step that failed."""
    instance.enrol()
    stage = Stage(
        instance,
        owner=instance.client("owner"),
        anna=instance.client("anna"),
        bert=instance.client("bert"),
        nobody=instance.client(None),
    )
    failures = {}
    for name, function in STEPS.items():
        try:
            function(stage)
        except Exception:
            failures[name] = traceback.format_exc(limit=-3)
    return failures


def eventually(look: Callable[[], Any]) -> Any:
    """Give what is seen once there is something: notifications are made by the queues, after the answer."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(1)
    assert found, f"nothing came within {PATIENCE} seconds; does bin/sidekiq run?"
    return found


def picture() -> bytes:
    """Give a PNG of 64 x 64 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    side = 64
    rows = b"".join(b"\0" + b"".join(bytes((x * 4, y * 4, 128)) for x in range(side)) for y in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# --- the server ------------------------------------------------------------------------------------------------------


@step
def look_at_the_server(stage: Stage) -> None:
    assert stage.call("HEAD", "/").status_code == 200
    assert stage.nobody.instance_health()
    assert stage.call("GET", "/api/v1/streaming/health").text == "OK"
    assert stage.nobody.instance_nodeinfo()["software"]["name"] == "mastodon"
    assert stage.call("GET", "/.well-known/oauth-authorization-server").ok


def read(name: str, request: Step) -> None:
    """Add a step that is one request."""
    STEPS[f"read {name}"] = request


read("instance v1", lambda stage: stage.nobody.instance_v1())
read("instance v2", lambda stage: stage.nobody.instance_v2())
# Rails allows the slash at the end, and Mastodon.py sends it
read("instance v1/", lambda stage: stage.call("GET", "/api/v1/instance/"))
read("instance v2/", lambda stage: stage.call("GET", "/api/v2/instance/"))
read("activity", lambda stage: stage.nobody.instance_activity())
read("extended description", lambda stage: stage.nobody.instance_extended_description())
read("peers", lambda stage: stage.nobody.instance_peers())
read("rules", lambda stage: stage.nobody.instance_rules())
read("translation languages", lambda stage: stage.nobody.instance_translation_languages())
read("custom emojis", lambda stage: stage.nobody.custom_emojis())
read("preferences", lambda stage: stage.anna.preferences())
read("blocks", lambda stage: stage.anna.blocks())
read("mutes", lambda stage: stage.anna.mutes())
read("unread notifications", lambda stage: stage.anna.notifications_unread_count())
read("conversations", lambda stage: stage.anna.conversations())
read("lists", lambda stage: stage.anna.lists())
read("reports", lambda stage: stage.owner.admin_reports())
read("domain blocks", lambda stage: stage.call("GET", "/api/v1/instance/domain_blocks"))


# --- applications and sign-up ----------------------------------------------------------------------------------------


@step
def register_an_application_and_sign_up(stage: Stage) -> None:
    created = stage.call(
        "POST",
        "/api/v1/apps",
        json={"client_name": "Contract", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "scopes": "read write"},
    ).json()
    grant = {
        "grant_type": "client_credentials",
        "client_id": created["client_id"],
        "client_secret": created["client_secret"],
        "redirect_uri": "urn:ietf:wg:oauth:2.0:oob",
        "scope": "read write",
    }
    token = stage.call("POST", "/oauth/token", data=grant).json()["access_token"]
    assert stage.instance.call("GET", "/api/v1/apps/verify_credentials", token).ok
    name = f"contract_{secrets.token_hex(6)}"
    person = {"username": name, "email": f"{name}@{urlsplit(stage.instance.settings.url).hostname}", "locale": "en"}
    with registrations(stage, "open"):
        refused = stage.instance.call("POST", "/api/v1/accounts", token, json=person)
        assert refused.status_code == 422, refused.text
        person |= {"password": secrets.token_urlsafe(24), "agreement": "true"}
        accepted = stage.instance.call("POST", "/api/v1/accounts", token, json=person)
    assert accepted.status_code == 200, accepted.text
    again = stage.instance.call("POST", "/api/v1/emails/confirmations", accepted.json()["access_token"])
    assert again.status_code == 200, again.text


@contextmanager
def registrations(stage: Stage, mode: str) -> Iterator[None]:
    """Open the doors for a moment; nobody asks for the instance meanwhile, so no cache remembers."""
    now = stage.call("GET", "/api/v2/instance").json()["registrations"]
    before = "none" if not now["enabled"] else "approved" if now["approval_required"] else "open"
    stage.instance.batch("settings", [{"name": "registrations_mode", "value": mode}])
    try:
        yield
    finally:
        stage.instance.batch("settings", [{"name": "registrations_mode", "value": before}])


# --- accounts --------------------------------------------------------------------------------------------------------


@step
def shape_a_profile(stage: Stage) -> None:
    anna = stage.anna
    changed = anna.account_update_credentials(
        display_name="Anna",
        note="Press officer, #water",
        bot=False,
        discoverable=True,
        locked=False,
        fields=[("Site", "https://www.example.org/"), ("Office", "Dike 1")],
        avatar=picture(),
        avatar_mime_type="image/png",
        header=picture(),
        header_mime_type="image/png",
    )
    assert changed["display_name"] == "Anna"
    anna.account_delete_avatar()
    anna.account_delete_header()
    many = {f"fields_attributes[{number}][{part}]": "x" for number in range(5) for part in ("name", "value")}
    assert stage.call("PATCH", "/api/v1/accounts/update_credentials", "anna", data=many).status_code == 422


@step
def shape_a_profile_the_new_way(stage: Stage) -> None:
    """With pictures and a choice, as in the recordings: without them, the fields are null."""
    stage.anna.profile_update(
        note="Press officer of the #water board",
        avatar=picture(),
        avatar_mime_type="image/png",
        header=picture(),
        header_mime_type="image/png",
        hide_collections=True,
    )
    stage.anna.profile()


@step
def read_accounts(stage: Stage) -> None:
    anna, bert = stage.id_of(stage.anna), stage.id_of(stage.bert)
    stage.nobody.account(anna)
    stage.anna.accounts([anna, bert])
    stage.nobody.account_lookup("contract_anna")
    stage.call("GET", "/api/v1/accounts/lookup", params={"acct": "contract_nobody_at_all"})
    assert stage.anna.account_search("contract_bert")
    stage.anna.account_relationships([bert])


@step
def follow_and_unfollow(stage: Stage) -> None:
    anna, bert = stage.id_of(stage.anna), stage.id_of(stage.bert)
    stage.anna.account_follow(bert)
    stage.anna.account_follow(bert, notify=True, reblogs=False)
    assert stage.anna.account_following(anna)
    assert stage.bert.account_followers(bert)
    stage.bert.account_remove_from_followers(anna)
    stage.anna.account_follow(bert)
    stage.anna.account_unfollow(bert)


@step
def answer_follow_requests(stage: Stage) -> None:
    anna, bert = stage.id_of(stage.anna), stage.id_of(stage.bert)
    stage.bert.account_update_credentials(locked=True)
    try:
        stage.anna.account_follow(bert)
        assert stage.bert.follow_requests()
        stage.bert.follow_request_reject(anna)
        stage.anna.account_follow(bert)
        stage.bert.follow_request_authorize(anna)
        stage.anna.account_unfollow(bert)
    finally:
        stage.bert.account_update_credentials(locked=False)


# --- posts -----------------------------------------------------------------------------------------------------------


@step
def post_and_edit(stage: Stage) -> None:
    for visibility in ("public", "unlisted", "private"):
        post = stage.anna.status_post("High water on #flood day", visibility=visibility, spoiler_text="Weather")
        stage.anna.status_delete(post)
    post = stage.anna.status_post("High water on #flood day", language="en")
    stage.anna.status_update(post, "Low water on #flood day", spoiler_text="Weather")
    stage.anna.status(post)
    stage.anna.status_history(post)
    stage.anna.status_source(post)
    reply = stage.bert.status_reply(post, "Thanks")
    stage.bert.status_context(post)
    stage.bert.status_delete(reply)
    stage.anna.account_statuses(stage.id_of(stage.anna))
    stage.anna.status_delete(post)
    assert stage.call("GET", f"/api/v1/statuses/{post['id']}", "anna").status_code == 404
    assert stage.call("DELETE", f"/api/v1/statuses/{post['id']}", "anna").status_code == 404
    assert stage.call("POST", "/api/v1/statuses", "anna", json={"status": ""}).status_code == 422


@step
def react_to_a_post(stage: Stage) -> None:
    """To one's own, as in the recordings: only there a post says whether it is pinned."""
    anna = stage.anna
    post = anna.status_post("Dikes hold")
    anna.status_bookmark(post)
    assert anna.bookmarks()
    anna.status_unbookmark(post)
    anna.status_favourite(post)
    assert anna.favourites()
    anna.status_reblog(post)
    anna.status_unreblog(post)
    anna.status_unfavourite(post)
    anna.status_delete(post)


@step
def see_who_reacted(stage: Stage) -> None:
    post = stage.anna.status_post("Dikes hold again")
    stage.bert.status_favourite(post)
    stage.bert.status_reblog(post)
    try:
        assert stage.anna.status_favourited_by(post)
        assert stage.anna.status_reblogged_by(post)
    finally:
        stage.anna.status_delete(post)


@step
def pin_a_post(stage: Stage) -> None:
    post = stage.anna.status_post("Read this first")
    try:
        stage.anna.status_pin(post)
        stage.anna.status_unpin(post)
    finally:
        stage.anna.status_delete(post)


@step
def post_pictures(stage: Stage) -> None:
    media = stage.anna.media_post(picture(), mime_type="image/png", description="Water", focus=(0.1, -0.2))
    stage.anna.media_update(media, description="A lot of water")
    stage.call("GET", f"/api/v1/media/{media['id']}", "anna")
    post = stage.anna.status_post("Look", media_ids=media)
    stage.anna.status(post)
    stage.anna.status_delete(post, delete_media=True)


@step
def read_timelines(stage: Stage) -> None:
    post = stage.anna.status_post("Tide tables for #contractflood")
    stage.anna.timeline_home()
    stage.anna.timeline_public()
    stage.nobody.timeline_public()
    stage.anna.timeline_hashtag("contractflood")
    stage.anna.search("contract_bert")
    stage.anna.search("contractflood", result_type="hashtags")
    assert stage.call("GET", "/api/v1/timelines/home").status_code == 401
    stage.anna.status_delete(post)


@step
def read_notifications(stage: Stage) -> None:
    post = stage.bert.status_post("Hello @contract_anna")
    stage.bert.account_follow(stage.id_of(stage.anna))
    found = eventually(stage.anna.notifications)
    stage.anna.notifications(id=found[0]["id"])
    stage.anna.notifications_dismiss(found[0]["id"])
    stage.anna.notifications_clear()
    stage.anna.markers_set(["home"], [post["id"]])
    stage.anna.markers_get(["home"])
    stage.bert.account_unfollow(stage.id_of(stage.anna))
    stage.bert.status_delete(post)


# --- administration --------------------------------------------------------------------------------------------------


@step
def administer_accounts(stage: Stage) -> None:
    owner, bert = stage.owner, stage.id_of(stage.bert)
    owner.admin_accounts_v1()
    owner.admin_accounts_v2(origin="local", status="active")
    owner.admin_accounts_v2(permissions="staff")
    owner.admin_account(bert)
    for action, undo in (
        ("disable", owner.admin_account_enable),
        ("silence", owner.admin_account_unsilence),
        ("sensitive", owner.admin_account_unsensitive),
        ("suspend", owner.admin_account_unsuspend),
    ):
        # Mastodon.py drops a false send_email_notification
        sent = stage.call(
            "POST",
            f"/api/v1/admin/accounts/{bert}/action",
            "owner",
            json={"type": action, "send_email_notification": False},
        )
        try:
            assert sent.ok, sent.text
            owner.admin_account(bert)
        finally:
            undo(bert)
    assert stage.call("POST", f"/api/v1/admin/accounts/{bert}/unsuspend", "owner").status_code == 403


@step
def block_domains(stage: Stage) -> None:
    owner = stage.owner
    block = owner.admin_create_domain_block(
        "spam.contract.example",
        severity="silence",
        reject_media=True,
        reject_reports=True,
        private_comment="why",
        public_comment="spam",
    )
    try:
        owner.admin_domain_blocks()
        stage.call("GET", "/api/v1/admin/domain_blocks/", "owner")  # with the slash that Rails allows
        owner.admin_domain_blocks(id=block["id"])
        owner.admin_update_domain_block(block["id"], severity="suspend", public_comment="scam", obfuscate=True)
    finally:
        owner.admin_delete_domain_block(block["id"])


@step
def measure_a_server(stage: Stage) -> None:
    keys = ("instance_accounts", "instance_follows", "instance_followers")
    about = {key: {"domain": "spam.contract.example", "include_subdomains": True} for key in keys}
    days = {"start_at": "2026-01-01", "end_at": "2026-01-03"}
    answer = stage.call("POST", "/api/v1/admin/measures", "owner", json={"keys": keys, **days, **about})
    assert [measure["total"] for measure in answer.json()] == ["0", "0", "0"]


@step
def block_email(stage: Stage) -> None:
    owner = stage.owner
    domain = owner.admin_create_email_domain_block("mail.contract.example")
    try:
        owner.admin_email_domain_blocks()
        owner.admin_email_domain_block(domain["id"])
    finally:
        owner.admin_delete_email_domain_block(domain["id"])
    address = owner.admin_create_canonical_email_block(email="spammer@contract.example")
    try:
        owner.admin_canonical_email_blocks()
        owner.admin_canonical_email_block(address["id"])
        assert owner.admin_test_canonical_email_block("spammer@contract.example")
    finally:
        owner.admin_delete_canonical_email_block(address["id"])


@step
def block_addresses(stage: Stage) -> None:
    owner = stage.owner
    block = owner.admin_create_ip_block("192.0.2.0/24", severity="sign_up_block", comment="why", expires_in=3600)
    try:
        owner.admin_ip_blocks()
        owner.admin_ip_block(block["id"])
        owner.admin_update_ip_block(block["id"], severity="sign_up_requires_approval", comment="still")
    finally:
        owner.admin_delete_ip_block(block["id"])


# --- refusals --------------------------------------------------------------------------------------------------------


@step
def be_refused(stage: Stage) -> None:
    bert = stage.id_of(stage.bert)
    for expected, method, path, person in (
        (401, "GET", "/api/v1/accounts/verify_credentials", None),
        (401, "POST", "/api/v1/statuses", None),
        (403, "GET", "/api/v1/admin/accounts", "anna"),
        (403, "GET", "/api/v1/admin/domain_blocks", "anna"),
        (403, "POST", f"/api/v1/admin/accounts/{bert}/enable", "anna"),
        (404, "GET", "/api/v1/accounts/1", "anna"),
        (404, "GET", "/api/v1/statuses/1", None),
        (404, "GET", "/api/v1/admin/domain_blocks/999999", "owner"),
    ):
        answer = stage.call(method, path, person)
        assert answer.status_code == expected, f"{method} {path} as {person}: {answer.status_code} {answer.text[:200]}"
    wrong = stage.instance.call("GET", "/api/v1/accounts/verify_credentials", "no-such-token")
    assert wrong.status_code == 401
    for path, body in (
        ("/api/v1/admin/domain_blocks", {"domain": "not a domain", "severity": "silence"}),
        ("/api/v1/admin/email_domain_blocks", {"domain": ""}),
        ("/api/v1/admin/ip_blocks", {"ip": "not an address", "severity": "no_access"}),
    ):
        assert stage.call("POST", path, "owner", json=body).status_code == 422, path
