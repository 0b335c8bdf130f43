"""The contract tests against the deployed instance: through nginx and TLS, as a client meets it."""

import os
import subprocess
from pathlib import Path

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])


def test_the_instance_answers_as_the_recordings_do() -> None:
    environment = dict(
        os.environ,
        CONTRACT_URL="https://social.default.example.test",
        CONTRACT_ADDRESS="10.87.30.11",
        CONTRACT_CA_FILE=str(Path("~/.cache/meentwerk/test/ca-default/ca.pem").expanduser()),
        CONTRACT_BATCH=f"{PROJECT}/scripts/embedded-host shell default-1 mastodon-run batch",
    )
    done = subprocess.run(
        ["pytest", "-q", "-p", "no:cacheprovider", "tests/contract"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "skipped" not in done.stdout.splitlines()[-1], done.stdout[-2000:]
