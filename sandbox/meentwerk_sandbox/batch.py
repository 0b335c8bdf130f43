"""bin/batch NAME: many items in one start; JSON in, JSON out."""

import json
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from . import batch_items, batch_moderation, batch_roles, batch_rules, batch_states, logs
from .config import Config, run
from .db import sessions

CONTRACT = 1
ARGUMENTS = 2
OK, BAD_INPUT, SOME_FAILED = 0, 2, 4
CHANGES = {"created", "updated", "deleted"}

Worker = Callable[[Session, Config, list[dict[str, Any]]], list[dict[str, Any]]]
WORKERS: dict[str, Worker] = {
    "accounts": batch_items.accounts,
    "settings": batch_items.settings,
    "rules": batch_rules.rules,
    "tokens": batch_items.tokens,
    "roles": batch_roles.roles,
    "states": batch_states.states,
    "moderation": batch_moderation.moderate,
}


def main() -> int:
    """Read items from stdin, make them so, tell what happened."""
    if len(sys.argv) != ARGUMENTS or sys.argv[1] not in {*WORKERS, batch_items.SEVERAL}:
        sys.stderr.write(f"usage: bin/batch {'|'.join([*WORKERS, batch_items.SEVERAL])} < items.json\n")
        return BAD_INPUT
    return run("batch", lambda config: _run(config, sys.argv[1]))


def _run(config: Config, name: str) -> int:
    logs.setup("batch")
    try:
        items, dry_run = _read(sys.stdin.read())
        batch_items.check(name, items)
    except batch_items.InputError as error:
        sys.stderr.write(f"bin/batch {name}: {error}\n")
        return BAD_INPUT
    try:
        make, later = sessions(config, pool=1), ""
        if name == batch_items.SEVERAL:
            results = []
            for number, item in enumerate(items):
                later = f" by items[{number}]; the lists before it are stored" if number else ""
                results.append(_one_of_several(make, config, item, dry_run=dry_run))
        else:
            results = _work(make, config, name, items, dry_run=dry_run)
    except SQLAlchemyError as error:
        kind = type(error).__name__
        sys.stderr.write(f"bin/batch {name}: the database refused: {kind}; nothing was changed{later}\n")
        return 1
    failed = sum(result["outcome"] == "failed" for result in results)
    summary = {
        "contract": CONTRACT,
        "changed": sum(result["outcome"] in CHANGES for result in results),
        "failed": failed,
        "results": results,
    }
    sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    return SOME_FAILED if failed else OK


def _work(
    make: sessionmaker[Session], config: Config, name: str, items: list[dict[str, Any]], *, dry_run: bool
) -> list[dict[str, Any]]:
    """One list: one transaction."""
    with make() as session:
        results = WORKERS[name](session, config, items)
        if dry_run:
            session.rollback()
        else:
            session.commit()
            session.info.get("after_commit", lambda: None)()
    if dry_run:
        for result in results:
            result.pop("token", None)
    return results


def _one_of_several(
    make: sessionmaker[Session], config: Config, item: dict[str, Any], *, dry_run: bool
) -> dict[str, Any]:
    results = _work(make, config, item["batch"], item["items"], dry_run=dry_run)
    outcomes = {result["outcome"] for result in results}
    outcome = "failed" if "failed" in outcomes else "updated" if outcomes & CHANGES else "unchanged"
    return batch_items.result(item["batch"], outcome, results=results)


def _read(content: str) -> tuple[list[dict[str, Any]], bool]:
    try:
        request = json.loads(content)
    except ValueError as error:
        raise batch_items.InputError(f"stdin is not JSON: {error}") from error
    if not isinstance(request, dict) or request.get("contract") != CONTRACT:
        raise batch_items.InputError(f'"contract" must be {CONTRACT}')
    items = request.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise batch_items.InputError('"items" must be a list of objects')
    if not isinstance(request.get("dry_run", False), bool):
        raise batch_items.InputError('"dry_run" must be true or false')
    return items, request.get("dry_run", False)
