"""Callback: prints one JSON document with what a run would change or could not do, for playbooks/check.yml."""

import json
from typing import Any

from ansible.plugins.callback import CallbackBase  # type: ignore[import-untyped]

DOCUMENTATION = r"""
name: drift
type: stdout
short_description: Print what a run would change
description:
  - Prints one JSON object at the end, {tasks, reached, drift}. Of each task that changed something or failed it has
    host, role, name, tags and, of a failure, the message; never contents or differences, which may hold secrets.
author: Meentwerk contributors
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Ansible finds a callback by this name."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "drift"

    def __init__(self) -> None:
        super().__init__()
        self._drift: list[dict[str, Any]] = []
        self._tasks: list[dict[str, Any]] = []

    def _describe(self, task: Any) -> dict[str, Any]:  # noqa: ANN401  # Ansible's own object
        role = task._role.get_name() if task._role else ""  # the only way to it
        return {"role": role, "task": task.get_name().partition(" : ")[2] or task.get_name(), "tags": sorted(task.tags)}

    def _record(self, result: Any, kind: str, message: str = "") -> None:  # noqa: ANN401
        host = result._host.get_name()
        self._drift.append({"host": host, "kind": kind, "message": message, **self._describe(result._task)})

    def v2_runner_on_ok(self, result: Any) -> None:  # noqa: ANN401
        """Remember which rules a host has kept, and what would change on it."""
        self._tasks.append({"host": result._host.get_name(), **self._describe(result._task)})
        if result.is_changed():
            self._record(result, "changed")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ANN401
        """Remember what failed, unless the playbook does not mind."""
        if not ignore_errors:
            # no_log has taken the message away where it could hold a secret
            self._record(result, "failed", str(result._result.get("msg", ""))[:500])

    def v2_runner_on_unreachable(self, result: Any) -> None:  # noqa: ANN401
        """Remember a host that did not answer."""
        self._record(result, "unreachable", str(result._result.get("msg", ""))[:500])

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ANN401
        """Print everything."""
        document = {"reached": sorted(stats.processed), "tasks": self._tasks, "drift": self._drift}
        self._display.display(json.dumps(document))
