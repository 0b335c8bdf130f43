"""A TCP scan: which of the usual ports, and of those that listen on the host, answer from here."""

import asyncio
import errno
from collections.abc import Iterable, Sequence

# The privileged ones, and where what belongs to such a server listens by default
USUAL = (
    *range(1, 1025),
    2222,
    3000,
    3001,
    3306,
    4000,
    4222,
    5000,
    5044,
    5432,
    6379,
    6380,
    8000,
    8080,
    8443,
    8888,
    9000,
)
USUAL_TOO = (*range(9090, 9260), 9300, 9394, 9395, 9411, 11211, 19999, 26379, 27017)
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_AT_ONCE, _WAIT = 600, 1.5


async def _is_open(address: str, port: int, slots: asyncio.Semaphore) -> bool | None:
    async with slots:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), _WAIT)
        except TimeoutError:
            return False
        except OSError as error:
            return None if error.errno in _NO_WAY else False
        writer.close()
        return True


async def _scan(address: str, ports: Sequence[int]) -> list[bool | None]:
    slots = asyncio.Semaphore(_AT_ONCE)
    return await asyncio.gather(*(_is_open(address, port, slots) for port in ports))


def scan(address: str, listening: Iterable[int] = ()) -> dict[str, object]:
    """Return {open: [ports], asked: number}, or {unknown: why} where this machine has no way there."""
    ports = sorted({*USUAL, *USUAL_TOO, *listening})
    answers = asyncio.run(_scan(address, ports))
    if all(answer is None for answer in answers):
        return {"unknown": f"this controller has no route to {address}"}
    found = [port for port, answer in zip(ports, answers, strict=True) if answer]
    if not found:
        return {"unknown": f"nothing answers at {address}: the way there may be closed before the host"}
    return {"open": found, "asked": len(ports)}
