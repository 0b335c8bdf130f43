"""How the command line ends: messages, exit codes, no stack traces unasked."""

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import typer
from meentwerk import cli
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit


@pytest.fixture
def fail_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[BaseException], int]:
    """Run a command that raises the given exception, and return the exit code."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("MEENTWERK_DEBUG", raising=False)

    def run(error: BaseException) -> int:
        app = typer.Typer(rich_markup_mode=None)

        @app.command("fail")
        def fail() -> None:
            raise error

        app.callback()(lambda: None)
        monkeypatch.setattr(cli, "app", app)
        return cli.run(["fail"])

    return run


def test_an_expected_error_is_two_lines(
    fail_with: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(MeentwerkError("the archive is unreachable", "check the network", Exit.GAVE_UP)) == Exit.GAVE_UP
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: the archive is unreachable\ncheck the network\n"


def test_markup_in_a_message_is_printed_as_it_is(
    fail_with: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(MeentwerkError("bad name [red]x[/nonsense]", "see [docs]"))
    assert capsys.readouterr().err == "error: bad name [red]x[/nonsense]\nsee [docs]\n"


def test_ctrl_c_says_that_it_can_be_run_again(
    fail_with: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(KeyboardInterrupt()) == Exit.INTERRUPTED
    assert "can be run again" in capsys.readouterr().err


def test_termination_says_that_it_can_be_run_again(
    fail_with: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(SystemExit(Exit.TERMINATED)) == Exit.TERMINATED
    assert "can be run again" in capsys.readouterr().err


def test_a_missing_permission_has_its_own_code(
    fail_with: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(PermissionError(13, "Permission denied", "/etc/shadow")) == Exit.NOT_ALLOWED
    assert "/etc/shadow" in capsys.readouterr().err


def test_the_machine_failing_names_the_file(
    fail_with: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(OSError(28, "No space left on device", "/var/x")) == Exit.UNEXPECTED
    assert capsys.readouterr().err == "error: No space left on device: /var/x\n"


def test_the_unexpected_leaves_a_private_trace(
    fail_with: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert fail_with(ZeroDivisionError("division by zero")) == Exit.UNEXPECTED
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 2
    assert "Traceback" not in err
    (trace,) = (tmp_path / "meentwerk/traces").iterdir()
    assert str(trace) in err
    assert "ZeroDivisionError" in trace.read_text()
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600


def test_the_unexpected_is_shown_in_full_when_asked(
    fail_with: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEENTWERK_DEBUG", "1")
    assert fail_with(ZeroDivisionError()) == Exit.UNEXPECTED
    assert "Traceback" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == Exit.DONE
    assert capsys.readouterr().out == f"meentwerk {metadata.version('meentwerk')}\n"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["secrets", "nonsense"], ["secrets", "init"]])
def test_a_wrong_command_line_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: meentwerk" in err


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([name, "--help"] for name in cli.COMMANDS)])
def test_help_answers(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == Exit.DONE
    assert "Usage: meentwerk" in capsys.readouterr().out


def test_examples_in_the_help_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["--help"])
    examples = re.findall(r"^ +meentwerk ((?:[a-z-]+ ?){1,2})", capsys.readouterr().out, flags=re.MULTILINE)
    assert examples
    for example in examples:
        name, *rest = example.split()
        command = [name] if name == "demo" else [name, rest[0]]
        assert cli.run([*command, "--help"]) == Exit.DONE, example


def test_sigterm_ends_with_its_code() -> None:
    """The real process, because a signal handler belongs to one."""
    program = (
        "import sys, time, typer\n"
        "from meentwerk import cli\n"
        "app = typer.Typer(rich_markup_mode=None)\n"
        "app.callback()(lambda: None)\n"
        "@app.command('wait')\n"
        "def wait() -> None:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "cli.app = app\n"
        "cli.main(['wait'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == Exit.TERMINATED
    assert "can be run again" in err
