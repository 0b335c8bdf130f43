"""The stages of a build, in their order, and which of them are done."""

import shutil
from collections.abc import Callable

from . import gems, modules, source, tools
from .assets import compile_all
from .bench import Bench
from .export import export
from .host import prepare
from .trim import trim
from .warm import warm

STAGES: dict[str, Callable[[Bench], None]] = {
    "host": prepare,
    "source": source.fetch,
    "tools": tools.fetch,
    "gems": gems.install,
    "modules": modules.install,
    "assets": compile_all,
    "trim": trim,
    "warm": warm,
    "export": export,
}
# Looks at the host every time: memory, disk and packages may have changed since
_ALWAYS = "host"


def perform(bench: Bench, name: str) -> bool:
    """Do a stage unless it was finished with the same inputs; false when there was nothing to do."""
    done = bench.work / "done"
    inputs = bench.work / "inputs"
    # A build that was finished is not gone on with: whoever asks again wants to see it made again
    finished = name == _ALWAYS and (done / "export").exists()
    if finished or not inputs.is_file() or inputs.read_text(encoding="utf-8") != bench.plan.inputs:
        # What was downloaded stays: each piece is checked before it is used
        for folder in (bench.app, bench.tools, bench.home, done, bench.work / "out", bench.work / "logs"):
            shutil.rmtree(folder, ignore_errors=True)
        inputs.write_text(bench.plan.inputs, encoding="utf-8")
    done.mkdir(exist_ok=True)
    marker = done / name
    if name != _ALWAYS:
        if marker.exists():
            return False
        order = list(STAGES)
        for later in order[order.index(name) :]:
            (done / later).unlink(missing_ok=True)
    STAGES[name](bench)
    marker.touch()
    return True
