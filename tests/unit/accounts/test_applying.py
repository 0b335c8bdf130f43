"""Runs: nothing is done twice, an interruption anywhere is finished, and nothing that is another's is touched."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from meentwerk.accounts import journal as journal_module
from meentwerk.accounts.account import Account
from meentwerk.accounts.journal import Journal, only_run, state_folder
from meentwerk.accounts.pictures import Picture
from meentwerk.accounts.policy import Policy
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit

from .rehearsal import Killed, Person, Rehearsal, apply, applying, password_of

TWO_FACTOR = Policy.model_validate({"two_factor_role": {"name": "Spokesperson"}})


def account(name: str, **more: Any) -> Account:
    return Account(row=2, username=name, email=f"{name}@tides.example.org", department="Tides", **more)


def some() -> list[Account]:
    picture = Picture(Path("a.png"), "image/png", "digest-of-a")
    return [
        account(
            "tides",
            display_name="Tides",
            note="News",
            fields=(("Open", "always"),),
            avatar=picture,
            avatar_description="A",
        ),
        account("dikes", display_name="Dikes", attribution_domains=("dikes.example.org",), bot=True),
        account("locks"),
        account("ponds", state="disabled"),
        account("ghost", state="absent"),
    ]


def outcomes(done: list[Any]) -> dict[str, str]:
    return {outcome.step.account.username: outcome.outcome for outcome in done}


def test_a_list_is_made_and_a_second_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Rehearsal()
    done = apply(applying(server, tmp_path, monkeypatch, group=2), some())
    made = {"tides": "created", "dikes": "created", "locks": "created", "ponds": "created", "ghost": "unchanged"}
    assert outcomes(done) == made
    assert server.people["tides"].state["display_name"] == "Tides"
    assert all(person.token is None for person in server.people.values())
    for name in ("tides", "dikes", "locks", "ponds"):
        assert password_of(tmp_path, name) == [server.people[name].password]
    again = applying(server, tmp_path, monkeypatch)
    assert set(outcomes(apply(again, some())).values()) == {"unchanged"}
    assert again.writes == 0


def test_a_thousand_from_one_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Rehearsal()
    thousand = [account(f"team{number}", display_name=f"Team {number}") for number in range(1000)]
    assert set(outcomes(apply(applying(server, tmp_path, monkeypatch), thousand)).values()) == {"created"}
    assert len(server.people) == 1000
    assert {name: [person.password] for name, person in server.people.items()} == {
        name: password_of(tmp_path, name) for name in server.people
    }
    assert all(person.token is None for person in server.people.values())
    again = applying(server, tmp_path, monkeypatch)
    assert set(outcomes(apply(again, thousand)).values()) == {"unchanged"}
    assert again.writes == 0


def test_an_interruption_anywhere_is_finished_without_a_second_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is ended before each single thing that it does, in turn; the next one finishes."""
    moments = 0
    for moment in range(1, 200):
        folder = tmp_path / str(moment)
        folder.mkdir()
        server, seen = Rehearsal(), 0

        def tick() -> None:
            nonlocal seen
            seen += 1
            if seen == moment:  # noqa: B023  # the run of this moment
                raise Killed

        server.tick = tick
        write = Journal.write

        def written(self: Journal, *arguments: Any, **named: Any) -> None:
            tick()
            write(self, *arguments, **named)  # noqa: B023
            tick()

        first = applying(server, folder, monkeypatch, group=2, policy=TWO_FACTOR)
        monkeypatch.setattr(Journal, "write", written)
        # Nothing that is left to do in an orderly way may be done: kill -9
        monkeypatch.setattr(first, "_finish", _dies(first._finish))
        try:
            apply(first, some())
            interrupted = False
        except Killed:
            interrupted = True
        monkeypatch.setattr(Journal, "write", write)
        server.tick = lambda: None
        first_passwords = {name: person.password for name, person in server.people.items()}
        done = apply(applying(server, folder, monkeypatch, group=2, policy=TWO_FACTOR), some())
        assert not {"failed", "conflict"} & set(outcomes(done).values()), (moment, done)
        assert set(server.people) == {"tides", "dikes", "locks", "ponds"}
        for name, person in server.people.items():
            assert person.token is None, moment
            assert password_of(folder, name) == [person.password], moment
            assert first_passwords.get(name, person.password) == person.password
            assert person.state.get("role") == "Spokesperson"
        last = applying(server, folder, monkeypatch, policy=TWO_FACTOR)
        assert set(outcomes(apply(last, some())).values()) == {"unchanged"}
        assert last.writes == 0
        moments += interrupted
        if not interrupted:
            break
    assert moments > 20


