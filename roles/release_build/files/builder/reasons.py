"""Why a command of a build failed, in words: what it printed and how it ended, turned into cause and cure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import BuildError
from .plan import Plan

SHOWN_LINES = 12
_KILLED = (-9, 137)
_FLAGS = re.IGNORECASE | re.MULTILINE


@dataclass(frozen=True)
class Sign:
    """Words of a tool, what they mean and what helps; both may name {need}, {git}, {gem}, {npm} and {debian}."""

    pattern: str
    cause: str
    cure: str


_MEMORY = Sign(
    r"JavaScript heap out of memory|Cannot allocate memory|virtual memory exhausted|failed to allocate memory"
    r"|NoMemoryError|\bKilled$|SIGKILL|signal 9\b",
    "there was not enough memory",
    "Give the builder at least {need} MB of memory, stop what else runs on it, and build again.",
)
_DISK = Sign(
    r"No space left on device|ENOSPC|Disk quota exceeded",
    "the builder's disk is full",
    "Make room there, or give the builder a larger disk, and build again: finished stages are kept.",
)
_CERTIFICATE = Sign(
    r"certificate verify failed|SELF_SIGNED_CERT|self[- ]signed certificate|unable to get local issuer"
    r"|server certificate verification failed|unable to verify the first certificate|UNABLE_TO_[A-Z_]+",
    "a server's certificate is of an authority that the builder does not know",
    "Behind a proxy that inspects TLS, name the file with its authority: release_build_ca_certificates.",
)
_UNREACHABLE = Sign(
    r"Could not resolve|Temporary failure in name resolution|Could not connect|Failed to connect|Connection refused"
    r"|Connection timed out|Network is unreachable|Could not reach host|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT"
    r"|EAI_AGAIN|getaddrinfo|Failed to open TCP connection|Network error|Unable to connect|Failed to fetch"
    r"|Could not fetch specs|RequestError|The requested URL returned error: 50[0-9]|Internal Server Error|Bad Gateway"
    r"|Service Unavailable",
    "a source does not answer",
    "In use: git {git}, gems {gem}, npm {npm}, Debian {debian}. Check that the builder reaches them, or set "
    "release_build_git_mirror, _gem_mirror, _npm_mirror, _debian_mirror or release_build_proxy.",
)
_FROZEN = Sign(
    r"YN0028|lockfile would have been (modified|created)|frozen mode is set|in frozen mode|deployment mode"
    r"|the lockfile (can't|cannot) be updated|dependencies in your gemfile changed|lockfile is missing"
    r"|Your lockfile is (missing|out of)",
    "the lockfile of the source does not fit what the source asks for",
    "The tag is not buildable as it stands: commit Gemfile.lock and yarn.lock with the change, and build that tag.",
)
_HASH = Sign(
    r"YN0018|The remote archive doesn't match|checksum mismatch|checksums? .*(do|does) not match"
    r"|Bundler cannot continue installing",
    "something that was downloaded is not what the lockfile says",
    "Do not use that source: a package was replaced, or a mirror is broken. Nothing of it was run.",
)
_SIGNS = (_MEMORY, _DISK, _CERTIFICATE, _HASH, _FROZEN, _UNREACHABLE)


def explain(
    what: str, code: int, lines: Sequence[str], plan: Plan, log: str, *, out_of_memory: bool = False
) -> BuildError:
    """Make the error of a command that ended with `code` after printing `lines`.

    `out_of_memory`: the kernel killed something for want of memory while it ran. What was killed may be a child, whose
    parent then says something else.
    """
    text = "\n".join(lines)
    end = "\n".join(f"  {line[:300]}" for line in lines[-SHOWN_LINES:])
    if code in _KILLED or out_of_memory:
        sign: Sign | None = Sign("", f"it ended with {code}, killed for want of memory", _MEMORY.cure)
    else:
        sign = next((each for each in _SIGNS if re.search(each.pattern, text, _FLAGS)), None)
    if sign is None:
        return BuildError(
            f"{what}: ended with {code}. Its last lines:\n{end}", f"All of its output is on the builder: {log}."
        )
    words = {"need": plan.memory_mb, "git": plan.git_source, "gem": plan.gem_source, "npm": plan.registry,
             "debian": plan.debian_mirror or "as the builder's own apt is set"}  # fmt: skip
    telling = next(
        (line.strip() for line in reversed(lines) if sign.pattern and re.search(sign.pattern, line, _FLAGS)), ""
    )
    said = f" ({telling[:300]})" if telling else ""
    return BuildError(f"{what}: {sign.cause}{said}.", sign.cure.format(**words))
