"""What a host remembers of its instance, and what it refuses."""

from pathlib import Path
from types import ModuleType

import pytest
import yaml
from meentwerk.secrets import catalogue

ROLE = Path(__file__).parents[3] / "roles/mastodon"
SECRETS = catalogue.generate([name for name in catalogue.KINDS if not name.endswith(("password", "passphrase"))])
DOMAINS = {"domain": "tides.example.org", "web_domain": "social.tides.example.org"}


@pytest.fixture
def record(info: ModuleType) -> dict[str, object]:
    result: dict[str, object] = info.new_record({}, DOMAINS, SECRETS)
    return result


def test_the_same_values_are_welcome(info: ModuleType, record: dict[str, object]) -> None:
    assert info.domain_problems(record, DOMAINS) == []
    assert info.secret_problems(record, SECRETS, []) == []
    assert info.new_record(record, DOMAINS, SECRETS) == record


def test_a_new_host_accepts_anything(info: ModuleType) -> None:
    assert info.domain_problems({}, DOMAINS) == []
    assert info.secret_problems({}, SECRETS, []) == []


@pytest.mark.parametrize("name", ["domain", "web_domain"])
def test_a_domain_never_changes(info: ModuleType, record: dict[str, object], name: str) -> None:
    (problem,) = info.domain_problems(record, {**DOMAINS, name: "other.example.org"})
    assert f"mastodon_{name} is other.example.org" in problem
    assert DOMAINS[name] in problem
    assert "new host" in problem


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_every_secret_is_recognised(info: ModuleType, record: dict[str, object], name: str) -> None:
    (problem,) = info.secret_problems(record, {**SECRETS, name: "another-value"}, [])
    assert f"mastodon_secrets.{name}" in problem
    assert "another-value" not in problem


def test_only_what_may_rotate_rotates(info: ModuleType, record: dict[str, object]) -> None:
    changed = {**SECRETS, "secret_key_base": "x", "active_record_encryption_primary_key": "y"}
    (problem,) = info.secret_problems(record, changed, ["secret_key_base", "active_record_encryption_primary_key"])
    assert "active_record_encryption_primary_key" in problem
    assert "mastodon_rotate_secrets" not in problem


def test_after_a_rotation_the_new_value_counts(info: ModuleType, record: dict[str, object]) -> None:
    changed = {**SECRETS, "secret_key_base": "x"}
    rotated = info.new_record(record, DOMAINS, changed)
    assert rotated["salt"] == record["salt"]
    assert info.secret_problems(rotated, changed, []) == []
    assert info.secret_problems(rotated, SECRETS, []) != []


def test_the_record_holds_no_secret(record: dict[str, object]) -> None:
    assert not [value for value in SECRETS.values() if value in str(record)]


@pytest.mark.parametrize(
    ("release", "fits"),
    [
        ("sandbox-0.1.0.g0123456789ab-debian13-amd64", True),
        ("mastodon-4.6.5-debian13-arm64", False),
        ("mastodon-4.6.5-debian12-amd64", False),
    ],
)
def test_a_release_fits_its_machine(info: ModuleType, release: str, fits: bool) -> None:
    assert (info.machine_problems(release, "amd64", "13") == []) is fits


def test_role_and_catalogue_agree(info: ModuleType) -> None:
    """The role knows the form and the fingerprint of a secret as `meentwerk secrets` makes them."""
    values = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    forms = values["__mastodon_secret_forms"]
    assert forms == {name: f"^{catalogue.KINDS[name].pattern}$" for name in forms}
    assert set(info.REASONS) == set(forms) == set(SECRETS)
    assert {name for name in forms if not catalogue.KINDS[name].rotation.startswith("never")} == set(info.ROTATABLE)
    assert info.fingerprint("a", "b", "c") == catalogue.fingerprint("a", "b", "c")


def test_an_instance_that_leaves_the_federation_is_not_set_up_again(info: ModuleType, tmp_path: Path) -> None:
    assert info.leaving_problems(tmp_path / "leaving") == []
    (tmp_path / "leaving").write_text("agreed\n")
    (problem,) = info.leaving_problems(tmp_path / "leaving")
    assert "playbooks/decommission.yml" in problem
