"""How long `scripts/validate-inventory` takes for a fleet, and how much memory. Run it with benchmarks/validate.

It writes a fleet of right entries into a temporary folder, validates it, puts one wrong entry among them and validates
again: the wrong one has to be found, by its line.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from meentwerk.exits import Exit

ENTRY = """\
---
mastodon_instances:
  hosts:
    department-{number}:
      ansible_host: {address}
      instance_domain: department-{number}.example.org
      instance_web_domain: social.department-{number}.example.org
      instance_organisation:
        name: Department {number}
        register_id: https://register.example.org/organisations/{number}
      instance_contact:
        name: Webcare team
        email: webcare@department-{number}.example.org
      instance_size: {size}
      instance_languages: [nl, en]
      instance_rules:
        - text: Be kind to people who disagree.
          hint: Attack the idea as much as you like.
"""
SIZES = ("small", "medium", "large")


def write_fleet(folder: Path, entries: int) -> None:
    """Write a fleet of right entries, one file each."""
    (folder / "departments").mkdir(parents=True)
    (folder / "group_vars").mkdir()
    (folder / "group_vars/all.yml").write_text("---\nmeentwerk_environment: example\n")
    for number in range(entries):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        text = ENTRY.format(number=number, address=address, size=SIZES[number % len(SIZES)])
        (folder / f"departments/department-{number}.yml").write_text(text)


def measure(folder: Path) -> tuple[float, float, subprocess.CompletedProcess[str]]:
    """Validate a fleet; return seconds, peak memory in MiB, and what was printed."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "meentwerk.cli", "inventory", "validate", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    output, errors = process.communicate()
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return seconds, peak, subprocess.CompletedProcess([], process.returncode, output, errors)


def main() -> int:
    """Measure, print a table, and fail when the wrong entry is not found where it is."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/validate",
        description="How long scripts/validate-inventory takes for a fleet, and how much memory.",
    )
    parser.add_argument("entries", nargs="*", type=int, default=[12, 400, 1600], help="sizes of fleets (12 400 1600)")
    options = parser.parse_args()
    # the peak is that of the largest run so far: fleets are measured from small to large
    print(f"{'entries':>8}  {'seconds':>8}  {'MiB':>6}  result")
    with tempfile.TemporaryDirectory() as place:
        for entries in sorted(options.entries):
            folder = Path(place) / str(entries)
            write_fleet(folder, entries)
            seconds, peak, done = measure(folder)
            print(f"{entries:>8}  {seconds:>8.2f}  {peak:>6.0f}  {(done.stdout or done.stderr).strip()}")
            if done.returncode:
                return 1
            wrong = folder / f"departments/department-{entries // 2}.yml"
            text = wrong.read_text()
            wrong.write_text(text.replace("instance_size: ", "instance_size: x"))
            line = next(number for number, row in enumerate(text.splitlines(), 1) if "instance_size" in row)
            seconds, peak, done = measure(folder)
            found = f"{wrong}:{line}:" in done.stdout and done.returncode == Exit.USAGE
            first = done.stdout.strip().splitlines()[0] if done.stdout else ""
            print(f"{entries:>8}  {seconds:>8.2f}  {peak:>6.0f}  {os.path.relpath(first, folder)}")
            if not found:
                print(f"the wrong entry in {wrong.name}, line {line}, was not found", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