def _dies(finish: Any) -> Any:
    def die(steps: Any, with_token: Any, failure: BaseException | None) -> None:
        if isinstance(failure, Killed):
            raise failure
        finish(steps, with_token, failure)

    return die


def test_what_is_another_s_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Rehearsal()
    for name, email in {"tides": "else@else.example", "gone": None, "d1kes": "x@else.example"}.items():
        server.people[name] = Person({"username": name, "email": email}, "kept")
    before = json.dumps({name: person.state for name, person in server.people.items()})
    run = applying(server, tmp_path, monkeypatch)
    taken = replace(account("new"), email="X@else.example")
    done = apply(run, [account("tides"), account("gone"), account("dikes"), taken])
    assert set(outcomes(done).values()) == {"conflict"}
    assert [outcome.error for outcome in done] == [
        "the name belongs to an account with another e-mail address",
        "the name belonged to an account that was deleted",
        "the name looks like d1kes, which is on the server: readers would confuse them",
        "the mailbox belongs to the account d1kes already",
    ]
    assert json.dumps({name: person.state for name, person in server.people.items()}) == before
    assert run.writes == 0


def test_one_that_fails_stops_no_other_and_leaves_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Rehearsal(refused={"dikes": "E-mail address is invalid"})
    done = apply(applying(server, tmp_path, monkeypatch), some())
    assert outcomes(done)["dikes"] == "failed"
    assert outcomes(done)["tides"] == "created"
    assert password_of(tmp_path, "dikes") == []


def test_a_holder_s_change_and_another_picture_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Rehearsal()
    apply(applying(server, tmp_path, monkeypatch), some())
    server.people["tides"].state["note"] = "Mine"
    server.people["tides"].state["avatar"] = "mine.png"
    assert outcomes(apply(applying(server, tmp_path, monkeypatch), some()))["tides"] == "changed"
    assert server.people["tides"].state["note"] == "News"
    changed = [replace(some()[0], avatar=Picture(Path("b.png"), "image/png", "digest-of-b"))]
    uploads = server.uploads
    assert outcomes(apply(applying(server, tmp_path, monkeypatch), changed)) == {"tides": "changed"}
    assert server.uploads == uploads + 1


def test_single_sign_on_has_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy.model_validate({"single_sign_on": {}})
    server = Rehearsal()
    apply(applying(server, tmp_path, monkeypatch, policy=policy), [account("tides", sso_id="8a6f")])
    assert server.people["tides"].password is None
    assert server.people["tides"].state["identities"] == [{"provider": "openid_connect", "uid": "8a6f"}]
    assert not (tmp_path / "credentials").exists()


def test_an_account_that_ends_is_exported_before_it_is_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, exported = Rehearsal(), []
    apply(applying(server, tmp_path, monkeypatch), [account("tides")])

    def export(_client: Any, _folder: Path, name: str) -> None:
        assert not server.people[name].state.get("disabled")
        exported.append(name)

    monkeypatch.setattr("meentwerk.accounts.applying.export", export)
    ending = [account("tides", state="absent")]
    assert outcomes(apply(applying(server, tmp_path, monkeypatch), ending)) == {"tides": "changed"}
    assert server.people["tides"].state["disabled"] is True
    assert exported == ["tides"]
    again = applying(server, tmp_path, monkeypatch)
    assert outcomes(apply(again, ending)) == {"tides": "unchanged"}
    assert (again.writes, exported) == (0, ["tides"])


def test_a_second_run_at_once_is_refused(tmp_path: Path) -> None:
    with only_run(tmp_path, wait=False), pytest.raises(MeentwerkError) as caught, only_run(tmp_path, wait=False):
        pass
    assert caught.value.exit == Exit.REFUSED
    with only_run(tmp_path, wait=False):
        pass


def test_half_a_line_at_the_end_of_a_journal_is_forgotten(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.write("tokens", ["tides"])
    with journal.file.open("a") as file:
        file.write('{"step": "revo')
    again = Journal.open(tmp_path)
    again.write("tokens", ["dikes"])
    assert Journal.open(tmp_path).tokens == {"tides", "dikes"}


def test_a_damaged_journal_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"step": "tok\n{"step": "end"}\n')
    with pytest.raises(MeentwerkError, match=r"journal\.jsonl:1 is damaged"):
        Journal.open(tmp_path)


def test_a_state_folder_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = state_folder("tides.example.org")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(MeentwerkError) as caught:
        state_folder("tides.example.org")
    assert caught.value.exit == Exit.REFUSED
    assert journal_module.MAKER
