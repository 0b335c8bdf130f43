"""identities.yml and the inventory's entries: what is wrong is said with its place, before anything is asked."""

from pathlib import Path

import pytest
from meentwerk.errors import UsageError
from meentwerk.identities import config

from .samples import TIDES

GOOD = f"""contact: https://example.org/robots
registers:
  - {{name: roo, kind: roo, source: roo.xml}}
accounts:
  - {{handle: "@News@Tides.example.test", organisation: {TIDES}}}
"""


def load(tmp_path: Path, text: str) -> config.Config:
    path = tmp_path / "identities.yml"
    path.write_text(text)
    return config.load(path)


def test_a_good_file(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    assert [claim.handle for claim in settings.accounts] == ["news@tides.example.test"]
    (account,) = config.claims(settings, [])
    assert (account.name, account.domain, account.organisation) == ("news", "tides.example.test", TIDES)


BAD = {
    "no file": (None, "there is no"),
    "no YAML": ("a: [", r"identities.yml:\d+:\d+: this is no YAML"),
    "a list": ("- a", "holds no settings"),
    "nothing": ("", "holds no settings"),
    "no contact": (GOOD.replace("contact: https://example.org/robots", ""), "contact: Field required"),
    "a contact that splits headers": (
        GOOD.replace("https://example.org/robots", '"https://example.org/\\r\\nX: y"'),
        "contact: must be an https or mailto address",
    ),
    "no register": (GOOD.replace("  - {name: roo, kind: roo, source: roo.xml}", "  []"), "registers: "),
    "a kind that is none": (GOOD.replace("kind: roo", "kind: kvk"), r"registers\[1\]\.kind: .*'roo'"),
    "an unknown key": (GOOD + "sites: x\n", "sites: Extra inputs"),
    "plain http": (GOOD.replace("roo.xml", "http://x.example/roo.xml"), "neither an https address nor a file"),
    "a register without source": (GOOD.replace(", source: roo.xml", ""), "source is missing"),
    "no handle": (GOOD.replace("@News@Tides.example.test", "news"), r"accounts\[1\]\.handle: 'news' is no handle"),
    "twice": (GOOD + "  - {handle: news@tides.example.test, organisation: x}\n", "stands there twice"),
    "a network that is none": (GOOD + "allow_networks: [10.0.0.1/8]\n", "allow_networks: .*has host bits set"),
    "a site without https": (GOOD + "site: http://register.example.org\n", "site: must begin with https"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_file(tmp_path: Path, what: str) -> None:
    text, message = BAD[what]
    with pytest.raises(UsageError, match=message):
        load(tmp_path, text) if text is not None else config.load(tmp_path / "none.yml")


def test_all_problems_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, GOOD.replace("kind: roo", "kind: kvk").replace("@News@Tides.example.test", "news"))
    assert len(caught.value.message.splitlines()) == 2


ENTRY = f"""mastodon_instances:
  hosts:
    tides:
      ansible_host: 192.0.2.11
      instance_domain: tides.example.test
      instance_web_domain: social.tides.example.test
      instance_organisation: {{name: Ministry of Tides, register_id: {TIDES}}}
      instance_contact: {{email: web@tides.example.test}}
"""


def inventory(tmp_path: Path, text: str) -> Path:
    (tmp_path / "departments").mkdir()
    (tmp_path / "departments/tides.yml").write_text(text)
    return tmp_path


def test_an_entry_gives_organisation_domain_and_address(tmp_path: Path) -> None:
    ((name, entry),) = config.instances(inventory(tmp_path, ENTRY))
    (account,) = config.from_entry(name, entry, [("News", "")])
    assert account.handle == "news@tides.example.test"
    assert account.web_domain == "social.tides.example.test"
    assert (account.organisation, account.organisation_name) == (TIDES, "Ministry of Tides")
    assert account.address == "192.0.2.11"
    assert config.listed_in_entry(entry, tmp_path) is None
    (other,) = config.from_entry(name, entry, [("lakes", "https://example.org/lakes")])
    assert (other.organisation, other.organisation_name) == ("https://example.org/lakes", "")


LISTS = {
    "a.csv": "username,state,register_id\nnews,present,\nold,absent,\npress,,https://example.org/lakes\n",
    "b.csv": "\ufeffusername;email\r\nnews;x@tides.example.test\r\n",
    "c.yml": "accounts:\n  - {username: news}\n  - {username: old, state: absent}\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_the_list_that_an_entry_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LISTS[name])
    found = config.listed_in_entry({"instance_accounts": name}, tmp_path)
    assert found is not None
    assert found[0] == ("news", "")
    assert "old" not in dict(found)
    assert name != "a.csv" or found[1] == ("press", "https://example.org/lakes")


@pytest.mark.parametrize(
    ("name", "text"), [("none.csv", None), ("a.csv", "email\nx\n"), ("a.yml", "- x"), ("b.yml", "a: [")]
)
def test_a_list_that_is_none(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=name):
        config.listed_in_entry({"instance_accounts": name}, tmp_path)


def test_what_is_no_inventory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no inventory"):
        config.instances(tmp_path / "none")
    with pytest.raises(UsageError, match="has no instance"):
        config.instances(tmp_path)
    with pytest.raises(UsageError, match="entry of tides cannot be used"):
        config.from_entry("tides", {"instance_domain": "tides.example.test"}, [("news", "")])
