"""From the events of the callback `task_times` to what each task and each role cost."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

START = "Start-up of ansible-playbook"
# Run by the controller alone: no round to a host, no python started there
CONTROLLER_ONLY = frozenset({
    "assert", "debug", "fail", "meta", "set_fact", "include_tasks", "import_tasks", "include_role", "include_vars",
    "validate_argument_spec", "add_host", "group_by",
})  # fmt: skip


class Task(BaseModel):
    """One task of a run; with several hosts, from its begin until the last host's result."""

    model_config = ConfigDict(frozen=True)

    role: str
    """Role, or the play's name where the task belongs to none."""
    name: str
    seconds: float
    status: str
    """changed, ok or skipped; the first of these that some host had."""
    reaches_hosts: bool
    """Whether it ran a module, and not only the controller's own work."""


def parse(lines: Iterable[str], begin: float, end: float) -> list[Task]:
    """Read the events between two moments (seconds since 1970), so that the tasks' seconds add up to their distance.

    The first row is what passed before the first task; what passed after the last result belongs to the last task.
    """
    events: list[Mapping[str, Any]] = [json.loads(line) for line in lines if line.strip()]
    begins = [index for index, event in enumerate(events) if event["event"] == "task"]
    first = events[begins[0]]["time"] if begins else end
    tasks = [Task(role="", name=START, seconds=first - begin, status="ok", reaches_hosts=False)]
    for index, following in zip(begins, [*begins[1:], None], strict=False):
        event = events[index]
        until = end if following is None else events[following]["time"]
        statuses = {result["status"] for result in events[index:following] if result["event"] == "result"}
        status = next((name for name in ("failed", "changed", "ok") if name in statuses), "skipped")
        tasks.append(
            Task(
                role=event["role"] or event["play"],
                name=event["name"].removeprefix(f"{event['role']} : "),
                seconds=until - event["time"],
                status=status,
                reaches_hosts=status != "skipped" and event["action"].rpartition(".")[2] not in CONTROLLER_ONLY,
            )
        )
    return tasks


def by_role(tasks: Sequence[Task]) -> dict[str, float]:
    """Add the seconds up by role, in the order in which the roles first appear."""
    sums: dict[str, float] = {}
    for task in tasks:
        sums[task.role or task.name] = sums.get(task.role or task.name, 0.0) + task.seconds
    return sums


def slowest(tasks: Sequence[Task], most: int) -> list[Task]:
    """Return the tasks that took longest, the longest first."""
    return sorted(tasks, key=lambda task: -task.seconds)[:most]
