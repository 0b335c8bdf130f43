"""Secrets: password hashes, random tokens, signed cookies."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from argon2 import PasswordHasher  # type: ignore[import-untyped]
from argon2.exceptions import InvalidHash, VerificationError  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# OWASP's least for argon2id; about what Mastodon's bcrypt of cost 10 costs, so that a batch of accounts takes as long
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """An argon2id hash."""
    return str(_hasher.hash(password))


def password_matches(digest: str, password: str) -> bool:
    """Whether `password` is the one behind `digest`; costs the same time when there is no such login."""
    try:
        return bool(_hasher.verify(digest or _NOBODY, password)) and bool(digest)
    except (VerificationError, InvalidHash):
        return False


_NOBODY = hash_password(secrets.token_urlsafe(16))


def random_token() -> str:
    """32 random bytes, url-safe: client ids, secrets, tokens, codes."""
    return secrets.token_urlsafe(32)


def random_password() -> str:
    """What `tootctl accounts create` prints: 32 hex digits."""
    return secrets.token_hex(16)


def keypair() -> tuple[str, str]:
    """An actor's RSA key pair as PEM: private, public."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def code_challenge(verifier: str) -> str:
    """PKCE's S256 (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Signer:
    """Signs small JSON values for cookies and forms; each purpose has its own key."""

    def __init__(self, secret: str, purpose: str) -> None:
        self._key = hmac.digest(secret.encode(), purpose.encode(), "sha256")

    def sign(self, value: dict[str, Any], *, lifetime: int) -> str:
        """`value`, readable but unforgeable, for `lifetime` seconds."""
        body = base64.urlsafe_b64encode(json.dumps({**value, "exp": int(time.time()) + lifetime}).encode()).decode()
        return f"{body}.{self._mac(body)}"

    def read(self, text: str) -> dict[str, Any] | None:
        """The value, or None when it is forged or over."""
        body, _, mac = text.rpartition(".")
        if not body or not hmac.compare_digest(mac.encode(), self._mac(body).encode()):
            return None
        value = json.loads(base64.urlsafe_b64decode(body))
        if not isinstance(value, dict) or value.get("exp", 0) < time.time():
            return None
        return value

    def _mac(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()
