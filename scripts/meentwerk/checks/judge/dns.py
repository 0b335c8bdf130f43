"""DNS as internet.nl and the Dutch list of open standards («pas toe of leg uit») want it.

A cure is the record to add, as a zone file has it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured

AREA = "dns"
REQUIRED = ("address", "aaaa", "dnssec", "caa", "spf", "dkim", "dmarc")


def _same(left: Iterable[str], right: Iterable[str]) -> bool:
    return {ip_address(it) for it in left} == {ip_address(it) for it in right}


def _lines(records: Iterable[str]) -> str:
    return "\n".join(records)


class _Zone:
    """Records one rule for the names it holds for; what is not required is advice."""

    def __init__(self, judge: Judge, required: Sequence[str]) -> None:
        self.judge, self.required = judge, required

    def rule(
        self, key: str, rule_id: str, title: str, *, holds: bool | None, wanted: str, found: str, records: Iterable[str]
    ) -> None:
        cure = _lines(records)
        if key in self.required or holds:
            self.judge.rule(rule_id, title, holds=holds, wanted=wanted, found=found, cure=cure)
        else:
            self.judge.advise(rule_id, title, wanted=wanted, found=found, cure=cure)


def _addresses(zone: _Zone, names: Mapping[str, Mapping[str, Any]], promise: Mapping[str, Any]) -> None:
    given = [str(it) for it in promise["addresses"]]
    for key, id_, title, kind, version in (
        ("address", "DNS-001", "Every name leads to this host (IPv4)", "A", 4),
        ("aaaa", "DNS-002", "Every name leads to this host (IPv6)", "AAAA", 6),
    ):
        wanted = [it for it in given if ip_address(it).version == version]
        found = {name: list(it[kind.lower()]) for name, it in names.items()}
        wrong = [name for name, records in found.items() if not records or (wanted and not _same(records, wanted))]
        zone.rule(
            key,
            id_,
            title,
            holds=not wrong,
            wanted=", ".join(wanted) or f"an {kind} record",
            found="; ".join(f"{name}: {', '.join(found[name]) or 'none'}" for name in wrong or found),
            records=[
                f"{name}. IN {kind} {address}" for name in wrong for address in wanted or ["THE-ADDRESS-OF-THIS-HOST"]
            ],
        )


def _signed(zone: _Zone, measured: Mapping[str, Any]) -> None:
    unsigned = [name for name, it in measured["names"].items() if not it["dnssec"]]
    validates = measured["validates"]
    zone.rule(
        "dnssec",
        "DNS-003",
        "Every name is signed (DNSSEC)",
        holds=not unsigned if validates else None,
        wanted="an answer that the resolver vouches for",
        found=("signed" if not unsigned else "not signed: " + ", ".join(unsigned))
        if validates
        else f"{measured['resolver']} does not validate",
        records=["Have the zone signed, and its DS record put into the zone above by the registrar."]
        if validates
        else ["Set check_resolver to a resolver that validates."],
    )


def allows(records: Iterable[str], authority: str) -> bool:
    """Whether CAA records let one authority, and no other, issue (RFC 8659, 4.2)."""
    issuers = [match[1].split(";")[0].strip() for it in records if (match := re.match(r'\d+ issue "([^"]*)"', it))]
    return bool(issuers) and set(issuers) == {authority}


def _authority(zone: _Zone, names: Mapping[str, Mapping[str, Any]], promise: Mapping[str, Any]) -> None:
    authority, contact = str(promise.get("authority", "")), str(promise.get("contact", ""))
    wrong = [name for name, it in names.items() if not (allows(it["caa"], authority) if authority else it["caa"])]
    found = sorted({record for it in names.values() for record in it["caa"]})
    records = [f'{name}. IN CAA 0 issue "{authority or "YOUR-CA"}"' for name in wrong]
    records += [f'{name}. IN CAA 0 iodef "mailto:{contact}"' for name in wrong if contact]
    zone.rule(
        "caa",
        "DNS-004",
        "Only the CA in use may issue (CAA)",
        holds=not wrong,
        wanted=f'issue "{authority}"' if authority else "a CAA record",
        found=", ".join(found) or "no CAA record",
        records=records,
    )


def _mail(zone: _Zone, mail: Mapping[str, Any], promise: Mapping[str, Any]) -> None:
    domain, senders, contact = promise["mail_domain"], promise.get("mail_senders", []), str(promise.get("contact", ""))
    spf = mail["spf"]
    missing = [sender for sender in senders if not any(sender in record for record in spf)]
    zone.rule(
        "spf",
        "DNS-005",
        "SPF says who sends mail, and that nobody else does",
        holds=len(spf) == 1 and spf[0].split()[-1] in {"-all", "~all"} and not missing,
        wanted="one record that ends in -all" + (f" and has {', '.join(senders)}" if senders else ""),
        found="; ".join(spf) or "none",
        records=[f'{domain}. IN TXT "v=spf1 {"".join(f"{sender} " for sender in senders)}-all"'],
    )
    selectors = mail["dkim"]
    without = [selector for selector, there in selectors.items() if not there]
    if senders and not selectors:
        zone.rule(
            "dkim",
            "DNS-006",
            "Mail is signed (DKIM)",
            holds=None,
            wanted="a key for each selector",
            found="the selectors are not known",
            records=["Set dkim_selectors in check_promise_dns to those of the mail server."],
        )
    elif selectors:
        zone.rule(
            "dkim",
            "DNS-006",
            "Mail is signed (DKIM)",
            holds=not without,
            wanted=", ".join(selectors),
            found="no key for " + ", ".join(without) if without else "every key",
            records=[
                f'{selector}._domainkey.{domain}. IN TXT "v=DKIM1; k=rsa; p=PUBLIC-KEY-OF-THE-MAIL-SERVER"'
                for selector in without
            ],
        )
    dmarc = mail["dmarc"]
    policy = re.search(r"\bp\s*=\s*(\w+)", dmarc[0]) if len(dmarc) == 1 else None
    zone.rule(
        "dmarc",
        "DNS-007",
        "Forged mail is refused (DMARC)",
        holds=policy is not None and policy[1].lower() in {"reject", "quarantine"},
        wanted="one record with p=reject or p=quarantine",
        found="; ".join(dmarc) or "none",
        records=[f'_dmarc.{domain}. IN TXT "v=DMARC1; p=reject{f"; rua=mailto:{contact}" if contact else ""}"'],
    )
    bare = [host for host, records in mail["tlsa"].items() if not records]
    if mail["mx"]:
        zone.rule(
            "dane_mail",
            "DNS-008",
            "Mail servers are pinned (DANE)",
            holds=not bare,
            wanted="TLSA at every MX",
            found="none at " + ", ".join(bare) if bare else "at every MX",
            records=[f"_25._tcp.{host}. IN TLSA 3 1 1 SHA256-OF-ITS-KEY" for host in bare],
        )


def _pinned(zone: _Zone, names: Mapping[str, Mapping[str, Any]], keys: Mapping[str, str]) -> None:
    """DANE for https: browsers ignore it, so it is advice; a record that is wrong is a fault all the same."""
    there = {name: it["tlsa"] for name, it in names.items() if it["tlsa"]}
    wrong = [
        name
        for name, records in there.items()
        if name in keys and not any(keys[name] in it.replace(" ", "").lower() for it in records)
    ]
    if there:
        zone.judge.rule(
            "DNS-009",
            "DANE of the web server fits its key",
            holds=None if not keys else not wrong,
            wanted="TLSA 3 1 1 of the key in use",
            found="does not fit: " + ", ".join(wrong) if wrong else "fits" if keys else "the key is not known",
            cure=_lines(f"_443._tcp.{name}. IN TLSA 3 1 1 {keys[name]}" for name in wrong),
        )
        return
    zone.judge.advise(
        "DNS-009",
        "DANE of the web server",
        found="none",
        cure=_lines([f"_443._tcp.{name}. IN TLSA 3 1 1 {key}" for name, key in keys.items()])
        + (
            "\nOnly where the key stays when the certificate is renewed, or the record is renewed with it."
            if keys
            else ""
        ),
    )


def _reached(zone: _Zone, answers: Mapping[str, str]) -> None:
    """security.txt at the address that DNS gives: what a finder of a weakness gets who knows the name only."""
    wrong = {name: status for name, status in answers.items() if status not in {"", "200"}}
    silent = [name for name, status in answers.items() if not status]
    zone.judge.rule(
        "DNS-010",
        "security.txt is reached by name",
        holds=False if wrong else None if silent or not answers else True,
        wanted="200 at the address that DNS gives",
        found="; ".join(f"{name}: {status}" for name, status in wrong.items())
        or (f"no answer from {', '.join(silent)}" if silent else "200" if answers else "no address to ask"),
        cure="Run site.yml with --tags nginx, and look whether the address is this host's.",
    )


def judge(measured: Mapping[str, Any], promise: Mapping[str, Any]) -> list[Result]:
    """Judge `measured` of probe.dns.measure with `keys` ({name: SHA-256 of the public key}) and
    `security_txt` ({name: status at the address that DNS gives, "" where nothing answers}).

    promise: {required: [of REQUIRED], addresses, authority (CAA's name of the CA), contact, mail_domain, mail_senders
    (SPF's terms), dkim_selectors}.
    """
    if "unknown" in measured:
        return not_measured(AREA, measured)
    result = Judge(AREA)
    zone = _Zone(result, promise.get("required", REQUIRED))
    _addresses(zone, measured["names"], promise)
    _signed(zone, measured)
    _authority(zone, measured["names"], promise)
    _mail(zone, measured["mail"], promise)
    _pinned(zone, measured["names"], measured.get("keys", {}))
    _reached(zone, measured.get("security_txt", {}))
    return result.results
