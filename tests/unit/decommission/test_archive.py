"""What the module writes, the command verifies; nothing of others and nothing secret gets in."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from meentwerk import archive
from meentwerk.cli import run
from meentwerk.errors import UsageError
from meentwerk.exits import Exit

from tests.plugins import load

MODULE = load("plugins/modules/meentwerk_archive.py")
VALUES = {"LOCAL_DOMAIN": "tides.example.org", "DB_HOST": "/run/postgresql", "DB_PASS": 'a"b'}


class Rows:
    """A database that holds two posts, each on its line."""

    def kinds(self) -> list[str]:
        return ["posts"]

    def write(self, statement: str, file: Path) -> int:
        assert "FROM statuses t" in statement
        return file.write_text('{"id": 1}\n{"id": 2}\n').bit_length()

    def ask(self, statement: str) -> str:
        return "2" if statement.startswith("SELECT count") else ""


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    for name in ("media_attachments/files/1.jpg", "accounts/avatars/2.jpg", "cache/accounts/3.jpg", "x/cache/4.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes(name.encode() * 1000)
    (folder / "leak").symlink_to("/etc/passwd")
    return folder


@pytest.fixture
def made(tmp_path: Path, media: Path) -> Path:
    path = tmp_path / "tides.tar"
    MODULE.write(path, VALUES, Rows(), media, direct=True)
    return path


def test_it_is_whole(made: Path) -> None:
    manifest, problems = archive.read(made)
    assert problems == []
    assert manifest["domain"] == "tides.example.org"
    assert manifest["counts"]["media_files"] == 3
    assert sorted(manifest["files"]) == [
        "media/accounts/avatars/2.jpg",
        "media/media_attachments/files/1.jpg",
        "media/x/cache/4.jpg",
        "posts.jsonl",
    ], "no copy of other servers' media, and nothing that a link leads to"
    assert made.stat().st_mode & 0o077 == 0
    assert run(["archive", "verify", str(made)]) == Exit.DONE


def test_media_alone_count_what_would_be_in_it(media: Path) -> None:
    assert MODULE.count(Rows(), media, direct=True)["media_files"] == 3


def flip(content: bytes) -> bytes:
    place = content.index(b"accounts/avatars/2.jpgaccounts")
    return content[: place + 500] + b"X" + content[place + 501 :]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[: len(content) // 2], "is missing: the file was cut off"),
        (lambda content: content[: content.rindex(b"}") - 50], "cannot be read"),
        (flip, "was changed"),
    ],
    ids=["in the middle", "in the manifest", "one byte"],
)
def test_damage_is_seen(made: Path, damage: Callable[[bytes], bytes], words: str) -> None:
    made.write_bytes(damage(made.read_bytes()))
    _, problems = archive.read(made)
    assert words in " ".join(problems)
    assert run(["archive", "verify", str(made)]) == Exit.FINDINGS


def test_additions_are_seen(made: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange.jsonl"
    strange.write_text("{}")
    with tarfile.open(made, "a") as tar:
        tar.add(strange, "strange.jsonl")
    _, problems = archive.read(made)
    assert problems == ["strange.jsonl is not in the manifest"]


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("nothing")
    for file in (text, tmp_path / "missing.tar"):
        with pytest.raises(UsageError):
            archive.read(file)


def test_it_reads_the_services_environment_as_the_role_writes_it() -> None:
    text = '# made\nLOCAL_DOMAIN="tides.example.org"\nDB_PASS="a\\"b\\$"\n'
    assert MODULE.environment(text) == {"LOCAL_DOMAIN": "tides.example.org", "DB_PASS": 'a"b$'}
    assert MODULE.libpq(VALUES) == {"PGHOST": "/run/postgresql", "PGPASSWORD": 'a"b'}


def test_no_column_holds_a_secret() -> None:
    columns = {column for kind in MODULE.KINDS.values() for column in kind.columns.split()}
    words = {word for column in columns for word in column.split("_")}
    assert not words & {"key", "token", "password", "email", "ip", "otp", "secret"}
    assert "users" not in {kind.table for kind in MODULE.KINDS.values()}


def test_posts_to_single_people_can_be_left_out() -> None:
    assert f"visibility <> {MODULE.DIRECT}" in MODULE.query("posts", direct=False)
    assert "visibility <>" not in MODULE.query("posts", direct=True)
    for name in ("media", "edits", "quotes"):
        assert "NOT IN" in MODULE.query(name, direct=False)


def test_what_a_post_answers_boosts_or_quotes_is_named_by_its_address() -> None:
    """The other post may be another server's and not in the archive: its number alone would say nothing."""
    for name, links in (("posts", ("in_reply_to", "reblog_of")), ("quotes", ("quoted",))):
        question = MODULE.query(name, direct=True)
        for link in links:
            assert f"'{link}_uri'" in question


def test_a_full_disk_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(MODULE.ArchiveError, match="decommission_host_folder"):
        MODULE.enough_room(tmp_path, 1 << 62)


def test_what_is_unfinished_never_stands_in_the_place(tmp_path: Path, media: Path, made: Path) -> None:
    class Broken(Rows):
        def write(self, statement: str, file: Path) -> int:
            raise MODULE.ArchiveError(statement)

    before = made.read_bytes()
    with pytest.raises(MODULE.ArchiveError):
        MODULE.write(made, VALUES, Broken(), media, direct=True)
    assert made.read_bytes() == before


def test_json_for_programs(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["archive", "verify", str(made), "--json"]) == Exit.DONE
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["problems"] == []
    assert "files" not in answer
