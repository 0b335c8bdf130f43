"""What is written of a measurement: its file, and the page."""

from pathlib import Path

import pytest
from meentwerk.errors import UsageError

from benchmarks import report
from benchmarks.report import BEGIN, END, Pair, Result, Run
from benchmarks.times import Task


def run(hosts: int, seconds: float) -> Run:
    tasks = [
        Task(role="base", name="Install packages", seconds=seconds / 2, status="changed", reaches_hosts=True),
        Task(role="nginx", name="Serve a | b", seconds=seconds / 4, status="ok", reaches_hosts=True),
        Task(role="nginx", name="Nothing", seconds=seconds / 4, status="skipped", reaches_hosts=False),
    ]
    return Run(hosts=hosts, seconds=seconds, controller_cpu=3.14159, host_cpu=20.0, rounds=50 * hosts, tasks=tasks)


def make(several: Pair | None = None, date: str = "2026-11-24T19:05:00Z") -> Result:
    return Result(
        date=date,
        commit="0123abc",
        versions={"ansible-core": "2.19.14", "Debian": "13.2"},
        processors=2,
        memory_mb=8123,
        load=0.1,
        packages=120,
        floor_seconds=40.0,
        floor_cpu=35.0,
        one=Pair(first=run(1, 60.0), again=run(1, 24.0)),
        several=several,
    )


FOUR = Pair(first=run(4, 120.0), again=run(4, 48.0))
PAGE = f"# Performance\n\nAbove.\n\n{BEGIN}\nold\n{END}\n\nBelow.\n"


def test_ratios() -> None:
    result = make(FOUR)
    assert result.first_by_floor == pytest.approx(1.5)
    assert result.again_by_first == pytest.approx(0.4)
    assert result.further(result.one.first, FOUR.first) == pytest.approx(20.0)


def test_skipped_tasks_are_not_counted() -> None:
    assert run(1, 60.0).done == 2


def test_the_file_gives_back_what_was_measured(tmp_path: Path) -> None:
    path = report.save(make(FOUR), tmp_path)
    assert path.name == "provision-20261124T190500Z.json"
    kept = report.newest(tmp_path)
    assert kept.one.first.controller_cpu == 3.14
    assert kept.model_copy(update={"one": make().one, "several": FOUR}) == make(FOUR)


def test_the_newest_of_several_files_counts(tmp_path: Path) -> None:
    for date in ("2026-11-24T19:05:00Z", "2026-12-01T08:00:00Z", "2026-11-30T23:59:59Z"):
        report.save(make(date=date), tmp_path)
    assert report.newest(tmp_path).date == "2026-12-01T08:00:00Z"


def test_without_a_result_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        report.newest(tmp_path)
    assert "benchmarks/provision" in caught.value.cure


def test_the_page_keeps_what_people_wrote() -> None:
    text = report.page(PAGE, make(FOUR))
    assert text.startswith("# Performance\n\nAbove.\n\n")
    assert text.endswith("\n\nBelow.\n")
    assert "old" not in text
    assert report.page(text, make(FOUR)) == text


def test_the_page_has_ratios_roles_and_tasks() -> None:
    lines = report.page(PAGE, make(FOUR)).splitlines()
    assert "| **First run, times the floor** | **1.50** |  | **0.33 of the first** |" in lines
    assert "| Role or play | first, 1 host | second, 1 host | first, 4 hosts | second, 4 hosts |" in lines
    assert "| nginx | 30.0 | 12.0 | 60.0 | 24.0 |" in lines
    assert "| nginx | Serve a \\| b | 15.0 |" in lines


def test_every_table_has_as_many_cells_in_each_row() -> None:
    for result in (make(), make(FOUR)):
        block: set[int] = set()
        for line in [*report.page(PAGE, result).replace("\\|", "").splitlines(), ""]:
            if line.startswith("|"):
                block.add(line.count("|"))
            else:
                assert len(block) <= 1
                block = set()


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(UsageError):
        report.page("# Performance\n", make())


def test_the_page_is_fresh() -> None:
    assert report.page(report.PAGE.read_text(), report.newest()) == report.PAGE.read_text(), (
        "docs/performance.md is not that of the newest result: run benchmarks/provision --page and commit it"
    )
