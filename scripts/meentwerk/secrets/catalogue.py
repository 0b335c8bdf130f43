"""Which secrets an instance has, how each is made, and how a good one looks."""

import base64
import binascii
import hashlib
import re
import secrets
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALPHANUMERIC = string.ascii_letters + string.digits
# A person types this one from paper: no characters that look alike
LEGIBLE = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True)
class Kind:
    """One secret: what it is for, the exact form, and whether it may change once an instance lives."""

    purpose: str
    form: str
    pattern: str
    rotation: str
    loss: str = ""
    """What is lost by another value, where it must not change; empty where it may."""


_COLUMN_KEY = Kind(
    purpose="encrypts columns of the database (two-factor seeds, tokens)",
    form="32 letters and digits",  # what Rails' db:encryption:init makes
    pattern=r"[A-Za-z0-9]{32}",
    rotation="never: rows written with it could no longer be read",
    loss="two-factor seeds and tokens in the database could never be read again: everybody with two-factor "
    "authentication is locked out, and no backup changes that",
)
_PUSH = "every push subscription of a browser or app ends without a word, until people subscribe again"
_INTERNAL_PASSWORD = "32 letters and digits"  # noqa: S105  # the form of one, which also needs no escaping in a URL

KINDS: Mapping[str, Kind] = {
    "secret_key_base": Kind(
        purpose="signs sessions and links in mails",
        form="64 random bytes in hexadecimal",  # what `rails secret` makes
        pattern=r"[0-9a-f]{128}",
        rotation="possible: everyone signs in again",
    ),
    "active_record_encryption_deterministic_key": _COLUMN_KEY,
    "active_record_encryption_key_derivation_salt": _COLUMN_KEY,
    "active_record_encryption_primary_key": _COLUMN_KEY,
    # Base64url with its padding, as the application's own generator prints it: its decoder needs whole groups of four
    "vapid_private_key": Kind(
        purpose="signs push messages to browsers and apps",
        form="a P-256 scalar in base64url",
        pattern=r"[A-Za-z0-9_-]{43}=",
        rotation="possible, with its public half: every push subscription ends",
        loss=_PUSH,
    ),
    "vapid_public_key": Kind(
        purpose="the public half of vapid_private_key",
        form="an uncompressed P-256 point in base64url",
        pattern=r"[A-Za-z0-9_-]{87}=",
        rotation="with its private half",
        loss=_PUSH,
    ),
    "database_password": Kind(
        purpose="signs the application in at a PostgreSQL on another host",
        form=_INTERNAL_PASSWORD,
        pattern=r"[A-Za-z0-9]{32}",
        rotation="possible",
    ),
    "cache_password": Kind(
        purpose="signs the application in at a Valkey on another host",
        form=_INTERNAL_PASSWORD,
        pattern=r"[A-Za-z0-9]{32}",
        rotation="possible",
    ),
    "backup_passphrase": Kind(
        purpose="encrypts the backups",
        form=_INTERNAL_PASSWORD,
        pattern=r"[A-Za-z0-9]{32}",
        rotation="never: the backups made with it could no longer be read; a new one needs a new repository",
        loss="the backups made until now could never be read again; first name a new folder in backup_repositories",
    ),
    "owner_password": Kind(
        purpose="first sign-in of the owner, who changes it at once",
        form="five groups of five legible letters and digits",
        pattern=r"[a-z2-9]{5}(-[a-z2-9]{5}){4}",  # 29 of the 8 to 72 characters that Mastodon allows
        rotation="by its owner, in the application; afterwards this value is history",
        loss="nothing would change: the application keeps what its owner chose. `tootctl accounts modify NAME "
        "--reset-password` on the host makes a new one",
    ),
}
VAPID = ("vapid_private_key", "vapid_public_key")


def generate(names: Collection[str]) -> dict[str, str]:
    """Make new values for `names`, in the catalogue's order, from the operating system's random source.

    The two VAPID keys are one pair: ask for both or none.
    """
    if (VAPID[0] in names) != (VAPID[1] in names):
        raise ValueError("vapid_private_key and vapid_public_key are made together")
    made = dict(zip(VAPID, _vapid_pair(), strict=True))
    for name in names:
        if name not in made:
            made[name] = _make(name)
    return {name: made[name] for name in KINDS if name in names}


def _make(name: str) -> str:
    if name == "secret_key_base":
        return secrets.token_hex(64)
    if name == "owner_password":
        return "-".join("".join(secrets.choice(LEGIBLE) for _ in range(5)) for _ in range(5))
    return "".join(secrets.choice(ALPHANUMERIC) for _ in range(32))


def _vapid_pair() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    scalar = key.private_numbers().private_value.to_bytes(32)
    return base64.urlsafe_b64encode(scalar).decode(), _public_half(key)


def _public_half(key: ec.EllipticCurvePrivateKey) -> str:
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).decode()


def public_of(vapid_private_key: str) -> str:
    """Return the public VAPID key that belongs to a private one; ValueError where it is no P-256 scalar."""
    try:
        scalar = base64.b64decode(vapid_private_key, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    return _public_half(ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1()))


def problems(values: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with each of `values`, by name. Texts never quote a value."""
    wrong = {
        name: f"is not well-formed: expected {KINDS[name].form}"
        for name, value in values.items()
        if name in KINDS and not re.fullmatch(KINDS[name].pattern, value)
    }
    private, public = (values.get(name) for name in VAPID)
    if private is None or public is None or wrong.keys() & set(VAPID):
        return wrong
    try:
        matches = public_of(private) == public
    except ValueError:
        matches = False
    if not matches:
        wrong["vapid_public_key"] = "does not belong to vapid_private_key"
    return wrong


def fingerprint(name: str, value: str, salt: str) -> str:
    """Return the mark by which a host recognises a secret without keeping it.

    SHA-256 over `salt:name:value` in hexadecimal. The secrets are random and long, so a fast hash cannot be guessed
    back; salt and name keep equal values on two hosts, or under two names, from showing as equal.
    """
    return hashlib.sha256(f"{salt}:{name}:{value}".encode()).hexdigest()
