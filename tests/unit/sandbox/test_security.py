from hypothesis import given
from hypothesis import strategies as st
from meentwerk_sandbox import scopes, security
from meentwerk_sandbox.security import Signer


def test_a_password_matches_its_hash_only() -> None:
    digest = security.hash_password("correct horse")
    assert digest.startswith("$argon2id$")
    assert security.password_matches(digest, "correct horse")
    assert not security.password_matches(digest, "wrong horse")
    assert not security.password_matches("", "")
    assert not security.password_matches("no hash", "x")


def test_a_signed_value_is_for_its_purpose_and_time() -> None:
    signer = Signer("secret", "session")
    text = signer.sign({"user": 1}, lifetime=60)
    value = signer.read(text)
    assert value is not None
    assert value["user"] == 1
    assert Signer("secret", "csrf").read(text) is None
    assert signer.read(signer.sign({"user": 1}, lifetime=-1)) is None


@given(st.text())
def test_forged_values_are_nothing(text: str) -> None:
    assert Signer("secret", "session").read(text) is None


def test_pkce() -> None:
    # RFC 7636, appendix B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert security.code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_scopes_are_upstreams() -> None:
    assert len(scopes.SUPPORTED) == len(set(scopes.SUPPORTED)) == 47
    assert scopes.allows(["write"], ("write", "write:statuses"))
    assert scopes.allows(["write:statuses"], ("write", "write:statuses"))
    assert not scopes.allows(["read"], ("write", "write:statuses"))
    assert not scopes.covers(["read:accounts"], ["read"])
