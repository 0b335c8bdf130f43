"""A small application to pack, and keys to sign it with."""

from collections.abc import Callable
from pathlib import Path

import pytest
from meentwerk.release import sign
from meentwerk.release.identity import PAGES, PROGRAMS, Flavour
from meentwerk.release.pack import Packed, Request, pack


@pytest.fixture
def flavour() -> Flavour:
    return Flavour(
        name="sandbox",
        flavour="sandbox",
        version="0.1.0",
        mastodon_version="4.6.5",
        licence="EUPL-1.2",
        runtime_packages=["python3-starlette (>= 0.46)", "libstdc++6"],
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the smallest application that is a release, with what nobody wants in a release."""
    root = tmp_path / "app"
    (root / "bin").mkdir(parents=True)
    (root / "public").mkdir()
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "x.pyc").write_bytes(b"\0")
    for program in PROGRAMS:
        (root / program).write_text("#!/bin/sh\n")
        (root / program).chmod(0o700)
    for page in PAGES:
        (root / page).write_text("<p>broken</p>\n")
    (root / "public" / "index.html").symlink_to("500.html")
    return root


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "signing"
    sign.generate_key(path)
    return path


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a key that nobody trusts."""
    path = tmp_path_factory.mktemp("stranger") / "signing"
    sign.generate_key(path)
    return path


@pytest.fixture
def request_(source: Path, flavour: Flavour, key: Path, tmp_path: Path) -> Request:
    return Request(source, flavour, "amd64", tmp_path / "releases", key, ("__pycache__",))


@pytest.fixture
def packed(request_: Request) -> Packed:
    return pack(request_)


@pytest.fixture
def signers(key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "trusted"
    path.write_text(sign.allowed_signers_line(sign.public_key(key)) + "\n")
    return path


@pytest.fixture
def resign(packed: Packed) -> Callable[[Path], None]:
    """Return a way to give the packed archive another key's signature."""

    def by(other: Path) -> None:
        sign.sign(packed.archive, other)

    return by
