"""The names of an instance that is gone are nobody's again, and a damaged record stops everything."""

from pathlib import Path

import pytest
from meentwerk.entries import rules

ENTRY = """\
mastodon_instances:
  hosts:
    {name}:
      ansible_host: {address}
      instance_domain: {domain}
      instance_organisation:
        name: Ministry of {name}
        register_id: https://register.example.org/organisations/{name}
      instance_contact:
        email: webcare@{name}.example.nl
"""
RECORD = """\
---
instance_decommissioned:
  state: {state}
  domain: tides.example.nl
  names: [tides.example.nl, old.example.nl]
  began: "2026-05-01T12:00:00Z"
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """An inventory in which tides is gone and bridges lives; the file of tides is gone too."""
    (tmp_path / "departments").mkdir()
    add(tmp_path, "bridges", "bridges.example.nl", "203.0.113.12")
    (tmp_path / "host_vars/tides").mkdir(parents=True)
    (tmp_path / "host_vars/tides/decommissioned.yml").write_text(RECORD.format(state="gone"))
    return tmp_path


def add(fleet: Path, name: str, domain: str, address: str = "203.0.113.11", more: str = "") -> None:
    text = ENTRY.format(name=name, domain=domain, address=address) + more
    (fleet / f"departments/{name}.yml").write_text(text)


def said(fleet: Path) -> list[str]:
    return [f"{problem.place.file.name}: {problem.wrong}" for problem in rules.check([fleet])[1]]


def test_others_go_on(fleet: Path) -> None:
    assert said(fleet) == []


def test_its_own_entry_may_stay_and_its_machine_is_free(fleet: Path) -> None:
    add(fleet, "tides", "tides.example.nl", "203.0.113.12")
    assert said(fleet) == []


@pytest.mark.parametrize("domain", ["tides.example.nl", "old.example.nl"])
@pytest.mark.parametrize("state", ["leaving", "removing", "gone"])
def test_nobody_else_gets_its_names(fleet: Path, domain: str, state: str) -> None:
    (fleet / "host_vars/tides/decommissioned.yml").write_text(RECORD.format(state=state))
    add(fleet, "forests", domain)
    assert said(fleet) == [f"forests.yml: «{domain}» was the name of tides, which was decommissioned."]


def test_not_as_a_further_name_either(fleet: Path) -> None:
    add(fleet, "forests", "forests.example.nl", more="      instance_alternate_domains: [old.example.nl]\n")
    assert said(fleet) == ["forests.yml: «old.example.nl» was the name of tides, which was decommissioned."]


def test_while_its_entry_stands_the_other_one_is_named(fleet: Path) -> None:
    add(fleet, "tides", "tides.example.nl")
    add(fleet, "forests", "tides.example.nl", "203.0.113.13")
    assert said(fleet) == ["forests.yml: «tides.example.nl» was the name of tides, which was decommissioned."]


@pytest.mark.parametrize(
    "record", ["gone", "{}", "{state: gone, domain: tides.example.nl}", "{state: off, domain: a, names: [a]}"]
)
def test_a_damaged_record_is_refused(fleet: Path, record: str) -> None:
    (fleet / "host_vars/tides/decommissioned.yml").write_text(f"instance_decommissioned: {record}\n")
    assert any("The record is damaged" in line for line in said(fleet))


def test_a_record_of_all_hosts_is_refused(fleet: Path) -> None:
    (fleet / "group_vars").mkdir()
    (fleet / "group_vars/all.yml").write_text(RECORD.format(state="gone"))
    assert any("not this host's own" in line for line in said(fleet))


def test_a_department_cannot_write_one(fleet: Path) -> None:
    add(fleet, "forests", "forests.example.nl", more="      instance_decommissioned: {state: gone}\n")
    assert any("is no key of an entry" in line for line in said(fleet))
