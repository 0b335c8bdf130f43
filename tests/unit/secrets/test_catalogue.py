"""Each secret has the form that the application needs."""

import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from meentwerk.secrets import catalogue

EVERY = tuple(catalogue.KINDS)


def test_new_values_are_well_formed() -> None:
    values = catalogue.generate(EVERY)
    assert tuple(values) == EVERY
    assert catalogue.problems(values) == {}


def test_forms_that_the_application_needs() -> None:
    values = catalogue.generate(EVERY)
    assert len(bytes.fromhex(values["secret_key_base"])) == 64
    for name in EVERY:
        if name.startswith("active_record_encryption_") or name in {"database_password", "cache_password"}:
            assert re.fullmatch("[A-Za-z0-9]{32}", values[name]), name
    assert 8 <= len(values["owner_password"].encode()) <= 72


def test_the_vapid_keys_are_a_p256_pair() -> None:
    values = catalogue.generate(EVERY)
    private = base64.urlsafe_b64decode(values["vapid_private_key"])
    public = base64.urlsafe_b64decode(values["vapid_public_key"])
    assert len(private) == 32
    assert len(public) == 65
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    key = ec.derive_private_key(int.from_bytes(private), ec.SECP256R1())
    assert key.public_key().public_numbers() == point.public_numbers()


@given(st.integers(min_value=1, max_value=2**256 - 2**224))
def test_any_scalar_gives_keys_of_one_length(scalar: int) -> None:
    """A scalar with leading zeros must not come out shorter."""
    private = base64.urlsafe_b64encode(scalar.to_bytes(32)).decode()
    public = catalogue.public_of(private)
    assert catalogue.problems({"vapid_private_key": private, "vapid_public_key": public}) == {}


def test_no_value_comes_twice() -> None:
    made = [value for _ in range(20) for value in catalogue.generate(EVERY).values()]
    assert len(set(made)) == len(made)


def test_half_a_pair_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="together"):
        catalogue.generate(["vapid_public_key"])


def test_halves_of_two_pairs_are_noticed() -> None:
    mixed = catalogue.generate(EVERY) | {"vapid_public_key": catalogue.generate(EVERY)["vapid_public_key"]}
    assert catalogue.problems(mixed) == {"vapid_public_key": "does not belong to vapid_private_key"}


@given(st.sampled_from(EVERY), st.text(max_size=200))
def test_a_wrong_value_is_never_quoted(name: str, value: str) -> None:
    problem = catalogue.problems({name: value}).get(name, "")
    assert problem == "" or problem == f"is not well-formed: expected {catalogue.KINDS[name].form}"


@given(st.sampled_from(EVERY))
def test_a_trailing_newline_is_no_good_value(name: str) -> None:
    value = catalogue.generate(EVERY)[name]
    assert name in catalogue.problems({name: value + "\n"})


def test_the_fingerprint_is_fixed() -> None:
    """Hosts keep fingerprints: a change of the formula would stop every play."""
    # printf %s 'salt:name:value' | sha256sum
    expected = "b70325d8a8ccc1f22424a6bd6ea3c5e3adb43fcd1151c78f2ce89e1453d9c251"
    assert catalogue.fingerprint("name", "value", "salt") == expected


@given(st.text(), st.text(), st.text(), st.text())
def test_fingerprints_differ_by_salt_and_name(name: str, value: str, one: str, other: str) -> None:
    if ":" not in one + other + name and one != other:
        assert catalogue.fingerprint(name, value, one) != catalogue.fingerprint(name, value, other)
