"""Secrets for escrow: a copy that several people can open, each with a key of their own (age)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyrage

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.secrets import catalogue

FORMAT = 1
_MAGIC = b"age-encryption.org/v1"


@dataclass(frozen=True)
class Copy:
    """The secrets of an instance as they were handed over."""

    instance: str
    domain: str
    made: str
    values: Mapping[str, str]


def recipients(lines: Sequence[str]) -> list[object]:
    """Read public keys, one a line as age and ssh write them; a UsageError names the one that is none."""
    found: list[object] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        kind = text.split()[0]
        try:
            if kind.startswith("ssh-"):
                found.append(pyrage.ssh.Recipient.from_str(" ".join(text.split()[:2])))
            else:
                found.append(pyrage.x25519.Recipient.from_str(kind))
        except pyrage.RecipientError:
            raise UsageError(
                f"recipient {number} is no public key that can be encrypted to: {text[:40]}",
                "give age1..., ssh-ed25519 or ssh-rsa; ECDSA and security keys cannot decrypt",
            ) from None
    if not found:
        raise UsageError("nobody could open the copy: no recipient is named", "give --recipient or --recipients-file")
    return found


def seal(instance: str, domain: str, values: Mapping[str, str], keys: Sequence[object]) -> bytes:
    """Encrypt the secrets to every one of `keys`."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"format": FORMAT, "instance": instance, "domain": domain, "made": made, "secrets": dict(values)}
    sealed: bytes = pyrage.encrypt(json.dumps(content).encode(), list(keys))
    return sealed


def _identity(path: Path) -> object:
    """Read a private key: an age identity file, or an OpenSSH key without passphrase."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name your private key with --identity") from None
    lines = [line.strip() for line in content.decode(errors="replace").splitlines()]
    keys = [line for line in lines if line.startswith("AGE-SECRET-KEY-1")]
    try:
        return pyrage.x25519.Identity.from_str(keys[0]) if keys else pyrage.ssh.Identity.from_buffer(content)
    except pyrage.IdentityError:
        raise UsageError(
            f"{path} is no private key that opens such a copy",
            "give an age identity file, or an ssh key of type ed25519 or rsa without passphrase "
            "(ssh-keygen -p takes it off a copy)",
        ) from None


def unseal(content: bytes, identity: Path, name: str) -> Copy:
    """Open a copy; MeentwerkError where the key is not one of its recipients', or the copy was changed."""
    if not content.startswith(_MAGIC):
        raise UsageError(f"{name} is no copy for escrow", "`meentwerk secrets export` makes one")
    try:
        plain = pyrage.decrypt(content, [_identity(identity)])
        document = json.loads(plain)
        copy = Copy(document["instance"], document["domain"], document["made"], dict(document["secrets"]))
    except pyrage.DecryptError:
        raise MeentwerkError(
            f"{name} does not open with {identity}: it is not among the recipients, or the copy was changed",
            "ask another recipient",
            Exit.REFUSED,
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{name} opens, and holds no secrets of an instance", "look for another copy") from None
    if document.get("format") != FORMAT:
        raise UsageError(f"{name} has the format {document.get('format')}", "use the version that made it")
    if wrong := catalogue.problems(copy.values):
        secret, problem = next(iter(wrong.items()))
        raise UsageError(f"{name}: {secret} {problem}", "look for another copy")
    return copy
