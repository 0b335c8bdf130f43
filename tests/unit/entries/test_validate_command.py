"""`meentwerk inventory validate`: what it prints, for people and machines, and its exit codes."""

import json
import shutil
from pathlib import Path

import pytest
from meentwerk import cli
from meentwerk.exits import Exit
from meentwerk.inventory import ROOT


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "inventories/example", tmp_path / "example"))


def misspell(inventory: Path) -> Path:
    path = sorted((inventory / "departments").glob("*.yml"))[3]
    path.write_text(path.read_text().replace("instance_organisation:", "instance_organization:"))
    return path


def run(*words: object) -> int:
    return cli.run(["inventory", "validate", *map(str, words)])


def test_every_inventory_of_the_repository_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == Exit.DONE
    assert "all right" in capsys.readouterr().out


def test_a_problem_is_printed_with_its_place_and_the_exit_code_says_so(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = misspell(inventory)
    monkeypatch.chdir(inventory)
    assert run(inventory) == Exit.USAGE
    output = capsys.readouterr()
    assert f"departments/{path.name}:" in output.out
    assert "Did you mean instance_organisation?" in output.out
    assert "1 problem in 1 file" in output.err


def test_json_says_the_same(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = misspell(inventory)
    assert run("--json", inventory) == Exit.USAGE
    data = json.loads(capsys.readouterr().out)
    (problem,) = data["problems"]
    line = next(n for n, row in enumerate(path.read_text().splitlines(), 1) if "instance_organization:" in row)
    assert (problem["line"], problem["column"]) == (line, 7)
    assert problem["file"] == str(path)
    assert problem["cure"] == "Did you mean instance_organisation?"
    assert data["entries"] >= 12


def test_one_file_is_held_against_all_but_only_its_problems_are_shown(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = misspell(inventory)
    others = [file for file in sorted((inventory / "departments").glob("*.yml")) if file != path]
    assert run(others[0]) == Exit.DONE
    assert run(path) == Exit.USAGE
    copy = inventory / "departments/zz-copy.yml"
    copy.write_text(others[0].read_text())
    capsys.readouterr()
    assert run(copy) == Exit.USAGE
    assert "has an entry already" in capsys.readouterr().out


def test_the_folder_of_departments_stands_for_its_inventory(inventory: Path) -> None:
    assert run(inventory / "departments") == Exit.DONE
    misspell(inventory)
    assert run(inventory / "departments") == Exit.USAGE


def test_a_path_that_is_not_there_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "nowhere") == Exit.USAGE
    assert "there is no" in capsys.readouterr().err


def test_an_inventory_without_an_entry_is_not_called_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == Exit.USAGE
    assert "scripts/new-department" in capsys.readouterr().out


def test_the_list_of_hosts_that_ansible_takes_is_passed_over(inventory: Path) -> None:
    assert run(inventory, "localhost,") == Exit.DONE
