import pytest
from meentwerk_sandbox import batch_items, site_settings, tootctl
from meentwerk_sandbox.batch_items import InputError
from meentwerk_sandbox.models import User

ACCOUNT = {"username": "clerk", "email": "clerk@example.test"}


@pytest.mark.parametrize(
    ("name", "item", "message"),
    [
        ("accounts", {"username": "clerk"}, "email"),
        ("accounts", {**ACCOUNT, "admin": True}, "admin"),
        ("accounts", {**ACCOUNT, "confirmed": "yes"}, "confirmed"),
        ("rules", {"hint": "x"}, "text"),
        ("settings", {"name": "site_title"}, "value"),
        ("tokens", {"username": "clerk", "application": "x"}, "scopes"),
    ],
)
def test_bad_items_are_refused_before_anything_is_done(name: str, item: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        batch_items.check(name, [item])


def test_good_items_pass() -> None:
    batch_items.check("accounts", [{**ACCOUNT, "role": None, "confirmed": True, "approved": True, "locale": "nl"}])


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("site_title", "Ministry", True),
        ("site_title", 3, False),
        ("registrations_mode", "approved", True),
        ("registrations_mode", "closed", False),
        ("require_invite_text", True, True),
        ("require_invite_text", "yes", False),
        ("min_age", 16, True),
        ("min_age", None, True),
        ("min_age", True, False),
        ("no_such_setting", "x", False),
    ],
)
def test_settings_take_what_mastodon_takes(name: str, value: object, good: bool) -> None:
    assert (site_settings.problem(name, value) is None) is good


def test_tootctl_has_the_operators_commands() -> None:
    parser = tootctl.parser()
    for words in (
        "version",
        "accounts create x --email x@example.test --confirmed --approve --role Owner",
        "accounts modify x --role Admin --remove-role --confirm --enable --disable",
        "accounts modify x --disable-2fa --approve --reset-password --email y@example.test",
        "accounts delete x",
        "media remove --days 7",
        "preview_cards remove --days 30",
        "cache clear",
        "feeds build --all",
        "feeds build x",
    ):
        assert callable(parser.parse_args(words.split()).command)


def test_mailboxes_are_kept_in_lower_case() -> None:
    assert User(email=" News.Desk+Tides@Example.org ").email == "news.desk+tides@example.org"
