"""What no recording tells, and a real Mastodon 4.6.5 was seen to do when accounts were made and links verified on it.

It runs against either: a real instance shows that this is still so, the rehearsal server that it does the same.
"""

from typing import Any

import pytest

from .instance import Instance

STATE = {
    *("username", "display_name", "note", "locked", "discoverable", "indexable", "attribution_domains"),
    *("avatar_description", "header_description", "bot", "fields", "avatar", "header", "suspended", "statuses_count"),
    *("last_status_at", "created_at", "email", "confirmed", "approved", "disabled", "locale", "role"),
    *("role_requires_2fa", "two_factor", "signed_in", "reset_sent_at", "created_by", "identities"),
}
UPDATE = "/api/v1/accounts/update_credentials"


def state(instance: Instance, name: str) -> dict[str, Any]:
    [result] = instance.batch("states", [{"username": name}])
    found: dict[str, Any] = result["state"]
    return found


def domain(instance: Instance) -> str:
    return instance.settings.url.removeprefix("https://")


def test_what_a_state_tells(enrolled: Instance) -> None:
    assert set(state(enrolled, "contract_anna")) == STATE


def test_mailboxes_are_kept_in_lower_case(enrolled: Instance) -> None:
    email = f"Contract.Mail+Desk@{domain(enrolled)}"
    item = {"username": "contract_mail", "email": email, "confirmed": True, "approved": True, "take_over": False}
    enrolled.batch("accounts", [item])
    assert state(enrolled, "contract_mail")["email"] == email.lower()
    [again] = enrolled.batch("accounts", [item])
    assert again["outcome"] == "unchanged"


def test_who_signs_in_elsewhere(enrolled: Instance) -> None:
    identity = {"provider": "openid_connect", "uid": "contract-anna"}
    item = {"username": "contract_anna", "email": f"contract_anna@{domain(enrolled)}", "identity": identity}
    enrolled.batch("accounts", [item])
    assert state(enrolled, "contract_anna")["identities"] == [identity]
    assert enrolled.batch("accounts", [item])[0]["outcome"] == "unchanged"
    assert state(enrolled, "contract_bert")["identities"] == []


def test_webfinger_says_who_may_read_it_to_pages_of_other_sites_only(enrolled: Instance) -> None:
    path = f"/.well-known/webfinger?resource=acct:contract_anna@{domain(enrolled)}"
    name = "Access-Control-Allow-Origin"
    assert name not in enrolled.call("GET", path).headers
    enrolled.session.headers["Origin"] = "https://example.org"
    try:
        assert enrolled.call("GET", path).headers[name] == "*"
    finally:
        del enrolled.session.headers["Origin"]


def test_the_actors_page_redirects_whoever_names_no_type(enrolled: Instance) -> None:
    """The check of links asks so: a page may link to /users/NAME."""
    enrolled.session.headers["Accept"] = None  # type: ignore[assignment]  # how requests leaves a header out
    try:
        answer = enrolled.call("HEAD", "/users/contract_anna")
    finally:
        enrolled.session.headers["Accept"] = "*/*"
    assert answer.headers["Location"] == f"{enrolled.settings.url}/@contract_anna"


@pytest.mark.parametrize(("host", "status"), [("www.tides.example.test", 422), ("www.tides.example.org", 200)])
def test_an_address_counts_as_23_under_a_top_level_domain_that_exists(
    enrolled: Instance, host: str, status: int
) -> None:
    token = enrolled.tokens["anna"]
    answer = enrolled.call("PATCH", UPDATE, token, data={"note": f"https://{host}/{'a' * 600}"})
    assert answer.status_code == status
    enrolled.call("PATCH", UPDATE, token, data={"note": ""})


@pytest.mark.parametrize(("host", "link"), [("www.tides.example.test", False), ("www.tides.example.org", True)])
def test_a_field_is_a_link_under_a_top_level_domain_that_exists(enrolled: Instance, host: str, link: bool) -> None:
    data = {"fields_attributes[0][name]": "Web", "fields_attributes[0][value]": f"https://{host}/page"}
    answer = enrolled.call("PATCH", UPDATE, enrolled.tokens["anna"], data=data).json()
    assert ("<a href=" in answer["fields"][0]["value"]) is link
    assert answer["source"]["fields"][0]["value"] == f"https://{host}/page"
