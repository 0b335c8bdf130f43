"""What the programs in bin/ say before they start anything: they are shell, and run wherever tests do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from meentwerk_sandbox.config import REQUIRED

OVERLAY = Path(__file__).resolve().parents[3] / "roles/release_build/files/mastodon"
PROGRAMS = ("web", "sidekiq", "streaming", "migrate", "tootctl", "batch", "check")
ARGUMENTS = {"migrate": ["status"], "batch": ["rules"]}
ENVIRONMENT = dict.fromkeys(REQUIRED, "x")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OVERLAY, tmp_path / "releases" / "mastodon-1-debian13-amd64"))


def _run(program: Path, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program), *arguments], env=environment, capture_output=True, text=True, check=False, cwd="/", input=""
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_missing_variable_is_named(release: Path, program: str) -> None:
    given = {**ENVIRONMENT, "VAPID_PRIVATE_KEY": " "}
    del given["SECRET_KEY_BASE"]
    done = _run(release / "bin" / program, *ARGUMENTS.get(program, []), environment=given)
    assert done.returncode == 1
    assert done.stderr == (
        f"bin/{program}: not set: SECRET_KEY_BASE, VAPID_PRIVATE_KEY (the environment file of the service sets them)\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize("name", REQUIRED)
def test_each_variable_is_required(release: Path, name: str) -> None:
    given = {key: value for key, value in ENVIRONMENT.items() if key != name}
    done = _run(release / "bin/check", environment=given)
    assert (done.returncode, f"not set: {name} " in done.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [[], ["rules", "more"], ["announcements"], ["--help"]])
def test_batch_says_how_it_is_used(release: Path, arguments: list[str]) -> None:
    done = _run(release / "bin/batch", *arguments, environment={})
    assert (done.returncode, done.stderr) == (
        2,
        "usage: bin/batch accounts|settings|rules|tokens|roles|states|moderation|several < items.json\n",
    )


@pytest.mark.parametrize("arguments", [[], ["pre", "post"], ["up"]])
def test_migrate_says_how_it_is_used(release: Path, arguments: list[str]) -> None:
    done = _run(release / "bin/migrate", *arguments, environment={})
    assert (done.returncode, done.stderr) == (2, "usage: bin/migrate pre|post|status\n")


def test_a_release_that_lacks_node_says_so(release: Path) -> None:
    done = _run(release / "bin/streaming", environment=ENVIRONMENT)
    assert done.returncode == 1
    assert done.stderr == "bin/streaming: vendor/node/bin/node is missing: this release was not built whole\n"


def test_programs_find_their_release_through_a_link(release: Path) -> None:
    current = release.parent.parent / "current"
    current.symlink_to(release)
    node = release / "vendor/node/bin/node"
    node.parent.mkdir(parents=True)
    node.write_text('#!/bin/sh\necho "$PWD" "$NODE_ENV" "$@"\n')
    node.chmod(0o755)
    done = _run(current / "bin/streaming", environment=ENVIRONMENT)
    assert done.stdout == f"{release} production --import ./meentwerk/streaming.mjs streaming/index.js\n"


@pytest.mark.parametrize(
    ("host", "mode"), [("/run/postgresql", "disable"), ("db.example", "verify-full"), ("", "verify-full")]
)
def test_streaming_asks_for_no_tls_on_a_local_socket(release: Path, host: str, mode: str) -> None:
    node = release / "vendor/node/bin/node"
    node.parent.mkdir(parents=True)
    node.write_text('#!/bin/sh\necho "$DB_SSLMODE"\n')
    node.chmod(0o755)
    done = _run(release / "bin/streaming", environment={**ENVIRONMENT, "DB_HOST": host, "DB_SSLMODE": "verify-full"})
    assert done.stdout == f"{mode}\n"


def test_all_programs_are_executable() -> None:
    assert sorted(path.name for path in (OVERLAY / "bin").iterdir()) == sorted(PROGRAMS)
    assert all(os.access(OVERLAY / "bin" / name, os.X_OK) for name in PROGRAMS)
