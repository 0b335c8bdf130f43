"""Run the site playbook five times and kill it, with kill -9, at a task drawn at random; each time somewhere later."""

import os
import random
import subprocess
import sys

sys.path.insert(0, os.environ["MOLECULE_PROJECT_DIRECTORY"])

from tests.ending import kill_all

RUNS = 5
# The site has some 135 tasks, also where most is done; each run may go this much further than the one before
TASKS_FURTHER = 24


def run_and_kill(target: int) -> str:
    """Kill the playbook and all its children when it begins its task number `target`; returns that task's line."""
    environment = dict(os.environ, ANSIBLE_NOCOLOR="1", PYTHONUNBUFFERED="1")
    scenario = os.environ["MOLECULE_SCENARIO_DIRECTORY"]
    process = subprocess.Popen(
        ["ansible-playbook", "--inventory", os.environ["MOLECULE_HOSTS"], f"{scenario}/converge.yml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdout
    tasks, line = 0, ""
    for line in process.stdout:
        tasks += line.startswith(("TASK [", "RUNNING HANDLER ["))
        if tasks >= target:
            kill_all(process)
            break
    else:
        sys.exit(f"the playbook ended by itself after {tasks} tasks, with code {process.wait()}")
    return line.strip()


def main() -> None:
    """Draw the tasks and run."""
    seed = int(os.environ.get("MEENTWERK_KILL_SEED", random.SystemRandom().randrange(10**6)))
    draw = random.Random(seed)
    print(f"MEENTWERK_KILL_SEED={seed} repeats this run")
    for number in range(RUNS):
        target = draw.randint(number * TASKS_FURTHER + 1, (number + 1) * TASKS_FURTHER)
        print(f"killed at task {target}: {run_and_kill(target)}", flush=True)


if __name__ == "__main__":
    main()
