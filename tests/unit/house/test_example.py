"""The example fleet is one that an operator could keep: read as Ansible reads it, and whole."""

import ipaddress
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from meentwerk.entries import rules
from meentwerk.inventory import Inventory, Vault
from meentwerk.secrets import store

from .conftest import ROOT, load, name_of

EXAMPLE = ROOT / "inventories/example"
PASSWORD = EXAMPLE / "vault-password.txt"
DEPARTMENTS = sorted(EXAMPLE.glob("departments/*.yml"))
# RFC 5737 and RFC 3849: addresses for documentation
DOCUMENTATION = [
    ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
RESERVED = re.compile(r"(^|\.)(example\.org|example|test)$")
DOMAINS = ("instance_domain", "instance_web_domain")
LISTS = ("instance_alternate_domains", "instance_delegated_domains")
# The operator's to set, for the whole fleet
OPERATORS = {"instance_release", "instance_release_directory", "instance_release_signers"}

each_department = pytest.mark.parametrize("path", DEPARTMENTS, ids=lambda path: path.stem)


def entries() -> dict[str, dict[str, Any]]:
    """Every instance of the departments' files, by name."""
    return {name: entry for path in DEPARTMENTS for name, entry in load(path)["mastodon_instances"]["hosts"].items()}


def groups() -> dict[str, list[str]]:
    """The operator's groups and the hosts they list."""
    return {name: list(group["hosts"]) for name, group in load(EXAMPLE / "groups.yml").items()}


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault(password_files=[str(PASSWORD)])


def test_it_is_a_fleet_of_every_size() -> None:
    assert len(DEPARTMENTS) == 12
    assert {entry.get("instance_size", "small") for entry in entries().values()} == {"small", "medium", "large"}
    several = [path.stem for path in DEPARTMENTS if len(load(path)["mastodon_instances"]["hosts"]) > 1]
    assert several, "one department has more than one instance"


@each_department
def test_a_departments_file_holds_its_entry_only(path: Path) -> None:
    document = load(path)
    assert document.keys() == {"mastodon_instances"}
    assert document["mastodon_instances"].keys() == {"hosts"}
    for name, entry in document["mastodon_instances"]["hosts"].items():
        strange = [key for key in entry if key != "ansible_host" and not key.startswith("instance_")]
        strange += OPERATORS & entry.keys()
        assert not strange, f"{name}: {strange} is the operator's to set"


@each_department
def test_a_departments_file_is_plain(path: Path) -> None:
    text = path.read_text()
    tokens = list(yaml.scan(text))
    assert not [t for t in tokens if isinstance(t, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken)]
    assert "{{" not in text


def test_every_instance_is_in_one_group() -> None:
    assert groups().keys() == {"canary", "wave_1", "wave_2"}
    listed = [name for names in groups().values() for name in names]
    assert sorted(listed) == sorted(entries()), "groups.yml lists each instance once, and no other host"


def test_addresses_are_for_documentation_and_used_once() -> None:
    addresses = []
    for entry in entries().values():
        try:
            addresses.append(ipaddress.ip_address(entry["ansible_host"]))
        except ValueError:
            assert RESERVED.search(entry["ansible_host"])
    assert max(Counter(addresses).values()) == 1
    assert not [address for address in addresses if not any(address in network for network in DOCUMENTATION)]


def test_domains_belong_to_nobody_and_are_used_once() -> None:
    used: Counter[str] = Counter()
    for entry in entries().values():
        names = {entry[key] for key in DOMAINS if key in entry}
        used.update(names | {domain for key in LISTS for domain in entry.get(key, [])})
    assert not [domain for domain in used if not RESERVED.search(domain)]
    assert [domain for domain, count in used.items() if count > 1] == []


def test_every_entry_is_right() -> None:
    _, problems = rules.check([EXAMPLE])
    assert not problems, "\n".join(problem.text(ROOT) for problem in problems)


def test_the_playbook_accepts_it_and_reaches_no_host() -> None:
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(PASSWORD),
        # whoever tried to connect would fail
        "ANSIBLE_SSH_EXECUTABLE": "/bin/false",
    }
    command = ["ansible-playbook", "-i", str(EXAMPLE), "playbooks/validate.yml"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^\S+ +: ok=", done.stdout, re.MULTILINE)) == len(entries())


def test_ansible_sees_the_same(vault: Vault) -> None:
    assert sorted(Inventory(EXAMPLE, vault).instances()) == sorted(entries())


def test_the_operator_sets_the_release_for_all_and_for_the_canaries() -> None:
    setters = [name_of(path) for path in EXAMPLE.rglob("*.yml") if "\ninstance_release:" in path.read_text()]
    assert sorted(setters) == [f"inventories/example/group_vars/{name}.yml" for name in ("all/main", "canary")]


def test_what_is_deployed_has_its_secrets(vault: Vault) -> None:
    """The canaries are what stands already; the published password opens their secrets."""
    assert "public" in PASSWORD.read_text(), "the password says of itself that it protects nothing"
    with_secrets = {path.parent.name for path in EXAMPLE.glob("host_vars/*/secrets.yml")}
    assert with_secrets == set(groups()["canary"])
    inventory = Inventory(EXAMPLE, vault)
    assert [finding for name in with_secrets for finding in store.check(inventory, vault, name)] == []


def test_what_is_deployed_has_its_domain_on_record() -> None:
    recorded = {path.parent.name: load(path)["instance_deployed"] for path in EXAMPLE.glob("host_vars/*/deployed.yml")}
    assert recorded.keys() == set(groups()["canary"])
    for name, record in recorded.items():
        entry = entries()[name]
        domain = entry["instance_domain"]
        assert record == {"domain": domain, "web_domain": entry.get("instance_web_domain", domain)}


def test_the_fleets_own_secrets_decrypt(vault: Vault) -> None:
    path = EXAMPLE / "group_vars/all/vault.yml"
    values = load(path)
    encrypted = [values["certificate_acme_eab_hmac_key"], values["mastodon_environment"]["SMTP_PASSWORD"]]
    assert all(vault.is_encrypted(value) for value in encrypted), f"{name_of(path)} holds a secret in plain text"
    assert all(vault.decrypt(value) for value in encrypted)
