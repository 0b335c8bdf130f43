"""Judging all accounts: side by side, with progress, and the same question asked once."""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from meentwerk.console import note
from meentwerk.identities import lookalikes
from meentwerk.identities.checks import Judge
from meentwerk.identities.fetch import Fetcher
from meentwerk.identities.model import Account, Result, Verdict
from meentwerk.identities.registry import Registry
from meentwerk.identities.webfinger import host_meta

# Accounts being judged at a time; connections are bounded by the fetcher
AT_ONCE = 128
SECONDS_BETWEEN_LINES = 10.0
TERMINAL_SECONDS = 0.2


class Progress:
    """How far, how fast, how much longer: one line that is rewritten on a terminal, one every ten seconds in a log."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._begin = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def step(self) -> None:
        """Count one account."""
        self.done += 1
        now = time.monotonic()
        if now - self._shown < (TERMINAL_SECONDS if self._terminal else SECONDS_BETWEEN_LINES):
            return
        self._shown = now
        line = self.line(now - self._begin)
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        else:
            note(line)

    def line(self, seconds: float) -> str:
        """Return the line after some seconds."""
        rate = self.done / seconds if seconds else 0.0
        left = f"{(self.total - self.done) / rate:.0f} s left" if rate else "..."
        return f"{self.done} of {self.total} accounts, {rate:.1f} a second, {left}"

    def end(self) -> None:
        """Leave the last line behind."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
        seconds = time.monotonic() - self._begin
        note(f"looked at {self.done} accounts in {seconds:.1f} s")


def judge_all(
    accounts: Sequence[Account], registry: Registry, fetcher: Fetcher, servers: Sequence[str] = ()
) -> list[Result]:
    """Return the results in the order of the accounts."""
    return asyncio.run(_judge_all(accounts, registry, fetcher, servers))


async def _judge_all(
    accounts: Sequence[Account], registry: Registry, fetcher: Fetcher, servers: Sequence[str]
) -> list[Result]:
    asked: dict[tuple[str, str], asyncio.Task[tuple[Verdict, str, tuple[str, ...]]]] = {}

    async def host_meta_once(domain: str, web: str) -> tuple[Verdict, str, tuple[str, ...]]:
        key = (domain, web)
        if key not in asked:
            asked[key] = asyncio.create_task(host_meta(fetcher, domain, web))
        return await asked[key]

    judge = Judge(fetcher, registry, datetime.now(UTC).date(), host_meta_once)
    progress = Progress(len(accounts))
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(account: Account) -> Result:
        async with gate:
            result = await judge.judge(account)
        progress.step()
        return result

    try:
        results = await asyncio.gather(*(one(account) for account in accounts))
        found = await lookalikes.look(results, registry, fetcher, servers)
    finally:
        fetcher.close()
    progress.end()
    return [replace(r, checks=(*r.checks, found[r.account.handle])) for r in results]
