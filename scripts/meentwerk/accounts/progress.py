"""How far a long run is: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from meentwerk.console import note, stderr

EVERY = 15.0  # seconds between two lines in a log


class Shown:
    """Counts to a total."""

    def __init__(self, what: str, total: int, bar: Progress | None) -> None:
        self._what, self._total, self._done, self._bar = what, total, 0, bar
        self._task = bar.add_task(what, total=total) if bar else None
        self._told = time.monotonic()

    def advance(self, number: int = 1) -> None:
        """Say that `number` more are done."""
        self._done += number
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, number)
        elif self._done == self._total or time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            note(f"{self._what}: {self._done} of {self._total}")


@contextmanager
def counting(what: str, total: int) -> Iterator[Shown]:
    """Show progress of `what` while the block runs."""
    console = stderr()
    if not console.is_terminal:
        yield Shown(what, total, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield Shown(what, total, bar)
