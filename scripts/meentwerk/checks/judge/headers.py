"""What answers carry for the safety of visitors, as internet.nl and the OWASP secure headers project read it."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from meentwerk.checks.model import Judge, Result, not_measured

AREA = "headers"
_CURE = "Run site.yml with --tags nginx; a header that the application sends itself is changed there."
_PARTS = ("page", "api", "file")
_REFERRER = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
_YEAR, _OK, _ERROR = 31_536_000, 200, 400
Answer = Mapping[str, Any]
Verdict = tuple[bool, str]


def _values(answer: Answer, name: str) -> list[str]:
    values: list[str] = answer["headers"].get(name, [])
    return values


def _hsts(answer: Answer, seconds: int) -> Verdict:
    values = _values(answer, "strict-transport-security")
    ages = [int(age) for value in values for age in re.findall(r"max-age=(\d+)", value)]
    return len(values) == 1 and ages[:1] >= [max(seconds, _YEAR)], " and ".join(values) or "not sent"


def _exactly(name: str, accepted: Callable[[str], bool]) -> Callable[[Answer], Verdict]:
    def verdict(answer: Answer) -> Verdict:
        values = _values(answer, name)
        return len(values) == 1 and accepted(values[0]), " and ".join(values) or "not sent"

    return verdict


def directives(policy: str) -> dict[str, list[str]]:
    """Take a content security policy apart; the first of a name counts (CSP 3, 2.2.1)."""
    found: dict[str, list[str]] = {}
    for part in policy.split(";"):
        name, *values = part.split() or [""]
        if name:
            found.setdefault(name.lower(), [value.lower() for value in values])
    return found


def _framed(answer: Answer) -> Verdict:
    """Either header keeps a page out of other sites' frames."""
    options = [value.upper() for value in _values(answer, "x-frame-options")]
    ancestors = [directives(value).get("frame-ancestors", []) for value in _values(answer, "content-security-policy")]
    closed = options in (["DENY"], ["SAMEORIGIN"]) or any(it in (["'none'"], ["'self'"]) for it in ancestors)
    said = [*options, *(f"frame-ancestors {' '.join(it)}" for it in ancestors if it)]
    return closed, ", ".join(said) or "neither is sent"


def policy_problems(policy: str) -> list[str]:
    """Say what a policy leaves open: foreign or inline scripts, a base, plug-ins."""
    found = directives(policy)
    default = found.get("default-src", ["*"])
    scripts = found.get("script-src", default)
    problems = [
        f"script-src {value}"
        for value in scripts
        if value in {"*", "'unsafe-inline'", "'unsafe-eval'", "http:", "https:", "data:"}
    ]
    if found.get("object-src", default) not in (["'none'"], ["'self'"]):
        problems.append("no limit on object-src")
    if "base-uri" not in found:
        problems.append("no base-uri")
    return problems


def _policy(answer: Answer) -> Verdict:
    values = _values(answer, "content-security-policy")
    # A nonce makes browsers leave 'unsafe-inline' aside; it changes with every answer, so it is not shown
    shown = [re.sub(r"'nonce-[^']+'", "'nonce-…'", value) for value in values]
    problems = [problem for value in values for problem in policy_problems(value)]
    return bool(values) and not problems, ", ".join(problems) or " and ".join(shown) or "not sent"


class _Views:
    """The measured answers, by address and kind of answer."""

    def __init__(self, addresses: Mapping[str, Mapping[str, Any]]) -> None:
        self.measured = {address: it for address, it in addresses.items() if "unknown" not in it}
        self.missing = [str(it["unknown"]) for it in addresses.values() if "unknown" in it]

    def rule(
        self,
        judge: Judge,
        rule_id: str,
        title: str,
        verdict: Callable[[Answer], Verdict],
        parts: tuple[str, ...] = _PARTS,
        *,
        wanted: str,
    ) -> None:
        """Hold where every answer of every address does."""
        looked = {(address, part): verdict(it[part]) for address, it in self.measured.items() for part in parts}
        wrong = {f"{text} ({part} at {address})" for (address, part), (holds, text) in looked.items() if not holds}
        self.record(judge, rule_id, title, wrong, next(iter(looked.values()))[1], wanted)

    def each(
        self,
        judge: Judge,
        rule_id: str,
        title: str,
        verdict: Callable[[Answer], Verdict],
        *,
        wanted: str,
        cure: str = _CURE,
    ) -> None:
        """Hold where it does for every address."""
        looked = {address: verdict(it) for address, it in self.measured.items()}
        wrong = {f"{text} ({address})" for address, (holds, text) in looked.items() if not holds}
        self.record(judge, rule_id, title, wrong, next(iter(looked.values()))[1], wanted, cure)

    def record(
        self, judge: Judge, rule_id: str, title: str, wrong: set[str], right: str, wanted: str, cure: str = _CURE
    ) -> None:
        """Unknown where an address was not reached and no other is wrong."""
        holds = False if wrong else None if self.missing else True
        found = "; ".join([*sorted(wrong), *self.missing]) or right
        judge.rule(rule_id, title, holds=holds, wanted=wanted, found=found, cure=cure)


