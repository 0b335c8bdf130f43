"""Commands on an instance's host: the connection is the inventory's, and input goes through it alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from meentwerk.batch import HostBatch, tootctl
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit
from meentwerk.inventory import Inventory, Vault
from meentwerk.on_host import Finished, Host


def host(folder: Path, **variables: object) -> Host:
    folder.mkdir(exist_ok=True)
    (folder / "hosts.yml").write_text(json.dumps({"mastodon_instances": {"hosts": {"tides": variables}}}))
    password = folder / "password"
    password.write_text("x")
    password.chmod(0o600)
    return Host(Inventory(folder / "hosts.yml", Vault((), (str(password),))), "tides")


def test_input_goes_through_the_connection_whole(tmp_path: Path) -> None:
    here = host(tmp_path / "i", ansible_connection="local", ansible_become=False)
    text = "é" * 300_000
    assert here.run(["cat"], text) == Finished(0, text, "")
    assert here.run(["sh", "-c", "echo no >&2; exit 4"], "") == Finished(4, "", "no\n")
    assert here.run(["printf", "%s", "a b'c;$HOME"], "").stdout == "a b'c;$HOME"


@pytest.mark.parametrize("stdin", ["", "text"])
def test_no_terminal_mixes_what_a_program_says_and_what_it_complains(tmp_path: Path, stdin: str) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\necho "$@"\necho complaint >&2\n[ -t 0 ] || cat\nexit 1\n')
    ssh.chmod(0o755)
    there = host(tmp_path / "i", ansible_host="127.0.0.1", ansible_user="root", ansible_ssh_executable=str(ssh))
    finished = there.run(["true"], stdin)
    assert "-tt" not in finished.stdout.split()
    assert (finished.code, finished.stderr) == (1, "complaint\n")


def test_a_host_that_is_not_reached(tmp_path: Path) -> None:
    there = host(tmp_path / "i", ansible_host="127.0.0.1", ansible_port=1, ansible_user="root")
    with pytest.raises(MeentwerkError, match="tides is not reached") as caught:
        there.run(["true"], "")
    assert "ansible tides -i" in caught.value.cure


def test_an_unknown_way_to_connect(tmp_path: Path) -> None:
    with pytest.raises(MeentwerkError) as caught:
        host(tmp_path / "i", ansible_connection="pigeon").run(["true"], "")
    assert caught.value.exit == Exit.USAGE


class Answering(Host):
    """A host that says what a test wants."""

    def __init__(self, finished: Finished) -> None:
        self.name, self.finished, self.asked = "tides", finished, []  # type: str, Finished, list[tuple[list[str], str]]

    def run(self, argv: Sequence[str], stdin: str) -> Finished:
        self.asked.append((list(argv), stdin))
        return self.finished


GOOD = json.dumps({"contract": 1, "changed": 0, "failed": 0, "results": [{"key": "a", "outcome": "unchanged"}]})


@pytest.mark.parametrize("code", [0, 4])
def test_results_are_returned_also_when_some_failed(code: int) -> None:
    answering = Answering(Finished(code, f"noise\n{GOOD}\n", ""))
    assert HostBatch(answering).run("states", [{"username": "a"}]) == [{"key": "a", "outcome": "unchanged"}]
    [(argv, stdin)] = answering.asked
    assert argv == ["/usr/local/sbin/mastodon-run", "batch", "states"]
    assert json.loads(stdin)["items"] == [{"username": "a"}]


@pytest.mark.parametrize(
    ("finished", "exit_code", "said"),
    [
        (Finished(127, "", "sh: not found"), Exit.UNEXPECTED, "there is no instance on tides yet"),
        (Finished(2, "", "usage: bin/batch accounts < items.json"), Exit.USAGE, "knows no batch states"),
        (Finished(2, "", "bin/batch states: items[0] lacks 'username'"), Exit.UNEXPECTED, "lacks 'username'"),
        (Finished(1, "", "mastodon-run: only root may act as the service"), Exit.NOT_ALLOWED, "only root"),
        (Finished(1, "", "bin/batch states: the database refused: X; nothing was changed"), Exit.UNEXPECTED, "refused"),
        (Finished(0, "", ""), Exit.UNEXPECTED, "gave no JSON"),
        (Finished(0, "{", ""), Exit.UNEXPECTED, "gave no JSON"),
        (Finished(0, "{}", ""), Exit.UNEXPECTED, "gave no JSON"),
    ],
)
def test_a_batch_that_cannot_be_done_says_why(finished: Finished, exit_code: Exit, said: str) -> None:
    with pytest.raises(MeentwerkError) as caught:
        HostBatch(Answering(finished)).run("states", [])
    assert (caught.value.exit, said in str(caught.value)) == (exit_code, True)


def test_tootctl_that_fails_says_why() -> None:
    with pytest.raises(MeentwerkError, match="No user with such username"):
        tootctl(Answering(Finished(1, "", "No user with such username\n")), "accounts", "delete", "a")
