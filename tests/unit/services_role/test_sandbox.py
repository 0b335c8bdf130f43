"""What a drop-in says, and which services ran before it was written."""

from datetime import UTC, datetime

import pytest

from tests.plugins import load

SANDBOX = load("roles/services/library/services_sandbox.py")


def test_a_dropin_says_each_value_as_systemd_reads_it() -> None:
    directives = {
        "NoNewPrivileges": True,
        "RemoveIPC": False,
        "UMask": "0027",
        "CapabilityBoundingSet": "",
        "TasksMax": 40,
    }
    lists = {"SystemCallFilter": ["", "@system-service", "~@mount"], "ReadWritePaths": []}
    assert SANDBOX.render("# notice", directives | lists).splitlines() == [
        "# notice",
        "[Service]",
        "NoNewPrivileges=yes",
        "RemoveIPC=no",
        "UMask=0027",
        "CapabilityBoundingSet=",
        "TasksMax=40",
        "SystemCallFilter=",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@mount",
    ]


def state(name: str, began: float, active: str = "active") -> dict[str, str]:
    moment = datetime.fromtimestamp(began, UTC).strftime("%a %Y-%m-%d %H:%M:%S.%f UTC")
    return {"Id": name, "ActiveState": active, "InactiveExitTimestamp": moment}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (state("nginx.service", 99.5), ["nginx.service"]),
        (state("nginx.service", 100.5), []),
        (state("nginx.service", 99.5, "inactive"), []),
        (state("nginx.service", 99.5, "failed"), []),
        (state("nginx.service", 99.5, "reloading"), ["nginx.service"]),
        (state("postgresql@17-main.service", 99.5), ["postgresql@17-main.service"]),
        (state("postgresql@17-other.service", 100.5), []),
        (state("cron.service", 1), []),
        ({"Id": "nginx.service", "ActiveState": "active", "InactiveExitTimestamp": ""}, []),
    ],
)
def test_what_began_before_its_dropin_is_outdated(one: dict[str, str], expected: list[str]) -> None:
    assert SANDBOX.outdated([one], {"nginx.service": 100.0, "postgresql@.service": 100.0}) == expected


def test_several_units_are_read_apart() -> None:
    assert SANDBOX.blocks("Id=a\nActiveState=active\n\nId=b\nActiveState=x=y\n") == [
        {"Id": "a", "ActiveState": "active"},
        {"Id": "b", "ActiveState": "x=y"},
    ]
    assert SANDBOX.blocks("") == []
