"""TLS against NCSC-NL's guideline (2025-05) as internet.nl tests it, and the version that the statute pins (2.1)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured
from meentwerk.checks.suites import CIPHERS, SUFFICIENT

AREA = "tls"
_NGINX = "Run site.yml with --tags nginx. Where that changes nothing, look for what was added in /etc/nginx/conf.d."
_CERTIFICATE = "Run site.yml with --tags certificate, and read the certificate role's README for the mode in use."
_RSA_GOOD, _EC = 3072, ("secp256r1", "secp384r1", "secp521r1", "Ed25519", "Ed448")
_BAD_HASHES = {"md5", "sha1", "sha224"}


class _Facts:
    """One fact of each address; those that were not measured stay apart."""

    def __init__(self, addresses: Mapping[str, Mapping[str, Any]]) -> None:
        self.measured = {address: facts for address, facts in addresses.items() if "unknown" not in facts}
        self.missing = {address: str(facts["unknown"]) for address, facts in addresses.items() if "unknown" in facts}

    def found(self, texts: Mapping[str, str]) -> str:
        """Say it once where every address says the same, else for each."""
        if len(set(texts.values())) == 1 and not self.missing:
            return next(iter(texts.values()))
        said = [f"{address}: {text}" for address, text in texts.items()]
        return "; ".join([*said, *self.missing.values()])

    def rule(
        self, judge: Judge, rule_id: str, title: str, verdicts: Mapping[str, tuple[bool | None, str]], **texts: str
    ) -> None:
        """Hold where it holds at every address; unknown where one was not measured and none fails."""
        states = [verdict for verdict, _ in verdicts.values()]
        holds = False if False in states else None if None in states or self.missing or not states else True
        said = {address: text for address, (_, text) in verdicts.items()}
        judge.rule(rule_id, title, holds=holds, found=self.found(said) or "nothing", **texts)


def _list(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def _good_first(ciphers: Sequence[str]) -> bool:
    grades = dict(CIPHERS.values())
    order = [grades.get(name) == SUFFICIENT for name in ciphers]
    return order == sorted(order)


def _protocol(judge: Judge, facts: _Facts) -> None:
    every = facts.measured
    old = ("SSL 3.0", "TLS 1.0", "TLS 1.1")
    facts.rule(
        judge,
        "TLS-001",
        "Only TLS 1.2 and 1.3",
        {
            address: (
                it["versions"]["TLS 1.3"]
                and it["versions"]["TLS 1.2"]
                and not any(it["versions"][name] for name in old),
                _list(name for name, taken in it["versions"].items() if taken),
            )
            for address, it in every.items()
        },
        wanted="TLS 1.2, TLS 1.3",
        cure=_NGINX,
    )
    facts.rule(
        judge,
        "TLS-002",
        "Only ciphers that are good or sufficient",
        {
            address: (
                not it["ciphers"]["other"] and bool(it["ciphers"]["TLS 1.3"]),
                _list(
                    [
                        *it["ciphers"]["TLS 1.3"],
                        *it["ciphers"]["TLS 1.2"],
                        *(f"{name} (not in the guideline)" for name in it["ciphers"]["other"]),
                    ]
                ),
            )
            for address, it in every.items()
        },
        wanted="AES-GCM, AES-CCM and ChaCha20-Poly1305 with ECDHE, nothing else",
        cure=_NGINX,
    )
    facts.rule(
        judge,
        "TLS-003",
        "The server's order counts, better ciphers first",
        {
            address: (
                it["order"]["TLS 1.2"] is not False and _good_first(it["ciphers"]["TLS 1.3"]),
                _list(it["ciphers"]["TLS 1.3"]),
            )
            for address, it in every.items()
        },
        wanted="ssl_prefer_server_ciphers, and in TLS 1.3 the good ones first",
        cure=_NGINX,
    )
    facts.rule(
        judge,
        "TLS-004",
        "Key exchange by good curves only, no finite field",
        {
            address: (
                bool(it["groups"]) and not it["weak_groups"],
                _list([*it["groups"], *(f"{name} (weak)" for name in it["weak_groups"])]),
            )
            for address, it in every.items()
        },
        wanted="X25519, P-256, P-384 or better, alone or in a hybrid; no DHE",
        cure=_NGINX,
    )
    facts.rule(
        judge,
        "TLS-006",
        "No SHA-1, no SHA-224 in the key exchange",
        {address: (not it["weak_signatures"], _list(it["weak_signatures"])) for address, it in every.items()},
        wanted="none",
        cure=_NGINX,
    )


def _hybrid(judge: Judge, facts: _Facts) -> None:
    facts.rule(
        judge,
        "TLS-005",
        "A hybrid key exchange that a later quantum computer does not undo",
        {
            address: (any("MLKEM" in name for name in it["groups"]), _list(it["groups"]))
            for address, it in facts.measured.items()
        },
        wanted="X25519MLKEM768",
        cure=_NGINX,
    )


def _session(judge: Judge, facts: _Facts) -> None:
    every = facts.measured
    yes = {True: "yes", False: "no", None: "not measured"}
    facts.rule(
        judge,
        "TLS-007",
        "Extended master secret and secure renegotiation",
        {
            address: (
                it["extended_master_secret"] and it["secure_renegotiation"],
                f"{yes[it['extended_master_secret']]} and {yes[it['secure_renegotiation']]}",
            )
            for address, it in every.items()
        },
        wanted="yes and yes",
        cure="Update nginx and OpenSSL of the host: Debian 13's have both.",
    )
    facts.rule(
        judge,
        "TLS-008",
        "No compression of the connection",
        {address: (not it["compression"], yes[it["compression"]]) for address, it in every.items()},
        wanted="no",
        cure=_NGINX,
    )
    facts.rule(
        judge,
        "TLS-009",
        "No early data (0-RTT)",
        {
            address: (
                None if it["early_data"] is None else it["early_data"] == 0,
                "not measured" if it["early_data"] is None else f"{it['early_data']} bytes",
            )
            for address, it in every.items()
        },
        wanted="0 bytes",
        cure="Install openssl on the controller to have it measured; set ssl_early_data off where it is on.",
    )


def _key_is_good(certificate: Mapping[str, Any]) -> bool:
    return certificate["key"] in _EC or (certificate["key"] == "RSA" and certificate["bits"] >= _RSA_GOOD)


def _covers(names: Sequence[str], name: str) -> bool:
    return name in names or f"*.{name.partition('.')[2]}" in names


def _certificate(
    judge: Judge, facts: _Facts, others: Mapping[str, Any], promise: Mapping[str, Any], now: datetime
) -> None:
    shown = {address: it["certificate"] for address, it in facts.measured.items()}
    facts.rule(
        judge,
        "TLS-010",
        "The certificate's key and signature are strong",
        {
            address: (
                _key_is_good(it) and it["signature_hash"] not in _BAD_HASHES,
                f"{it['key']} {it['bits']} bits, {it['signature_hash'] or 'EdDSA'}",
            )
            for address, it in shown.items()
        },
        wanted="elliptic curve of 256 bits or more, or RSA of 3072; SHA-256 or better",
        cure=_CERTIFICATE,
    )
    facts.rule(
        judge,
        "TLS-011",
        "The certificate is trusted for the name",
        {address: (not it["trusted"], it["trusted"] or f"issued by {it['issuer']}") for address, it in shown.items()},
        wanted="a chain to a CA that this controller trusts",
        cure=_CERTIFICATE,
    )
    least = int(promise["days_left"])
    left = {address: (datetime.fromisoformat(it["not_after"]) - now).days for address, it in shown.items()}
    facts.rule(
        judge,
        "TLS-012",
        "The certificate is renewed in time",
        {address: (days >= least, f"{days} days left") for address, days in left.items()},
        wanted=f"{least} days or more",
        cure=_CERTIFICATE,
    )
    if others:
        wrong = {name: it.get("unknown") or it["trusted"] for name, it in others.items()}
        wrong |= {
            name: "not in the certificate"
            for name, it in others.items()
            if not wrong[name] and not _covers(it["names"], name)
        }
        said = [f"{name}: {reason}" for name, reason in wrong.items() if reason]
        judge.rule(
            "TLS-013",
            "Every further name has a certificate that is trusted",
            holds=not said,
            wanted=_list(others),
            found="; ".join(said) or _list(others),
            cure=_CERTIFICATE,
        )


def _advice(judge: Judge, facts: _Facts) -> None:
    if len(facts.measured) > 1:
        keys = ("versions", "ciphers", "groups", "weak_signatures")
        views = [
            {key: it[key] for key in keys} | {"certificate": it["certificate"]["key_sha256"]}
            for it in facts.measured.values()
        ]
        judge.rule(
            "TLS-014",
            "The same on every address",
            holds=all(view == views[0] for view in views),
            wanted="IPv4 and IPv6 alike",
            found="alike" if all(view == views[0] for view in views) else "different settings or certificates",
            cure=_NGINX,
        )
    certificate = next(iter(facts.measured.values()))["certificate"]
    if certificate["ocsp"]:
        judge.advise(
            "TLS-015",
            "OCSP",
            found=f"the CA answers at {_list(certificate['ocsp'])}; stapled: "
            + ("yes" if any(it["stapled"] for it in facts.measured.values()) else "no"),
            cure="Stapling saves visitors a question to the CA: ssl_stapling and a resolver, in /etc/nginx/conf.d.",
        )
    else:
        judge.advise("TLS-015", "OCSP", found="the CA has none, so nothing can be stapled", cure="")


def judge(measured: Mapping[str, Any], promise: Mapping[str, Any]) -> list[Result]:
    """Judge `measured` of probe.tls.measure with `now` (ISO 8601); promise: days_left, post_quantum."""
    if "unknown" in measured:
        return not_measured(AREA, measured)
    facts, result = _Facts(measured["addresses"]), Judge(AREA)
    if not facts.measured:
        return not_measured(
            AREA,
            {
                "unknown": "; ".join(facts.missing.values()),
                "cure": "Look whether nginx runs and the firewall lets this controller in.",
            },
        )
    _protocol(result, facts)
    if promise.get("post_quantum", True):
        _hybrid(result, facts)
    _session(result, facts)
    _certificate(result, facts, measured["names"], promise, datetime.fromisoformat(measured["now"]))
    _advice(result, facts)
    return result.results
