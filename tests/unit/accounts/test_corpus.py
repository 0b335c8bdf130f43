"""Wrong and hostile lists: each ends with exit code 2 and its own words, and nothing is sent."""

import socket
from pathlib import Path

import pytest
from meentwerk.cli import run

FOLDER = Path(__file__).parents[2] / "bad-accounts"
LISTS = sorted(path for path in FOLDER.iterdir() if path.suffix in {".csv", ".yml"} and path.stem != "accounts-policy")


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_there_are_enough() -> None:
    assert len(LISTS) >= 40


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_a_wrong_list_is_explained(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FOLDER)
    code = run(["accounts", "validate", path.name])
    said = capsys.readouterr().out
    assert (code, said) == (2, path.with_suffix(".txt").read_text())


ENTRY = """mastodon_instances:
  hosts:
    tides: {ansible_host: 192.0.2.1, instance_domain: tides.invalid}
"""


# What is only too long is judged by the limits that the instance publishes: that page is asked for
OTHERWISE = [path for path in LISTS if " allowed" not in path.with_suffix(".txt").read_text()]


@pytest.mark.parametrize("path", OTHERWISE[::9], ids=lambda path: path.name)
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_no_command_goes_past_a_wrong_list(path: Path, command: str, tmp_path: Path) -> None:
    inventory, password = tmp_path / "hosts.yml", tmp_path / "password"
    inventory.write_text(ENTRY)
    password.write_text("x")
    password.chmod(0o600)
    where = ["--instance", "tides", "-i", str(inventory), "--vault-password-file", str(password)]
    assert run(["accounts", command, str(path), *where, "--state", str(tmp_path / "state")]) == 2
