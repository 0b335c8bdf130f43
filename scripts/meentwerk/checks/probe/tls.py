"""Handshakes with a server: every version, cipher, group and hash that it accepts, its certificate, and 0-RTT."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID

from meentwerk.checks.probe import Target, family
from meentwerk.checks.suites import (
    CIPHERS,
    GROUPS,
    HYBRID_GROUPS,
    OTHER_CIPHERS,
    OTHER_CIPHERS_13,
    OTHER_GROUPS,
    OTHER_SIGNATURES,
    SIGNATURES,
    cipher_name,
    group_name,
    signature_name,
)
from meentwerk.checks.wire import SSL3, TLS10, TLS11, TLS12, TLS13, VERSIONS, Answer, Hello, ask

_GOOD_12 = tuple(number for number in CIPHERS if number >> 8 != 0x13)  # noqa: PLR2004
_GOOD_13 = tuple(number for number in CIPHERS if number >> 8 == 0x13)  # noqa: PLR2004
_ALL_GROUPS = (*GROUPS, *HYBRID_GROUPS)
_CURVES = {"secp256r1": 23, "secp384r1": 24, "secp521r1": 25}


class _Server:
    """One name at one address. Every method is one or more ClientHellos."""

    def __init__(self, name: str, address: str, target: Target) -> None:
        self.base = Hello(name, TLS12, _GOOD_12, tuple(GROUPS), (*SIGNATURES, *OTHER_SIGNATURES))
        self._ask = partial(ask, address, target.port, timeout=target.timeout)

    def ask(self, **changes: Any) -> Answer:  # noqa: ANN401  # the fields of Hello
        return self._ask(hello=replace(self.base, **changes))

    def versions(self) -> dict[str, bool]:
        """Say of each version whether a hello with everything in it is accepted."""
        old = {"ciphers": (*_GOOD_12, *OTHER_CIPHERS), "groups": (*GROUPS, *OTHER_GROUPS)}
        return {
            "SSL 3.0": self.ask(version=SSL3, **old).accepted,
            "TLS 1.0": self.ask(version=TLS10, **old).version == TLS10,
            "TLS 1.1": self.ask(version=TLS11, **old).version == TLS11,
            "TLS 1.2": self.ask(version=TLS12, **old).version == TLS12,
            "TLS 1.3": self._modern(ciphers=_GOOD_13).version == TLS13,
        }

    def _modern(self, **changes: Any) -> Answer:  # noqa: ANN401
        return self.ask(**{"version": TLS13, "ciphers": _GOOD_13, "groups": _ALL_GROUPS, **changes})

    def taken(self, version: int, offered: Iterable[int]) -> list[int]:
        """List the ciphers that are accepted, in the server's order: what it chose is not offered again."""
        ask_ = self._modern if version == TLS13 else self.ask
        left, found = list(offered), []
        while left and (cipher := self._choice(ask_(version=version, ciphers=tuple(left)), version)) in left:
            found.append(cipher)
            left.remove(cipher)
        return found

    @staticmethod
    def _choice(answer: Answer, version: int) -> int:
        chosen = answer.accepted and answer.version == version and answer.cipher is not None
        return answer.cipher if chosen and answer.cipher is not None else -1

    def groups_13(self) -> list[int]:
        """List the groups that are accepted in TLS 1.3, in the server's order."""
        left, found = [*_ALL_GROUPS, *OTHER_GROUPS], []
        while left and (group := self._modern(groups=tuple(left)).group) in left:
            found.append(group)
            left.remove(group)
        return [group for group in found if group is not None]

    def prefers(self, version: int, ciphers: Sequence[int]) -> bool | None:
        """Whether the server's order counts and not the client's; None where there is no choice."""
        if len(ciphers) < 2:  # noqa: PLR2004
            return None
        ask_ = self._modern if version == TLS13 else self.ask
        return ask_(version=version, ciphers=tuple(reversed(ciphers))).cipher == ciphers[0]


def _weaknesses(server: _Server, curve: int) -> dict[str, Any]:
    """Offer only what must not be accepted."""
    weak_curves = server.ask(groups=(*OTHER_GROUPS, curve))
    with_compression = server.ask(compressions=(1, 0))
    by_default = server.ask(signatures=())
    signatures = [signature_name(it) for it in OTHER_SIGNATURES if server.ask(signatures=(it,)).accepted]
    if by_default.accepted and by_default.signature is not None and by_default.signature not in SIGNATURES:
        signatures.append(signature_name(by_default.signature))
    return {
        "signatures": signatures,
        "groups": [group_name(it) for it in OTHER_GROUPS if weak_curves.group == it],
        "compression": with_compression.accepted and with_compression.compression != 0,
    }


