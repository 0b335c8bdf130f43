"""Run everything that has to hold, several steps at a time, and end with a summary that names each step.

scripts/test is the command for people; this file is what it runs inside the virtual environment.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[1]
LOGS = ROOT / ".test-logs"
SHOWN_LINES = 60

# Scenarios that take longest begin first, so that two workers end at about the same time
LONG_FIRST = (
    "restore",
    "upgrade",
    "hardening",
    "release_build",
    "interrupted",
    "check",
    "services",
    "accounts",
    "rotation",
    "moderation",
    "default",
    "identities",
    "register_site",
    "mastodon",
    "certificate",
    "postgresql",
    "nginx",
)


@dataclass
class Step:
    """One thing that is checked: a command, and the group of embedded hosts it may leave behind."""

    name: str
    command: list[str]
    group: str | None = None
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """How a step ended."""

    name: str
    passed: bool
    seconds: float


def static_steps() -> list[Step]:
    """Return what needs no host."""
    return [
        Step("lint: ansible-lint", ["ansible-lint", "--offline"]),
        Step("unit tests", ["pytest", "-q", "tests/unit"]),
        Step("lint: mypy", ["mypy"]),
        Step("lint: ruff", ["ruff", "check"]),
        Step("lint: ruff format", ["ruff", "format", "--check"]),
        Step("lint: yamllint", ["yamllint", "--strict", "."]),
    ]


def host_steps() -> list[Step]:
    """Return what boots embedded hosts: every scenario, and the end-to-end tests."""
    names = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    names.sort(key=lambda name: LONG_FIRST.index(name) if name in LONG_FIRST else len(LONG_FIRST))
    steps = [Step(f"scenario: {name}", ["molecule", "test", "--scenario-name", name], name) for name in names]
    ends = [
        Step("end to end: demo", ["pytest", "-q", "tests/e2e/test_demo.py"], "demo"),
        Step("end to end: embedded hosts", ["pytest", "-q", "tests/e2e/test_embedded_host.py"], "embedded-host-test"),
    ]
    return [ends[0], *steps, ends[1]]


class Runner:
    """Runs steps side by side and remembers what it started, so that an interruption leaves nothing."""

    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.lock = threading.Lock()
        self.stopped = False

    def run(self, step: Step) -> Result:
        """Run one step to its end; its output goes to a log of its own."""
        if self.stopped:
            return Result(step.name, False, 0.0)
        log = LOGS / f"{step.name.replace(': ', '-').replace(' ', '-')}.log"
        begin = time.monotonic()
        say(f"begin  {step.name}")
        environment = dict(os.environ, NO_COLOR="1", ANSIBLE_NOCOLOR="1", PY_COLORS="0", **step.environment)
        with log.open("wb") as output:
            process = subprocess.Popen(
                step.command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )
            with self.lock:
                self.running[step.name] = process
            code = process.wait()
        with self.lock:
            del self.running[step.name]
        result = Result(step.name, code == 0, time.monotonic() - begin)
        say(f"{'passed' if result.passed else 'FAILED'} {step.name} ({result.seconds:.0f} s)")
        if not result.passed and not self.stopped:
            lines = telling(log.read_text(errors="replace").splitlines())
            print("\n".join(f"    {line}" for line in lines), flush=True)
            print(f"    the whole log: {log.relative_to(ROOT)}", flush=True)
        if step.group:
            subprocess.run(
                [str(ROOT / "scripts/embedded-host"), "down", "--group", step.group], capture_output=True, check=False
            )
        return result

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """End what was started, by its process group; hosts are removed as each step ends."""
        self.stopped = True
        say(f"stopping ({signal.Signals(number).name})")
        with self.lock:
            for process in self.running.values():
                os.killpg(process.pid, signal.SIGTERM)


def telling(lines: list[str]) -> list[str]:
    """Return what to show of a failed step's log: from pytest's summary on, where what failed first stands first."""
    begins = next((n for n, line in enumerate(lines) if "short test summary info" in line), None)
    if begins is None:
        return lines[-SHOWN_LINES:]
    ends = begins + SHOWN_LINES
    return lines[begins:ends] + lines[ends:][-SHOWN_LINES:]


def say(line: str) -> None:
    """Print a line with the time, at once: the run is long and someone is watching."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[Step]]:
    """Read the command line; return the options and the chosen steps."""
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Run everything that CI runs: linters, unit tests, every Molecule scenario, the demo.",
        epilog="Logs are kept in .test-logs/. Hosts are removed afterwards, also after a failure.",
    )
    parser.add_argument("steps", nargs="*", help="only steps whose name contains one of these words")
    parser.add_argument("--list", action="store_true", help="show the names of all steps and end")
    parser.add_argument("--fast", action="store_true", help="only what needs no host")
    parser.add_argument(
        "--jobs",
        type=int,
        default=int(os.environ.get("MEENTWERK_TEST_JOBS", os.cpu_count() or 1)),
        help="steps at a time (default: one for each core)",
    )
    options = parser.parse_args(argv)
    steps = static_steps() + ([] if options.fast else host_steps())
    if options.steps:
        unknown = [word for word in options.steps if not any(word in step.name for step in steps)]
        if unknown:
            parser.error(f"no step has {unknown[0]!r} in its name; --list shows them")
        steps = [step for step in steps if any(word in step.name for word in options.steps)]
    return options, steps


def main(argv: list[str]) -> int:
    """Run the chosen steps and return the exit code: 0 when every one passed."""
    options, steps = parse(argv)
    if options.list:
        print("\n".join(step.name for step in steps))
        return 0
    LOGS.mkdir(exist_ok=True)
    for old in LOGS.glob("*.log"):
        old.unlink()
    begin = time.monotonic()
    runner = Runner()
    signal.signal(signal.SIGINT, runner.stop)
    signal.signal(signal.SIGTERM, runner.stop)
    if any(step.group for step in steps):
        # every host starts from it: made once, before they ask for it side by side
        made = subprocess.run(
            [str(ROOT / "scripts/embedded-host"), "image", "--if-old"], stdout=subprocess.DEVNULL, check=False
        )
        if made.returncode:
            return made.returncode
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        results = list(pool.map(runner.run, steps))
    print(f"\nSummary after {(time.monotonic() - begin) / 60:.1f} minutes")
    for result in results:
        print(f"  {'passed' if result.passed else 'FAILED'}  {result.seconds:6.0f} s  {result.name}")
    failed = sum(not result.passed for result in results)
    print(f"\n{len(results) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
