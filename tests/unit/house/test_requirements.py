"""The lock covers what is asked for, and nothing is installed that its hash does not vouch for."""

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .conftest import ROOT


def asked() -> list[Requirement]:
    lines = (ROOT / "requirements.in").read_text().splitlines()
    return [Requirement(text) for line in lines if (text := re.sub(r"(^|\s)#.*", "", line).strip())]


def locked() -> list[tuple[Requirement, list[str]]]:
    """Each pin of requirements.txt with its hashes."""
    text = (ROOT / "requirements.txt").read_text().replace("\\\n", " ")
    pins = []
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            pin, *hashes = re.split(r"\s+--hash=", re.sub(r"\s#.*", "", line).strip())
            pins.append((Requirement(pin), hashes))
    return pins


def test_every_requirement_is_locked() -> None:
    pins: dict[str, list[Requirement]] = {}
    for pin, _ in locked():
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    for requirement in asked():
        found = pins.get(canonicalize_name(requirement.name), [])
        versions = [specifier.version for pin in found for specifier in pin.specifier]
        assert any(requirement.specifier.contains(version) for version in versions), (
            f"requirements.txt has no {requirement}: run scripts/lock-requirements"
        )


def test_every_pin_is_exact_and_hashed() -> None:
    loose = [str(pin) for pin, hashes in locked() if not re.fullmatch(r"==[^*]+", str(pin.specifier)) or not hashes]
    assert locked()
    assert not loose, f"without exact version or hash: {loose}"


def test_every_hash_is_sha256() -> None:
    assert {value.partition(":")[0] for _, hashes in locked() for value in hashes} == {"sha256"}
