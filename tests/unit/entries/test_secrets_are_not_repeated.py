"""A secret that stands where it should not is reported, and no message repeats it: reports end up in logs and mails."""

import json
from pathlib import Path

import pytest
from meentwerk.entries import rules

from .samples import TIDES
from .test_corpus import fleet

__all__ = ["fleet"]  # a fixture

SECRET = "correct-horse-battery-staple"
NUMBER = "918273645546372819"
KEY = f"|\n        -----BEGIN PRIVATE KEY-----\n        {SECRET}\n        -----END PRIVATE KEY-----"

# What is appended to a right entry; SECRET or NUMBER is somewhere in it
ENTRIES = {
    "a key": f"      admin_password: {SECRET}\n",
    "a key of another spelling": f"      Admin-Password: {SECRET}\n",
    "a key in Dutch": f"      wachtwoord: {SECRET}\n",
    "a key without a line between": f"      dbpassword: {SECRET}\n",
    "several": f"      api_tokens: [{SECRET}, {SECRET}2]\n",
    "a number": f"      smtp_password: {NUMBER}\n",
    "a fraction": f"      smtp_password: {NUMBER}.5\n",
    "an impossible date": "      token: 2026-02-31\n",
    "a key of the operator's": f"      instance_secrets:\n        database: {SECRET}\n",
    "deep in a secret": f"      secrets:\n        mail:\n          - one: {SECRET}\n            two: [{NUMBER}]\n",
    "a key of the contact": f"        password: {SECRET}\n",
    "in place of a title": f"      instance_title:\n        password: {SECRET}\n",
    "in place of a size": f"      instance_size:\n        password: {SECRET}\n",
    "in place of a release": f"      instance_release:\n        password: {SECRET}\n",
    "in place of a list": f"      instance_languages:\n        password: {SECRET}\n",
    "in a list of languages": f"      instance_languages:\n        - password: {SECRET}\n",
    "in a list of domains": f"      instance_alternate_domains: [{{token: {SECRET}}}]\n",
    "in place of a rule": f"      instance_rules:\n        password: {SECRET}\n",
    "in a rule": f"      instance_rules:\n        - text: Be kind.\n          api_key: {SECRET}\n",
    "a private key": f"      instance_title: {KEY}\n",
    "a private key as a rule": f"      instance_rules: {KEY}\n",
    "a private key with a template": f"      instance_title: {KEY.replace(SECRET, SECRET + ' {{ x }}')}\n",
    "a key twice": f"      admin_password: {SECRET}\n      admin_password: {SECRET}2\n",
    "an owner": f"      instance_owner: {{username: beheer, password: {SECRET}}}\n",
    "with a tag": f"      admin_password: !plain {SECRET}\n",
    "with an anchor": f"      admin_password: &again {SECRET}\n",
    "with a broken line": f"      admin_password: {SECRET}\n    instance_size: large\n",
    "with an open quote": f'      admin_password: "{SECRET}\n',
    "with text behind a quote": f'      admin_password: "{SECRET}" {SECRET}\n',
    "with a colon": f"      admin_password: {SECRET}: {SECRET}\n",
    "without a colon": f"      admin_password {SECRET}\n      instance_size: large\n",
    "with an odd character": f"      admin_password: {SECRET}\x00\n",
}


def said(fleet: Path) -> str:
    """Everything a person or a program is told."""
    _, problems = rules.check([fleet])
    return "".join(problem.text(fleet) + json.dumps(problem.record(fleet)) for problem in problems)


@pytest.mark.parametrize("case", ENTRIES)
def test_an_entry(case: str, fleet: Path) -> None:
    (fleet / "departments/tides.yml").write_text(TIDES + ENTRIES[case])
    found = said(fleet)
    assert found, "it is accepted"
    assert SECRET not in found
    assert NUMBER not in found
    assert "2026-02-31" not in found


@pytest.mark.parametrize("group", ["bridges", "all"])
@pytest.mark.parametrize("case", ENTRIES)
def test_an_operators_file(case: str, group: str, fleet: Path) -> None:
    (fleet / "group_vars").mkdir(exist_ok=True)
    folder = "host_vars" if group == "bridges" else "group_vars"
    (fleet / folder / group).mkdir(parents=True)
    text = "\n".join(line[6:] for line in ENTRIES[case].splitlines()) + "\n"
    (fleet / folder / group / "more.yml").write_text(text)
    found = said(fleet)
    assert SECRET not in found
    assert NUMBER not in found


def test_a_secret_is_said_once(fleet: Path) -> None:
    for case in (
        "a key",
        "several",
        "a key of the operator's",
        "deep in a secret",
        "a key of the contact",
        "in a rule",
    ):
        (fleet / "departments/tides.yml").write_text(TIDES + ENTRIES[case])
        _, problems = rules.check([fleet])
        assert [problem.wrong for problem in problems] == ["A secret stands here in plain text."], case
