"""The published schema accepts what the validator accepts, and is fresh."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from meentwerk.moderation import schema, work

ROOT = Path(__file__).parents[3]
LAYERS = [ROOT / "policies/example/organisation.yml", ROOT / "policies/example/railways.yml"]
# What a schema cannot say: how YAML is written, what stands in other files, whether two entries are one
BEYOND = {
    "anchor",
    "key-twice",
    "quote-not-closed",
    "tab",
    "domain-twice-in-two-spellings",
    "source-is-not-there",
    "source-is-no-list",
    "source-holds-something-else",
    "review-is-no-day",
    "source-in-two-places",
    "source-without-a-place",
    "source-not-pinned",
    "source-without-encryption",
    "source-with-a-password",
    "network-with-host-bits",
    "network-is-none",
    "expiry-is-no-moment",
    "mailbox-is-none",
    "domain-with-wildcard",
    "domain-is-an-address-of-a-page",
    "domain-obfuscated",
    "domain-is-a-handle",
    "domain-is-an-ip-address",
    "rule-in-an-unknown-language",
    "published-in-an-unknown-language",
    "reason-empty",
}


def check(data: Any) -> None:
    jsonschema.validate(json.loads(json.dumps(data, default=str)), json.loads(schema.FILE.read_text()))


def test_it_is_fresh() -> None:
    assert schema.FILE.read_text() == schema.text(), "run scripts/generate-reference"


@pytest.mark.parametrize("file", LAYERS, ids=lambda file: file.stem)
def test_it_accepts_the_example(file: Path) -> None:
    check(yaml.safe_load(file.read_text()))
    assert not work.read_policy([file]).problems


@pytest.mark.parametrize("file", sorted((ROOT / "tests/bad-policies").glob("*.yml")), ids=lambda file: file.stem)
def test_it_refuses_what_it_can_know(file: Path) -> None:
    if file.stem in BEYOND:
        return
    with pytest.raises(jsonschema.ValidationError):
        check(yaml.safe_load(file.read_text()))
