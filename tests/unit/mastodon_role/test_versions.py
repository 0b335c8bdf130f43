"""Which release may follow which."""

from types import ModuleType

import pytest


def release(version: str, name: str = "mastodon", digest: str = "0123456789ab") -> str:
    return f"{name}-{version}.g{digest}-debian13-amd64"


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        (release("4.6.5"), ("mastodon", "4.6.5")),
        (release("4.6.5.fork1"), ("mastodon", "4.6.5.fork1")),
        ("sandbox-0.1.0-debian13-arm64", ("sandbox", "0.1.0")),
        ("nonsense", ("nonsense", "")),
    ],
)
def test_name_and_version(versions: ModuleType, identifier: str, expected: tuple[str, str]) -> None:
    assert versions.application(identifier) == expected


@pytest.mark.parametrize(
    ("installed", "wanted"),
    [
        ("", release("4.6.5")),
        (release("4.6.5"), release("4.6.5")),
        (release("4.6.5"), release("4.6.5", digest="ba9876543210")),
        (release("4.6.4"), release("4.6.5")),
        (release("4.9.0"), release("4.10.0")),
        (release("4.5.0"), release("4.6.5")),
    ],
)
def test_what_may_follow(versions: ModuleType, installed: str, wanted: str) -> None:
    assert versions.path_problem(installed, wanted, {"upgrades_from": "4.5"}) == ""


@pytest.mark.parametrize(
    ("installed", "wanted", "reason"),
    [
        (release("4.6.5"), release("4.6.4"), "4.6.4 is older than 4.6.5"),
        (release("4.10.0"), release("4.9.9"), "4.9.9 is older than 4.10.0"),
        (release("4.4.9"), release("4.6.5"), "Upgrade to 4.5 first"),
        (release("0.1.0", "sandbox"), release("4.6.5"), "another application"),
    ],
)
def test_what_may_not(versions: ModuleType, installed: str, wanted: str, reason: str) -> None:
    assert reason in versions.path_problem(installed, wanted, {"upgrades_from": "4.5"})


def test_going_back_is_no_upgrade(versions: ModuleType) -> None:
    assert versions.path_problem(release("4.6.5"), release("4.6.4"), {}, going_back=True) == ""
