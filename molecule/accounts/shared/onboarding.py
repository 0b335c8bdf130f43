"""Runs the command as an operator does, and remembers everything that it ever said."""

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lists

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
HOSTS = os.environ["MOLECULE_HOSTS"]
INSTANCE, DOMAIN, ADDRESS = "accounts-1", "accounts.example.test", "10.87.90.11"
CA_FILE = Path.home() / ".cache/meentwerk/test/ca-accounts/ca.pem"
CLI = (sys.executable, "-m", "meentwerk.cli", "accounts")


@dataclass
class Onboarding:
    """The command, with a state folder of its own."""

    folder: Path
    said: list[str] = field(default_factory=list)
    mark: str = field(default_factory=lambda: lists.letters(random.randrange(10_000)))

    def word(self, word: str) -> str:
        """Return how names of this run's accounts begin: a host that lives on may have those of earlier ones."""
        return word + self.mark

    @property
    def state(self) -> Path:
        """Where journal, credentials and exports of the instance are."""
        return self.folder / "state"

    def argv(self, command: str, *arguments: str) -> list[str]:
        """Return the command line."""
        target = [] if "--server" in arguments else ["--instance", INSTANCE, "-i", HOSTS]
        state = [] if command in {"status", "validate"} or "--state" in arguments else ["--state", str(self.state)]
        return [*CLI, command, *arguments, *target, *state]

    def start(self, command: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command in a process group of its own."""
        return subprocess.Popen(
            self.argv(command, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=os.environ | environment,
        )

    def run(self, command: str, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run the command to its end; return its exit code and what it said."""
        process = self.start(command, *arguments, **environment)
        out, err = process.communicate(timeout=900)
        self.said += [out, err]
        return process.returncode, out + err

    def json(self, command: str, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
        """Run the command with --json; return its exit code and what it said."""
        process = self.start(command, *arguments, "--json", **environment)
        out, err = process.communicate(timeout=900)
        self.said += [out, err]
        assert out.startswith("{"), out + err
        return process.returncode, json.loads(out)

    def passwords(self) -> dict[str, list[str]]:
        """Return every first password that stands in a file, by account."""
        found: dict[str, list[str]] = {}
        for path in (self.state / "credentials").glob("*.txt"):
            lines = path.read_text().splitlines()
            password = next(line.removeprefix("password: ") for line in lines if line.startswith("password: "))
            found.setdefault(path.name.split(".")[0], []).append(password)
        return found