def handshakes(name: str, address: str, target: Target, curve: int = 23) -> dict[str, Any]:
    """Measure everything that a ClientHello can show, for one name at one address (some 40 short connections)."""
    server = _Server(name, address, target)
    versions = server.versions()
    found: dict[str, Any] = {"versions": versions}
    plain = server.ask()
    ciphers = server.taken(TLS12, _GOOD_12) if versions["TLS 1.2"] else []
    weak = [*server.taken(TLS12, OTHER_CIPHERS), *server.taken(TLS13, OTHER_CIPHERS_13)]
    modern = server.taken(TLS13, _GOOD_13) if versions["TLS 1.3"] else []
    groups = server.groups_13() if versions["TLS 1.3"] else [plain.group] if plain.group else []
    weaknesses = _weaknesses(server, curve)
    found["ciphers"] = {
        "TLS 1.3": [cipher_name(number) for number in modern],
        "TLS 1.2": [cipher_name(number) for number in ciphers],
        "other": [cipher_name(number) for number in weak],
    }
    found["order"] = {"TLS 1.2": server.prefers(TLS12, ciphers)}
    found["groups"] = [group_name(number) for number in groups if number not in OTHER_GROUPS]
    found["weak_groups"] = [group_name(n) for n in groups if n in OTHER_GROUPS] + weaknesses["groups"]
    found["weak_signatures"] = weaknesses["signatures"]
    found["compression"] = weaknesses["compression"]
    found["extended_master_secret"] = plain.extended_master_secret if plain.accepted else None
    found["secure_renegotiation"] = plain.secure_renegotiation if plain.accepted else None
    found["stapled"] = plain.stapled
    return found


def _key(certificate: x509.Certificate) -> dict[str, Any]:
    key = certificate.public_key()
    match key:
        case ec.EllipticCurvePublicKey():
            return {"key": key.curve.name, "bits": key.curve.key_size}
        case rsa.RSAPublicKey():
            return {"key": "RSA", "bits": key.key_size}
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return {"key": type(key).__name__.removesuffix("PublicKey"), "bits": 256}
        case _:
            return {"key": type(key).__name__, "bits": 0}


def describe(der: bytes) -> dict[str, Any]:
    """Give the facts of a certificate: key, names, end, hash of its signature, and what DANE and OCSP need of it."""
    certificate = x509.load_der_x509_certificate(der)
    extensions = certificate.extensions
    names, responders = [], []
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = extension.value.get_values_for_type(x509.DNSName)
        elif isinstance(extension.value, x509.AuthorityInformationAccess):
            responders = [
                str(access.access_location.value)
                for access in extension.value
                if access.access_method == AuthorityInformationAccessOID.OCSP
            ]
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    hash_ = certificate.signature_hash_algorithm
    return {
        **_key(certificate),
        "names": names,
        "not_after": certificate.not_valid_after_utc.astimezone(UTC).isoformat(),
        "signature_hash": hash_.name if hash_ else "",
        "issuer": certificate.issuer.rfc4514_string(),
        "ocsp": responders,
        "key_sha256": digest.finalize().hex(),
    }


def _context(ca_file: str, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def certificate(name: str, address: str, target: Target) -> dict[str, Any]:
    """Ask for the certificate and verify it for the name; `trusted` says why where it is not."""
    trusted = ""
    for verify in (True, False):
        try:
            with (
                socket.create_connection((address, target.port), target.timeout) as connection,
                _context(target.ca_file, verify).wrap_socket(connection, server_hostname=name) as secure,
            ):
                return {**describe(secure.getpeercert(binary_form=True) or b""), "trusted": trusted}
        except ssl.SSLCertVerificationError as error:
            trusted = error.verify_message or str(error)
    raise ValueError(f"{name} shows no certificate")


def early_data(name: str, address: str, target: Target) -> int | None:
    """Say how many bytes the server takes before the handshake is done (0-RTT); None where no openssl can ask."""
    if not shutil.which("openssl"):
        return None
    place = f"[{address}]:{target.port}" if ":" in address else f"{address}:{target.port}"
    request = f"GET /robots.txt HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    try:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", place, "-servername", name, "-tls1_3", "-ign_eof"],
            input=request, capture_output=True, text=True, errors="replace", timeout=target.timeout, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    sizes = re.findall(r"Max Early Data: (\d+)", done.stdout)
    if sizes:
        return max(map(int, sizes))
    # A server that gives no ticket has nothing that early data could refer to
    return 0 if "HTTP/1.1 " in done.stdout else None


def _one(target: Target, address: str) -> dict[str, Any]:
    name = target.names[0]
    try:
        shown = certificate(name, address, target)
        return {
            **handshakes(name, address, target, _CURVES.get(str(shown["key"]), 23)),
            "certificate": shown,
            "early_data": early_data(name, address, target),
        }
    except (OSError, ValueError) as error:
        return {"unknown": f"{name} at {address}, port {target.port}: {getattr(error, 'strerror', None) or error}"}


def _others(target: Target) -> dict[str, Any]:
    """Only the certificate of the further names: the server's settings are the same for all."""
    found: dict[str, Any] = {}
    for name in target.names[1:]:
        try:
            found[name] = certificate(name, target.addresses[0], target)
        except (OSError, ValueError) as error:
            found[name] = {"unknown": str(getattr(error, "strerror", None) or error)}
    return found


def measure(target: Target) -> dict[str, Any]:
    """Measure every address side by side; {address: facts}, and the certificates of further names."""
    if not target.addresses:
        return {"unknown": "no address of the host is known", "cure": "Have DNS lead there, or set check_addresses."}
    with ThreadPoolExecutor(len(target.addresses)) as pool:
        found = dict(zip(target.addresses, pool.map(partial(_one, target), target.addresses), strict=True))
    return {
        "addresses": {address: {"family": family(address), **facts} for address, facts in found.items()},
        "names": _others(target),
    }


__all__ = ["VERSIONS", "certificate", "describe", "early_data", "handshakes", "measure"]
