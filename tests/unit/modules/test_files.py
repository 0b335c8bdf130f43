"""The module meentwerk_files, run as Ansible runs it, on a folder of this machine."""

import grp
import json
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args  # type: ignore[import-untyped]

from tests.plugins import load

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


MODULE = load("plugins/modules/meentwerk_files.py")


class Files:
    """Runs the module on lists of paths below a folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def __call__(self, *entries: dict[str, Any], check: bool = False) -> dict[str, Any]:
        """Run it; paths are relative to the folder. Returns the result, its paths relative again."""
        files = [{**ME, **entry, "path": str(self.folder / entry["path"])} for entry in entries]
        arguments = {"files": files, "_ansible_check_mode": check, "_ansible_remote_tmp": str(self.folder / ".tmp")}
        before = os.umask(0o022)
        try:
            with patch_module_args(arguments), pytest.raises(SystemExit):
                MODULE.main()
        finally:
            os.umask(before)
        result: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        result["written"] = [str(Path(path).relative_to(self.folder)) for path in result["written"]]
        return result

    def mode(self, path: str) -> str:
        return oct(stat.S_IMODE((self.folder / path).lstat().st_mode))


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    return Files(tmp_path, capsys)


TREE = (
    {"path": "etc/unit.d", "state": "directory"},
    {"path": "etc/unit.d/own.conf", "content": "[Unit]\nDescription=é\n"},
    {"path": "secret", "content": "x", "mode": "0600"},
    {"path": "keys", "state": "directory", "mode": "2750"},
    {"path": "locale", "state": "link", "target": "etc/unit.d/own.conf"},
    {"path": "gone", "state": "absent"},
)


def test_a_second_run_changes_nothing(files: Files) -> None:
    first = files(*TREE)
    assert first["changed"]
    assert first["written"] == ["etc/unit.d", "etc/unit.d/own.conf", "secret", "keys", "locale"]
    assert (files.folder / "locale").read_text() == "[Unit]\nDescription=é\n"
    modes = [files.mode(path) for path in ("etc", "etc/unit.d", "etc/unit.d/own.conf", "secret", "keys")]
    assert modes == ["0o755", "0o755", "0o644", "0o600", "0o2750"]
    second = files(*TREE)
    assert not second["changed"]
    assert second["written"] == []


def test_check_mode_tells_the_same_and_touches_nothing(files: Files) -> None:
    told = files(*TREE, check=True)
    assert not [path for path in files.folder.iterdir() if path.name != ".tmp"]
    assert told["written"] == files(*TREE)["written"]
    assert not files(*TREE, check=True)["changed"]


def test_a_check_mode_asks_for_no_owner_that_is_not_there_yet(files: Files) -> None:
    assert files({"path": "x", "content": "x", "owner": "nobody-of-this-name"}, check=True)["changed"]


@pytest.mark.parametrize(
    ("entry", "harm"),
    [
        ({"path": "a", "content": "right\n"}, lambda path: path.write_text("wrong\n")),
        ({"path": "a", "content": "right\n", "mode": "0600"}, lambda path: path.chmod(0o644)),
        ({"path": "a", "content": "right\n"}, lambda path: (path.unlink(), path.symlink_to("/etc/hostname"))),
        ({"path": "a", "state": "link", "target": "b"}, lambda path: (path.unlink(), path.write_text("a file"))),
        ({"path": "a", "state": "link", "target": "b"}, lambda path: (path.unlink(), path.symlink_to("c"))),
        ({"path": "a", "state": "directory"}, lambda path: path.chmod(0o700)),
    ],
)
def test_what_somebody_changed_is_put_right(files: Files, entry: dict[str, Any], harm: Any) -> None:
    files(entry)
    harm(files.folder / "a")
    assert files(entry, check=True)["written"] == ["a"]
    assert files(entry)["written"] == ["a"]
    assert not files(entry)["changed"]


def test_a_link_is_replaced_and_not_followed(files: Files) -> None:
    (files.folder / "outside").write_text("precious\n")
    (files.folder / "a").symlink_to("outside")
    files({"path": "a", "content": "new\n"})
    assert (files.folder / "outside").read_text() == "precious\n"
    assert not (files.folder / "a").is_symlink()


def test_what_the_validation_refuses_is_not_written(files: Files) -> None:
    entry = {"path": "a", "content": "good\n", "validate": "grep -q good %s"}
    assert files(entry)["changed"]
    refused = files({**entry, "content": "bad\n"})
    assert refused["failed"]
    assert "grep -q good" in refused["msg"]
    assert (files.folder / "a").read_text() == "good\n"


def test_a_failure_names_what_was_written_before_it(files: Files) -> None:
    (files.folder / "b").mkdir()
    failed = files({"path": "a", "content": "x"}, {"path": "b", "content": "x"}, {"path": "c", "content": "x"})
    assert failed["failed"]
    assert "folder where a file belongs" in failed["msg"]
    assert failed["written"] == ["a"]
    assert not (files.folder / "c").exists()


@pytest.mark.parametrize("state", ["file", "link"])
def test_a_folder_is_never_replaced(files: Files, state: str) -> None:
    (files.folder / "a/b").mkdir(parents=True)
    assert files({"path": "a", "state": state, "content": "x", "target": "x"})["failed"]
    assert (files.folder / "a/b").is_dir()


def test_a_file_is_not_taken_for_a_folder(files: Files) -> None:
    (files.folder / "a").write_text("x")
    assert files({"path": "a", "state": "directory"})["failed"]


def test_a_folder_goes_with_all_it_holds(files: Files) -> None:
    (files.folder / "a/b").mkdir(parents=True)
    (files.folder / "a/c").symlink_to("/etc")
    assert files({"path": "a", "state": "absent"})["written"] == ["a"]
    assert not (files.folder / "a").exists()
    assert Path("/etc/hostname").exists()


def test_what_a_folder_holds_is_closed(files: Files) -> None:
    inner = files.folder / "a/b"
    inner.mkdir(parents=True)
    (inner / "open").write_text("x")
    (inner / "open").chmod(0o644)
    closed = {"path": "a", "state": "directory", "mode": "u=rwX,g=rX,o=", "inside": "u=rwX,g=rX,o="}
    assert files(closed)["changed"]
    assert [files.mode(path) for path in ("a", "a/b", "a/b/open")] == ["0o750", "0o750", "0o640"]
    assert not files(closed)["changed"]


def test_the_old_file_is_kept_where_asked(files: Files) -> None:
    (files.folder / "a").write_text("old\n")
    files({"path": "a", "content": "new\n", "backup": True})
    assert [path.read_text() for path in files.folder.glob("a.*")] == ["old\n"]
    files({"path": "a", "content": "new\n", "backup": True})
    assert len(list(files.folder.glob("a.*"))) == 1


def test_single_lines_of_a_file_that_somebody_else_keeps(files: Files) -> None:
    place = files.folder / "login.defs"
    place.write_text("# UMASK is for new files\nUMASK 022\nHOME yes\nUMASK 077\n#Storage=auto\nold\n")
    place.chmod(0o640)
    entry = {
        "path": "login.defs",
        "state": "lines",
        "lines": [
            {"match": r"^UMASK\b", "line": "UMASK 027"},
            {"match": r"^#?Storage=", "line": "Storage=persistent"},
            {"match": "^LAST", "line": "LAST 1"},
            {"match": "^old$"},
        ],
    }
    assert files(entry, check=True)["changed"]
    assert "UMASK 022" in place.read_text()
    assert files(entry)["written"] == ["login.defs"]
    assert place.read_text() == "# UMASK is for new files\nUMASK 027\nHOME yes\nStorage=persistent\nLAST 1\n"
    assert files.mode("login.defs") == "0o640"
    assert not files(entry)["changed"]


def test_lines_of_a_file_that_is_not_there_are_left_out(files: Files) -> None:
    entry = {"path": "none", "state": "lines", "lines": [{"match": "a", "line": "a"}]}
    assert not files(entry)["changed"]
    assert not (files.folder / "none").exists()


def test_what_is_there_gets_its_permissions_and_links_are_not_followed(files: Files) -> None:
    for name in ("a.log", "b.log", "other"):
        (files.folder / name).write_text(name)
        (files.folder / name).chmod(0o644)
    (files.folder / "c.log").symlink_to("other")
    entry = {"path": "*.log", "state": "kept", "mode": "u-xs,g-xws,o-xwrt"}
    assert files(entry, check=True)["changed"]
    assert files.mode("a.log") == "0o644"
    assert files(entry)["changed"]
    assert [files.mode(name) for name in ("a.log", "b.log", "other")] == ["0o640", "0o640", "0o644"]
    assert not files(entry)["changed"]
    assert not files({"path": "*.none", "state": "kept", "mode": "0600"})["changed"]
