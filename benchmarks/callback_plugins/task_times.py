"""Callback: writes when each task began and how it ended on each host, as JSON lines for benchmarks/times.py."""

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase  # type: ignore[import-untyped]

DOCUMENTATION = r"""
name: task_times
type: aggregate
short_description: Record the time of every task
description:
  - Writes one JSON object a line to the file that the environment variable BENCHMARK_EVENTS names.
requirements: [enable in configuration]
author: Meentwerk contributors
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Ansible finds a callback by this name."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_times"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file = Path(os.environ["BENCHMARK_EVENTS"]).open("w", encoding="utf-8")  # noqa: SIM115  open to the end
        self._play = ""

    def _write(self, **event: object) -> None:
        self._file.write(json.dumps({"time": time.time(), **event}) + "\n")
        self._file.flush()

    def _task(self, task: Any) -> None:  # noqa: ANN401  # Ansible's own object
        role = task._role.get_name() if task._role else ""  # the only way to it
        self._write(event="task", play=self._play, role=role, name=task.get_name(), action=task.action)

    def v2_playbook_on_play_start(self, play: Any) -> None:  # noqa: ANN401
        """Remember the play: a task does not name it."""
        self._play = play.get_name()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ANN401
        """Record that a task begins."""
        self._task(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:  # noqa: ANN401
        """Record that a handler begins."""
        self._task(task)

    def v2_runner_on_ok(self, result: Any) -> None:  # noqa: ANN401
        """Record a task that ran."""
        self._write(event="result", status="changed" if result.is_changed() else "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:  # noqa: ANN401
        """Record a task that had nothing to do."""
        self._write(event="result", status="skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ANN401
        """Record a failure."""
        self._write(event="result", status="failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:  # noqa: ANN401
        """Record a host that did not answer."""
        self._write(event="result", status="failed")

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ANN401
        """Record the end."""
        self._write(event="end")
