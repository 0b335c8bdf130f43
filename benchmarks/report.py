"""The result of a measurement as a file, and the part of docs/performance.md that is made from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from meentwerk.errors import UsageError
from pydantic import BaseModel, ConfigDict

from benchmarks.times import Task, by_role, slowest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
PAGE = ROOT / "docs/performance.md"
BEGIN = "<!-- begin: written by benchmarks/provision from its newest result -->"
END = "<!-- end: written by benchmarks/provision -->"
SHOWN_TASKS = 15


class Run(BaseModel):
    """One run of the site playbook over `hosts` hosts; seconds are on the clock unless they say processor."""

    model_config = ConfigDict(frozen=True)

    hosts: int
    seconds: float
    controller_cpu: float
    host_cpu: float
    rounds: int
    tasks: list[Task]

    @property
    def done(self) -> int:
        """How many tasks did something, also if only to look; skipped ones do not count."""
        return sum(task.status != "skipped" for task in self.tasks)


class Pair(BaseModel):
    """The first run over bare hosts, and one right after it that has nothing to change."""

    model_config = ConfigDict(frozen=True)

    first: Run
    again: Run


class Result(BaseModel):
    """One measurement, with what has to be known to compare it with another."""

    model_config = ConfigDict(frozen=True)

    date: str
    """Begin, in UTC."""
    commit: str
    versions: dict[str, str]
    processors: int
    memory_mb: int
    load: float
    """Processes that wanted to run in the minute before: well below 1, or the machine was busy with something else."""
    packages: int
    """Debian packages that a run brings to a bare host."""
    floor_seconds: float
    floor_cpu: float
    one: Pair
    several: Pair | None = None

    @property
    def name(self) -> str:
        """The name of the result's file."""
        return f"provision-{self.date.replace(':', '').replace('-', '')}.json"

    @property
    def first_by_floor(self) -> float:
        """The first run on one host, in floors."""
        return self.one.first.seconds / self.floor_seconds

    @property
    def again_by_first(self) -> float:
        """A run without changes, as a part of the first run."""
        return self.one.again.seconds / self.one.first.seconds

    def further(self, one: Run, several: Run) -> float:
        """Return what each host beyond the first added, in seconds."""
        return (several.seconds - one.seconds) / (several.hosts - one.hosts)


def save(result: Result, folder: Path) -> Path:
    """Write a result to its file and return it; seconds are kept to the hundredth."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / result.name
    text = Result.model_validate(_rounded(result.model_dump())).model_dump_json(indent=1)
    path.write_text(text + "\n")
    return path


def _rounded(value: object) -> object:
    match value:
        case float():
            return round(value, 2)
        case dict():
            return {key: _rounded(part) for key, part in value.items()}
        case list():
            return [_rounded(part) for part in value]
        case _:
            return value


def newest(folder: Path = RESULTS) -> Result:
    """Read the youngest result."""
    paths = sorted(folder.glob("provision-*.json"))
    if not paths:
        raise UsageError(f"{folder} holds no result yet", cure="make one: benchmarks/provision")
    return Result.model_validate_json(paths[-1].read_text())


def page(text: str, result: Result) -> str:
    """Return docs/performance.md with the generated part made from a result."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(
            f"{PAGE.relative_to(ROOT)} lost the marks of its generated part", cure=f"put back: {BEGIN} {END}"
        )
    return "\n".join([before + BEGIN, "", *_lines(result), END + after])


def _lines(result: Result) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    yield (
        f"Measured on {result.date[:10]} at commit `{result.commit}`: {result.processors} processors for the "
        f"controller and the hosts together, {result.memory_mb // 1000} GB of memory, {versions}. "
        f"A run brings {result.packages} Debian packages to a bare host."
    )
    yield ""
    yield from _summary(result)
    yield ""
    yield "Seconds by role:"
    yield ""
    yield from _roles(result)
    for title, run in (("The first run's", result.one.first), ("The second run's", result.one.again)):
        yield ""
        yield f"{title} slowest tasks, on one host:"
        yield ""
        yield from _table(
            ("Role", "Task", "Seconds"),
            [(task.role, task.name, f"{task.seconds:.1f}") for task in slowest(run.tasks, SHOWN_TASKS)],
        )
    yield ""


def _summary(result: Result) -> Iterator[str]:
    one, several = result.one, result.several
    rows: list[Sequence[str]] = [
        ("Floor", f"{result.floor_seconds:.0f} s"),
        ("First run", f"{one.first.seconds:.0f} s"),
        ("**First run, times the floor**", f"**{result.first_by_floor:.2f}**"),
        ("Second run, nothing to change", f"{one.again.seconds:.0f} s"),
        ("**Second run, part of the first**", f"**{result.again_by_first:.2f}**"),
        *_counts("first", one.first),
        *_counts("second", one.again),
    ]
    columns = ["", "1 host"]
    if several:
        first, again = result.further(one.first, several.first), result.further(one.again, several.again)
        more: list[Sequence[str]] = [
            ("", ""),
            (f"{several.first.seconds:.0f} s", f"{first:.0f} s"),
            ("", f"**{first / one.first.seconds:.2f} of the first**"),
            (f"{several.again.seconds:.0f} s", f"{again:.0f} s"),
            (
                f"{several.again.seconds / several.first.seconds:.2f}",
                f"**{again / one.again.seconds:.2f} of the first**",
            ),
            *((cells[1], "") for cells in _counts("first", several.first)),
            *((cells[1], "") for cells in _counts("second", several.again)),
        ]
        columns += [f"{several.first.hosts} hosts", "each further host"]
        rows = [(*row, *extra) for row, extra in zip(rows, more, strict=True)]
    yield from _table(columns, rows)


def _counts(which: str, run: Run) -> list[tuple[str, str]]:
    return [
        (f"Tasks of the {which} run that were not skipped", str(run.done)),
        (f"Commands the hosts were sent in the {which} run", str(run.rounds)),
        (f"Processor seconds of the {which} run: controller, hosts", f"{run.controller_cpu:.0f}, {run.host_cpu:.0f}"),
    ]


def _roles(result: Result) -> Iterator[str]:
    pairs = [result.one] + ([result.several] if result.several else [])
    runs = [run for pair in pairs for run in (pair.first, pair.again)]
    sums = [by_role(run.tasks) for run in runs]
    columns = [
        f"{word}, {run.hosts} host{'s'[: run.hosts > 1]}"
        for run, word in zip(runs, ["first", "second"] * 2, strict=False)
    ]
    names = list(dict.fromkeys(name for each in sums for name in each))
    yield from _table(
        ("Role or play", *columns), [(name, *(f"{each.get(name, 0.0):.1f}" for each in sums)) for name in names]
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + " --- |" * len(columns)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
