"""A new entry is right by construction, reads well, and never replaces anything."""

import os
from pathlib import Path

import pytest
import yaml
from meentwerk import cli
from meentwerk.entries import new_department, rules
from meentwerk.exits import Exit

from .samples import TIDES

GIVEN = {
    "--domain": "waves.example.org",
    "--organisation": "Agency: Waves & «Co» #1",
    "--register-id": "https://register.example.org/organisations/waves",
    "--address": "192.0.2.77",
}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    (folder / "departments").mkdir(parents=True)
    (folder / "group_vars").mkdir()
    (folder / "group_vars/all.yml").write_text("meentwerk_environment: example\n")
    (folder / "departments/tides.yml").write_text(TIDES)
    return folder


def run(inventory: Path, **change: str | None) -> int:
    options = GIVEN | {f"--{name.replace('_', '-')}": value for name, value in change.items()}
    words = [word for name, value in options.items() if value is not None for word in (name, value)]
    return cli.run(["inventory", "new-department", "--inventory", str(inventory), *words])


def files(inventory: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in inventory.rglob("*") if path.is_file()}


def test_what_is_written_is_right_and_says_what_was_given(inventory: Path) -> None:
    assert run(inventory) == Exit.DONE
    text = (inventory / "departments/waves.yml").read_text()
    entry = yaml.safe_load(text)["mastodon_instances"]["hosts"]["waves"]
    assert entry["instance_organisation"]["name"] == GIVEN["--organisation"]
    assert entry["instance_contact"]["email"] == "webcare@waves.example.org"
    assert rules.check([inventory])[1] == []


def test_what_is_offered_as_comment_is_right_too(inventory: Path) -> None:
    assert run(inventory) == Exit.DONE
    path = inventory / "departments/waves.yml"
    head, _, offers = path.read_text().partition("      # What else can be said; remove the # to say it\n")
    path.write_text(head + offers.replace("      # ", "      "))
    assert rules.check([inventory])[1] == []
    assert "instance_rules" in path.read_text().replace("# instance_rules", "")


@pytest.mark.parametrize("what", ["file", "broken link"])
def test_nothing_is_ever_overwritten(inventory: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = inventory / "departments/waves.yml"
    if what == "file":
        path.write_text("# mine\n")
    else:
        path.symlink_to(inventory / "nowhere")
    before = files(inventory)
    assert run(inventory) == Exit.REFUSED
    assert files(inventory) == before
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"domain": "tides.example.org", "name": "other"}, "is taken by tides"),
        ({"address": "192.0.2.11"}, "is taken by tides"),
        ({"domain": "Waves.example.org"}, "Write waves.example.org"),
        ({"register_id": "mnre1034"}, "is no identifier of a register"),
        ({"size": "smal"}, "Did you mean small?"),
        ({"name": "Waves"}, "lower-case letters"),
        ({"name": "all"}, "is the name of a group"),
        ({"organisation": None}, "not answered: Official name of the organisation"),
    ],
)
def test_a_wrong_answer_writes_nothing(
    inventory: Path, change: dict[str, str | None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(inventory)
    assert run(inventory, **change) == Exit.USAGE
    assert files(inventory) == before
    assert said in capsys.readouterr().err


def test_a_person_is_asked_until_the_answer_is_right(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(
        ["Waves_.example.org", "waves.example.org", "", "Agency of Waves", "waves",
         "https://register.example.org/organisations/waves", "", "", "192.0.2.77", "medium"]
    )  # fmt: skip
    asked = []

    def prompt(text: str, default: str | None = None, **_: object) -> str:
        asked.append(text)
        return next(answers) or default or ""

    monkeypatch.setattr(new_department, "interactive", lambda: True)
    monkeypatch.setattr("typer.prompt", prompt)
    assert cli.run(["inventory", "new-department", "-i", str(inventory)]) == Exit.DONE
    assert len(asked) == 10
    assert "has capital letters" in capsys.readouterr().err
    entry = yaml.safe_load((inventory / "departments/waves.yml").read_text())["mastodon_instances"]["hosts"]["waves"]
    assert entry["instance_size"] == "medium"


def test_a_demos_entry_has_what_its_embedded_host_needs(inventory: Path) -> None:
    (inventory / "group_vars/all.yml").write_text("meentwerk_environment: demo\n")
    assert run(inventory, address=None, register_id=None) == Exit.DONE
    entry = yaml.safe_load((inventory / "departments/waves.yml").read_text())["mastodon_instances"]["hosts"]["waves"]
    assert entry["ansible_host"] == "192.0.2.12"
    assert entry["embedded_host_ip6"].endswith("::12")
    assert entry["embedded_host_aliases"] == ["waves.example.org"]


def test_the_file_is_readable_by_those_who_share_the_inventory(inventory: Path) -> None:
    old = os.umask(0o022)
    try:
        assert run(inventory) == Exit.DONE
    finally:
        os.umask(old)
    assert (inventory / "departments/waves.yml").stat().st_mode & 0o777 == 0o644
