"""`python3 -m builder WORK STAGE [IDENTIFIER]`: do one stage of the build that WORK/kit/plan.json describes.

Prints one line of JSON: {"stage", "changed", "seconds"}. A stage that was finished with the same inputs is not done
again.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from . import stages
from .bench import Bench
from .errors import BuildError
from .plan import Plan

USAGE = 2
ARGUMENTS = 3


def main(arguments: list[str]) -> int:
    """Do one stage; exit code 1 with cause and cure on stderr when it cannot be done."""
    if len(arguments) not in {ARGUMENTS, ARGUMENTS + 1} or arguments[2] not in stages.STAGES:
        sys.stderr.write(f"usage: python3 -m builder WORK {'|'.join(stages.STAGES)} [IDENTIFIER]\n")
        return USAGE
    work, name = Path(arguments[1]), arguments[2]
    begin = time.monotonic()
    try:
        changed = stages.perform(
            Bench(work, replace(Plan.read(work / "kit/plan.json"), identifier="".join(arguments[3:]))), name
        )
    except BuildError as error:
        sys.stderr.write(f"{error.message}\n{error.cure}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{name}: {error}\nIs the builder's disk full, or its work folder {work} not writable?\n")
        return 1
    sys.stdout.write(
        json.dumps({"stage": name, "changed": changed, "seconds": round(time.monotonic() - begin, 1)}) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
