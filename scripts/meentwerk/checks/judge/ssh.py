"""sshd by its effective settings (sshd -T), and as ssh-audit grades it from outside."""

from collections.abc import Mapping
from typing import Any

from meentwerk.checks.model import Judge, Result

AREA = "ssh"
_CURE = "Run site.yml with --tags ssh; sshd -T on the host shows the settings that count."


def _words(value: object) -> list[str]:
    return [str(it) for it in value] if isinstance(value, list | tuple) else [str(value)]


def fits(wanted: object, found: object) -> bool:
    """Compare one setting: {max: n}, {any: [...]}, a list in any order, or a value; case does not count."""
    if isinstance(wanted, Mapping):
        if "max" in wanted:
            return str(found).isdigit() and int(str(found)) <= int(wanted["max"])
        return str(found).lower() in [str(it).lower() for it in wanted["any"]]
    return sorted(it.lower() for it in _words(wanted)) == sorted(it.lower() for it in _words(found))


def _shown(wanted: object) -> str:
    if isinstance(wanted, Mapping):
        return f"at most {wanted['max']}" if "max" in wanted else " or ".join(_words(wanted["any"]))
    return ", ".join(_words(wanted))


def _settings(result: Judge, measured: Mapping[str, Any], promise: Mapping[str, Any]) -> None:
    settings = measured["settings"]
    for name, wanted in promise["settings"].items():
        found = settings.get(name)
        result.rule(
            f"SSH-{name}",
            f"sshd's {name}",
            holds=None if "unknown" in settings else fits(wanted, found if found is not None else ""),
            wanted=_shown(wanted),
            found=str(settings.get("unknown") or ("not set" if found is None else _shown(found))),
            cure=_CURE,
        )


def _audit(result: Judge, audit: Mapping[str, Any], promise: Mapping[str, Any]) -> None:
    unknown = audit.get("unknown")
    cure = str(audit.get("cure") or _CURE)
    for level, id_ in (("failures", "SSH-AUDIT-1"), ("warnings", "SSH-AUDIT-2")):
        found = audit.get(level, [])
        result.rule(
            id_,
            f"ssh-audit's {level}",
            holds=None if unknown else len(found) <= int(promise[level]),
            wanted=str(promise[level]),
            found=str(unknown or f"{len(found)}{': ' if found else ''}{', '.join(found)}"),
            cure=cure,
        )
    hybrid = audit.get("post_quantum", [])
    result.rule(
        "SSH-AUDIT-3",
        "Post-quantum key exchange is offered",
        holds=None if unknown else bool(hybrid),
        wanted="mlkem768x25519-sha256 or sntrup761x25519-sha512",
        found=str(unknown or ", ".join(hybrid) or "none"),
        cure=cure,
    )


def judge(measured: Mapping[str, Any], promise: Mapping[str, Any]) -> list[Result]:
    """Judge {settings: {name: value} or {unknown}, audit: {failures, warnings, post_quantum} or {unknown, cure}}."""
    result = Judge(AREA)
    _settings(result, measured, promise)
    _audit(result, measured["audit"], promise)
    return result.results
