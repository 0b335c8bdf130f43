"""OpenSSH signatures (PROTOCOL.sshsig): hosts verify them with the ssh-keygen that Debian has anyway."""

import base64
import binascii
import hashlib
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meentwerk.errors import UsageError
from meentwerk.release.errors import UntrustedError

NAMESPACE = "meentwerk-release"
PRINCIPAL = "release"
_MAGIC = b"SSHSIG"
_TEMPORARY = "meentwerk-signers-"
_TIMEOUT = 600  # seconds; a security key may wait for a touch


@dataclass(frozen=True)
class Signature:
    """What a signature file says about itself, before anybody believes it."""

    namespace: str
    fingerprint: str
    """As ssh-keygen prints it: ``SHA256:...``."""


def _ssh_keygen(*arguments: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ssh-keygen so that it can never wait for a passphrase on a terminal."""
    try:
        with (data or Path("/dev/null")).open("rb") as stdin:
            return subprocess.run(
                ["ssh-keygen", *arguments],
                stdin=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT,
                start_new_session=True,
            )
    except FileNotFoundError as error:
        if error.filename != "ssh-keygen":
            raise
        raise UsageError(
            "ssh-keygen is missing on this machine.", "Install it: apt-get install openssh-client."
        ) from None
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"ssh-keygen did not finish within {_TIMEOUT} seconds.", "Is a security key or an agent waiting for you?"
        ) from None


def _last_line(result: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (result.stderr + result.stdout).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else f"ssh-keygen ended with {result.returncode}"


def generate_key(key: Path) -> None:
    """Make an Ed25519 key pair without passphrase (mode 0600), for machines that sign unattended."""
    key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{key.name}.", dir=key.parent) as folder:
        made = Path(folder) / key.name
        result = _ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", "meentwerk release signing key", "-f", str(made))
        if result.returncode != 0:
            raise UsageError(f"No signing key could be made: {_last_line(result)}.", f"Is {key.parent} writable?")
        # The private half comes last: while it is missing, the next run starts over
        made.with_name(f"{key.name}.pub").rename(key.with_name(f"{key.name}.pub"))
        made.rename(key)


def public_key(key: Path) -> str:
    """Give ``ssh-ed25519 AAAA...`` for a private key, or for a .pub file whose private half an agent holds."""
    if not key.exists():
        raise UsageError(
            f"There is no signing key at {key}.",
            f"Make one: ssh-keygen -t ed25519 -C release -f {key}; or name another with release_build_signing_key. "
            "release_build_generate_signing_key=true makes one without passphrase.",
        )
    public = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
    if public.is_file():
        text = public.read_text(encoding="utf-8", errors="replace")
    else:
        result = _ssh_keygen("-y", "-P", "", "-f", str(key))
        if result.returncode != 0:
            raise UsageError(
                f"The public half of {key} cannot be read: {_last_line(result)}.",
                f"Write it beside: ssh-keygen -y -f {key} > {public}",
            )
        text = result.stdout
    words = text.split()
    if len(words) < 2:  # noqa: PLR2004 - type and key, then a comment
        raise UsageError(f"{public} holds no OpenSSH public key.", f"Write it again: ssh-keygen -y -f {key} > {public}")
    return f"{words[0]} {words[1]}"


def allowed_signers_line(public: str) -> str:
    """Give the line that makes hosts trust a key for releases, and for nothing else."""
    return f'{PRINCIPAL} namespaces="{NAMESPACE}" {public}'


@contextmanager
def signers_file(path: Path | None, keys: Iterable[str]) -> Iterator[Path]:
    """Give the file of allowed signers: `path`, or a temporary one with `keys`, each a public key or a whole line."""
    if path is not None:
        yield path
        return
    kinds = ("ssh-", "ecdsa-", "sk-")
    lines = [line.strip() for key in keys for line in key.splitlines() if line.strip()]
    with tempfile.NamedTemporaryFile("w", prefix=_TEMPORARY, encoding="utf-8") as file:
        file.writelines(f"{allowed_signers_line(line) if line.startswith(kinds) else line}\n" for line in lines)
        file.flush()
        yield Path(file.name)


def sign(path: Path, key: Path, namespace: str = NAMESPACE) -> Path:
    """Sign a file; the signature lands beside it as ``.sig`` and is good for its namespace alone."""
    signature = path.with_name(f"{path.name}.sig")
    signature.unlink(missing_ok=True)
    result = _ssh_keygen("-q", "-Y", "sign", "-n", namespace, "-f", str(key), str(path))
    if result.returncode != 0 or not signature.is_file():
        raise UsageError(
            f"Signing with {key} failed: {_last_line(result)}.",
            f"A key with a passphrase works through an agent: ssh-add {key}. Only its owner may read the file (0600).",
        )
    return signature


def read_signature(path: Path) -> Signature:
    """Take a signature file apart (PROTOCOL.sshsig: magic, version, public key, namespace, ...)."""
    try:
        armoured = path.read_text(encoding="ascii").strip()
        body = armoured.removeprefix("-----BEGIN SSH SIGNATURE-----").removesuffix("-----END SSH SIGNATURE-----")
        blob = base64.b64decode("".join(body.split()), validate=True)
        key, rest = _take(blob[len(_MAGIC) + 4 :] if blob.startswith(_MAGIC) else b"")
        namespace, _ = _take(rest)
        digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
        return Signature(namespace.decode(), f"SHA256:{digest}")
    except FileNotFoundError:
        raise UntrustedError(
            f"The signature {path.name} is missing.", "Copy the release again, with all its files."
        ) from None
    except (ValueError, binascii.Error, struct.error):
        raise UntrustedError(
            f"{path.name} is not an OpenSSH signature.", "Copy the release again, with all its files."
        ) from None


def _take(blob: bytes) -> tuple[bytes, bytes]:
    """Split the first length-prefixed string off (RFC 4251, section 5)."""
    (length,) = struct.unpack_from(">I", blob)
    if len(blob) < 4 + length:
        raise ValueError
    return blob[4 : 4 + length], blob[4 + length :]


def check_signature(path: Path, allowed_signers: Path) -> Signature:
    """Make sure that a trusted key signed this file for this purpose; an UntrustedError says which of the two fails."""
    temporary = allowed_signers.name.startswith(_TEMPORARY)
    if not allowed_signers.is_file():
        raise UsageError(
            f"There is no list of allowed signers at {allowed_signers}.",
            "Write one line per trusted key; `meentwerk release key FILE` prints it for a signing key.",
        )
    signature_path = path.with_name(f"{path.name}.sig")
    signature = read_signature(signature_path)
    if signature.namespace != NAMESPACE:
        raise UntrustedError(
            f"{signature_path.name} was made for {signature.namespace!r}, not for {NAMESPACE!r}.",
            "It proves nothing about a release. Get the release's own signature from where it was built.",
        )
    result = _ssh_keygen(
        "-Y",
        "verify",
        "-f",
        str(allowed_signers),
        "-I",
        PRINCIPAL,
        "-n",
        NAMESPACE,
        "-s",
        str(signature_path),
        data=path,
    )
    if result.returncode == 0:
        return signature
    valid = _ssh_keygen("-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(signature_path), data=path).returncode == 0
    if not valid:
        raise UntrustedError(
            f"The signature does not belong to {path.name}: one of the two was changed or belongs to another release.",
            "Do not use it. Get archive and signature again from where they were built.",
        )
    raise UntrustedError(
        f"{path.name} is signed by {signature.fingerprint}, which "
        f"{'the list of trusted keys' if temporary else allowed_signers} does not trust for releases.",
        "If it is yours, add the line that `meentwerk release key FILE` prints. Otherwise do not use the release.",
    )
