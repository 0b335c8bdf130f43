"""What can be decided without a host: what is due, what belongs to a moment, what stands against a restore."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from meentwerk_backup import pgbackrest, plan, record, restic, restore
from meentwerk_backup.tools import BackupError, Config

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
RELEASE = "sandbox-1.2.0.g0123456789ab-debian13-amd64"


def made(kind: str, hours: float) -> dict[str, Any]:
    return {"type": kind, "label": f"{kind}-{hours}", "timestamp": {"stop": (NOW - timedelta(hours=hours)).timestamp()}}


DUE = {
    "nothing yet": ([], False, "full"),
    "young": ([made("full", 2)], False, ""),
    "young and asked for": ([made("full", 2)], True, "incr"),
    "a day": ([made("full", 25)], False, "diff"),
    "a day since the last diff": ([made("full", 60), made("diff", 25)], False, "diff"),
    "an incr does not count": ([made("full", 30), made("incr", 1)], False, "diff"),
    "a week": ([made("full", 24 * 8), made("diff", 1)], False, "full"),
    "a broken one does not count": ([{**made("full", 1), "error": True}], False, "full"),
}


@pytest.mark.parametrize(("done", "forced", "kind"), DUE.values(), ids=DUE)
def test_what_is_due(done: list[dict[str, Any]], forced: bool, kind: str) -> None:
    assert pgbackrest.due({"backup": done}, NOW, 7, forced=forced) == kind


def test_the_end_of_the_archive() -> None:
    assert pgbackrest.archive_end({"archive": [{"max": "A"}, {"max": None}, {"max": "B"}]}) == "B"


def snapshot(moment: str, label: str = "") -> dict[str, Any]:
    return {"id": f"{moment}{label}", "time": moment, "tags": ["meentwerk", f"label={label}"]}


TIMES = [snapshot(f"2026-05-01T{hour:02}:00:00.123456789+02:00", f"l{hour}") for hour in (8, 9, 10)]


def test_moments_of_snapshots() -> None:
    assert restic.taken(TIMES[0]) == datetime(2026, 5, 1, 6, tzinfo=UTC)
    assert restic.taken({"time": "2026-05-01T06:00:00Z"}) == datetime(2026, 5, 1, 6, tzinfo=UTC)


def test_a_moment_takes_the_snapshots_around_it() -> None:
    target, before, after = plan._target(TIMES, "2026-05-01T09:30:00+02:00", "")
    assert target == {"kind": "time", "time": "2026-05-01 09:30:00.000000+0200"}
    assert (before["id"], after) == (TIMES[1]["id"], TIMES[2]["id"])
    assert plan._target(TIMES, "2026-05-01T11:00:00+02:00", "")[1:] == (TIMES[2], "")
    assert plan._target(TIMES, "2026-05-01T01:00:00+02:00", "")[1:] == (TIMES[0], "")
    assert plan._target(TIMES, "", "l9")[1] == TIMES[1]
    assert plan._target(TIMES, "", "")[0] == {"kind": "latest"}


@pytest.mark.parametrize("wrong", ["yesterday", "2026-13-01", "12:00"])
def test_what_is_no_moment(wrong: str) -> None:
    with pytest.raises(BackupError, match="is no moment"):
        plan.moment(wrong)


def test_an_unknown_label_names_the_known_ones() -> None:
    with pytest.raises(BackupError, match="The last ones are: l8, l9, l10"):
        plan._target(TIMES, "", "nothing")


def counted(rows: int, keys: str = "7") -> dict[str, Any]:
    return {"statuses": {"rows": rows, "last": 9, "keys": keys}}


def test_rows_that_came_back() -> None:
    was = counted(10)
    assert record.differences(was, counted(10), exact=True) == []
    assert record.differences(was, counted(8), exact=False) == [], "deleted since"
    (other,) = record.differences(was, counted(10, "8"), exact=True)
    assert "or other ones" in other
    (fewer,) = record.differences(was, counted(9, "5"), exact=True)
    assert "10 rows were recorded, 9 came back" in fewer
    assert record.differences(was, counted(11), exact=False)
    assert record.differences(was, {}, exact=False) == ["the table statuses is missing"]


@pytest.fixture
def note(config: Config) -> dict[str, Any]:
    """A record that fits the host of `config`."""
    config.environment_file.write_text("".join(f'{name.upper()}="v-{name}"\n' for name in record.COLUMN_KEYS))
    (config.releases / "releases" / RELEASE).mkdir(parents=True)
    marks = {name: hashlib.sha256(f"s:{name}:v-{name}".encode()).hexdigest() for name in record.COLUMN_KEYS}
    return {
        "format": 1,
        "instance": "tides",
        "domain": "tides.example.org",
        "release": RELEASE,
        "salt": "s",
        "fingerprints": marks,
    }


def stands_against(config: Config, note: dict[str, Any]) -> list[str]:
    config.data.parent.mkdir(exist_ok=True)
    return plan.problems(config, {"record": note, "database": {"bytes": 1}})


def test_nothing_stands_against_the_own_backup(config: Config, note: dict[str, Any]) -> None:
    assert stands_against(config, note) == []
    older = RELEASE.replace("1.2.0", "1.1.9")
    assert stands_against(config, {**note, "release": older}) == [], "an older one is brought up to the release"


FOREIGN = {
    "another domain": ({"domain": "other.example.org"}, "only ever comes back to its own instance"),
    "another instance": ({"instance": "other"}, "only ever comes back to its own instance"),
    "newer release": ({"release": RELEASE.replace("1.2.0", "1.10.0")}, "is older: deploy that release"),
    "another application": ({"release": RELEASE.replace("sandbox", "mastodon")}, "is another application"),
    "another format": ({"format": 2}, "which this version does not know"),
    "other keys": ({"salt": "t"}, "this host has other keys than the backup was made with"),
}


@pytest.mark.parametrize(("change", "words"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_backup(config: Config, note: dict[str, Any], change: dict[str, Any], words: str) -> None:
    (problem,) = stands_against(config, {**note, **change})
    assert words in problem


def test_too_little_room(config: Config, note: dict[str, Any]) -> None:
    (problem,) = plan.problems(config, {"record": note, "database": {"bytes": 10**18}})
    assert "beside the present one" in problem


def test_the_environment_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text('# a comment\nA="plain"\nB="with \\"quotes\\" and \\$"\nC="two\nlines"\n')
    assert record.environment(path) == {"A": "plain", "B": 'with "quotes" and $', "C": "two\nlines"}
    assert record.environment(tmp_path / "none") == {}


def test_places_are_exchanged_and_the_first_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "main"
    for name, content in (("main", "first"), ("main.restoring", "second")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(content)
    restore._exchange(place)
    (tmp_path / "main.restoring").mkdir()
    restore._exchange(place)
    assert (tmp_path / "main.before-restore/x").read_text() == "first"
    assert sorted(it.name for it in tmp_path.iterdir()) == ["main", "main.before-restore"]
    # Cut off between the two renames: nothing stands there, and the next run puts it there
    place.rename(tmp_path / "main.restoring")
    restore._exchange(place)
    assert place.is_dir()


ENDS = 'LOG:  restored log file "000000010000000000000005" from archive\n'
COMPLETE = {
    "whole": ("000000010000000000000005", True),
    "one file short": ("000000010000000000000006", False),
    "nothing archived": ("", True),
}


@pytest.mark.parametrize(("end", "fine"), COMPLETE.values(), ids=COMPLETE)
def test_the_archive_has_to_be_used_to_its_end(end: str, fine: bool) -> None:
    answer = {"archive": [{"max": end}]}
    latest = {"target": {"kind": "latest"}}
    if fine:
        restore._complete(answer, latest, ENDS)
    else:
        with pytest.raises(BackupError, match="in between is missing"):
            restore._complete(answer, latest, ENDS)
    restore._complete(answer, {"target": {"kind": "time"}}, ENDS)


def test_why_recovery_ended() -> None:
    words = "FATAL:  the database system is starting up\nFATAL:  recovery ended before configured recovery target\n"
    assert "The archive ends before the moment asked for" in restore._why(words)
    damaged = (
        'FATAL:  could not restore file "000000010000000000000005" from archive: child process exited with code 200'
    )
    assert "in the archive is damaged" in restore._why(damaged)
    assert "invalid checkpoint record" in restore._why("PANIC\nFATAL:  invalid checkpoint record\n")


def test_the_summary_is_found_among_words() -> None:
    output = 'verifying\n{"message_type":"status"}\n[1]\n{"message_type":"summary","total_files":3}\ndone\n'
    assert restic._summary(output)["total_files"] == 3
    assert restic._summary("nothing\n") == {}


LIMIT = "unable to open file: libssh2 error [-31]: sftp error [4] failure"


def rounds(monkeypatch: pytest.MonkeyPatch, stage: Path, brings: list[int], message: str) -> list[str]:
    """Let pgBackRest bring so many files in each round and then stop with an error, but for the last."""
    seen: list[str] = []

    def call(_config: Config, _repository: object, command: str, *_options: str, **_: object) -> str:
        number = len(seen)
        seen.append(command)
        for file in range(brings[number]):
            (stage / f"{number}-{file}").write_text("x")
        if number < len(brings) - 1:
            raise BackupError(message)
        return ""

    monkeypatch.setattr(pgbackrest, "call", call)
    return seen


def test_a_restore_by_sftp_goes_on_where_it_was_stopped(
    monkeypatch: pytest.MonkeyPatch, config: Config, tmp_path: Path
) -> None:
    seen = rounds(monkeypatch, tmp_path, [5, 5, 1], LIMIT)
    pgbackrest.restore(config, config.repositories[0], tmp_path, [])
    assert seen == ["restore"] * 3


@pytest.mark.parametrize(("brings", "message"), [([5, 0, 1], LIMIT), ([5, 1], "checksum does not match")])
def test_and_ends_where_no_round_helps(
    monkeypatch: pytest.MonkeyPatch, config: Config, tmp_path: Path, brings: list[int], message: str
) -> None:
    rounds(monkeypatch, tmp_path, brings, message)
    with pytest.raises(BackupError):
        pgbackrest.restore(config, config.repositories[0], tmp_path, [])


def test_the_timeline_of_a_backup_needs_no_history() -> None:
    base = {"archive": {"start": "0000000A0000000000000003"}}
    assert pgbackrest.timeline(base, 10) == "current"
    assert pgbackrest.timeline(base, 11) == "11"