def security_txt(answer: Answer, now: datetime) -> list[str]:
    """Say what is wrong with a security.txt (RFC 9116): kind, contact, an end between a month and a year away."""
    if answer["status"] != _OK:
        return [f"status {answer['status']}"]
    problems = []
    if not (_values(answer, "content-type") or [""])[0].startswith("text/plain"):
        problems.append("not text/plain")
    fields = [line.partition(":") for line in answer["body"].splitlines() if ":" in line and not line.startswith("#")]
    values: dict[str, list[str]] = {}
    for name, _, value in fields:
        values.setdefault(name.strip().lower(), []).append(value.strip())
    if not values.get("contact"):
        problems.append("no Contact")
    try:
        (text,) = values["expires"]
        left = datetime.fromisoformat(text.upper().replace("Z", "+00:00")) - now
    except (KeyError, ValueError):
        return [*problems, "no single Expires that is a time"]
    if left < timedelta(days=30):
        problems.append(f"Expires in {left.days} days")
    if left > timedelta(days=366):
        problems.append("Expires in more than a year")
    return problems


def _redirect(name: str) -> Callable[[Answer], Verdict]:
    def verdict(it: Answer) -> Verdict:
        answer = it["redirect"]
        place = (_values(answer, "location") or [""])[0]
        return answer["status"] in {
            301,
            308,
        } and place == f"https://{name}/about?x=y", f"{answer['status']} {place}".strip()

    return verdict


def _server(answer: Answer) -> Verdict:
    said = [*_values(answer, "server"), *_values(answer, "x-powered-by")]
    return not any(re.search(r"\d+\.\d+", value) for value in said), ", ".join(said) or "nothing"


def judge(measured: Mapping[str, Any], promise: Mapping[str, Any]) -> list[Result]:
    """Judge `measured` of probe.web.measure with `now`; promise: hsts_seconds, compress_pages."""
    if "unknown" in measured:
        return not_measured(AREA, measured)
    views, result = _Views(measured["addresses"]), Judge(AREA)
    if not views.measured:
        return not_measured(
            AREA,
            {
                "unknown": "; ".join(views.missing),
                "cure": "Look whether nginx runs and the firewall lets this controller in.",
            },
        )
    now, name, seconds = datetime.fromisoformat(measured["now"]), measured["name"], int(promise["hsts_seconds"])
    views.each(
        result, "WEB-001", "http leads to https on the same name", _redirect(name), wanted="301 to the same path"
    )
    views.rule(
        result,
        "WEB-002",
        "Browsers keep to https (HSTS), said once",
        lambda it: _hsts(it, seconds),
        wanted=f"one header, max-age={seconds} or more",
    )
    views.rule(
        result,
        "WEB-003",
        "A file is what its type says",
        _exactly("x-content-type-options", lambda value: value == "nosniff"),
        wanted="nosniff",
    )
    views.rule(
        result,
        "WEB-004",
        "Other sites do not learn what was read here",
        _exactly("referrer-policy", lambda value: value.split(",")[-1].strip() in _REFERRER),
        wanted="same-origin or stricter, once",
    )
    views.rule(
        result,
        "WEB-005",
        "No other site puts a page into a frame",
        _framed,
        wanted="X-Frame-Options DENY or frame-ancestors 'none'",
    )
    views.rule(
        result,
        "WEB-006",
        "A content security policy without inline or foreign scripts",
        _policy,
        ("page",),
        wanted="scripts of this site only, no plug-ins, no base",
    )
    views.rule(
        result,
        "WEB-007",
        "Camera, microphone, location and the like are off",
        _exactly(
            "permissions-policy",
            lambda value: all(f"{it}=()" in value for it in ("camera", "microphone", "geolocation")),
        ),
        wanted="camera=(), microphone=(), geolocation=() ...",
    )
    views.rule(result, "WEB-008", "Servers do not tell their versions", _server, wanted="no version")
    if not promise.get("compress_pages"):
        views.rule(
            result,
            "WEB-009",
            "Pages are not compressed (BREACH)",
            lambda it: (
                not _values(it, "content-encoding"),
                ", ".join(_values(it, "content-encoding")) or "not compressed",
            ),
            ("page",),
            wanted="not compressed",
        )
    views.each(
        result,
        "WEB-010",
        "Names that are not served get no answer",
        lambda it: (it["strangers_refused"], "refused" if it["strangers_refused"] else "answered"),
        wanted="refused",
    )
    views.each(
        result,
        "WEB-011",
        "A cookie of 2 kB is taken",
        lambda it: (it["cookie"] < _ERROR, f"status {it['cookie']}"),
        wanted="the page",
    )
    views.each(
        result,
        "WEB-012",
        "security.txt is there, and valid for a month at least",
        lambda it: (
            not (
                said := [
                    f"{each}: {problem}"
                    for each, answer in it["security_txt"].items()
                    for problem in security_txt(answer, now)
                ]
            ),
            "; ".join(said) or "valid",
        ),
        wanted="RFC 9116, on every name",
        cure="Run site.yml with --tags nginx: each run renews Expires. Set nginx_security_txt where it is empty.",
    )
    return result.results
