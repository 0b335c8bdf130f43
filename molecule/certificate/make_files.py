"""Make the certificates that the scenario plays with: a good provided set, bad ones, and the ACME server's own."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
Key = ec.EllipticCurvePrivateKey


def pem(thing: x509.Certificate | Key) -> str:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def sign(
    name: str, key: Key, issuer: x509.Certificate | None, issuer_key: Key, dns: list[str], days: int = 60
) -> x509.Certificate:
    """A certificate for a server when it has DNS names, for a CA when it has none; issuer None means itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=90))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=not dns, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in dns]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    root_key, middle_key, leaf_key, other_key, pebble_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(5))
    root = sign("Example root", root_key, None, root_key, [])
    middle = sign("Example intermediate", middle_key, root, root_key, [])
    names = ["switch.example.test", "*.switch.example.test"]
    leaf = sign("switch.example.test", leaf_key, middle, middle_key, names)
    expired = sign("switch.example.test", leaf_key, middle, middle_key, names, days=-1)
    pebble = sign("pebble.example.test", pebble_key, root, root_key, ["pebble.example.test"])
    files: dict[str, list[x509.Certificate] | list[Key]] = {
        "root": [root],
        "good": [leaf, middle],
        "unordered": [middle, leaf],
        "reversed_issuers": [leaf, root, middle],
        "incomplete": [leaf],
        "expired": [expired, middle],
        "key": [leaf_key],
        "other_key": [other_key],
        "pebble": [pebble],
        "pebble_key": [pebble_key],
    }
    for name, parts in files.items():
        (folder / f"{name}.pem").write_text("".join(pem(part) for part in parts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
