"""Times of tasks add up to the time of the run, whatever Ansible did."""

import json

import pytest

from benchmarks.times import START, by_role, parse, slowest


def event(time: float, **fields: str) -> str:
    return json.dumps({"time": time, **fields})


def task(time: float, name: str, role: str = "nginx", action: str = "ansible.builtin.template") -> str:
    return event(time, event="task", play="Configure", role=role, name=name, action=action)


def result(time: float, status: str) -> str:
    return event(time, event="result", status=status)


EVENTS = [
    task(101.0, "nginx : Write the pages"),
    result(102.0, "ok"),
    result(103.0, "changed"),
    task(103.5, "nginx : Check them", action="ansible.builtin.assert"),
    result(104.0, "ok"),
    task(104.0, "nginx : Take old ones away"),
    result(104.25, "skipped"),
    task(105.0, "Find the release", role="", action="ansible.builtin.find"),
    result(106.0, "ok"),
    event(106.5, event="end"),
]


def test_the_seconds_of_all_rows_are_the_seconds_of_the_run() -> None:
    tasks = parse(EVENTS, begin=100.0, end=107.0)
    assert [row.seconds for row in tasks] == [1.0, 2.5, 0.5, 1.0, 2.0]
    assert sum(row.seconds for row in tasks) == pytest.approx(7.0)
    assert tasks[0].name == START


def test_a_task_has_the_strongest_status_of_its_hosts() -> None:
    assert [row.status for row in parse(EVENTS, 100.0, 107.0)] == ["ok", "changed", "ok", "skipped", "ok"]


def test_the_controllers_own_work_and_skipped_tasks_reach_no_host() -> None:
    assert [row.name for row in parse(EVENTS, 100.0, 107.0) if row.reaches_hosts] == [
        "Write the pages",
        "Find the release",
    ]


def test_a_task_without_role_counts_for_its_play() -> None:
    assert by_role(parse(EVENTS, 100.0, 107.0)) == {START: 1.0, "nginx": 4.0, "Configure": 2.0}


def test_the_slowest_come_first() -> None:
    assert [row.name for row in slowest(parse(EVENTS, 100.0, 107.0), 2)] == ["Write the pages", "Find the release"]


def test_a_run_that_ended_before_its_first_task() -> None:
    assert [(row.name, row.seconds) for row in parse([], 100.0, 104.0)] == [(START, 4.0)]
