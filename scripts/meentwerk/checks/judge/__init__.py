"""Judges: pure functions from what was measured and what is promised to results. One module for each area."""

from collections.abc import Callable, Mapping
from typing import Any

from meentwerk.checks.judge import cis, controls, dns, headers, health, lynis, sockets, ssh, tls, units
from meentwerk.checks.model import Result

Judgement = Callable[[Mapping[str, Any], Mapping[str, Any]], list[Result]]

JUDGES: Mapping[str, Judgement] = {
    "health": health.judge,
    "controls": controls.judge,
    "sockets": sockets.judge,
    "tls": tls.judge,
    "headers": headers.judge,
    "ssh": ssh.judge,
    "units": units.judge,
    "dns": dns.judge,
    "cis": cis.judge,
    "lynis": lynis.judge,
}
