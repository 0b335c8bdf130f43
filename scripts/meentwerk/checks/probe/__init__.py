"""Looks from the controller, as a visitor has it: each returns plain data for the judge of its area."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

UNREACHED = "cannot be reached from here"


@dataclass(frozen=True)
class Target:
    """Where an instance is asked: its names (the web domain first), and addresses that stand in for DNS."""

    names: Sequence[str]
    addresses: Sequence[str]
    ca_file: str = ""
    port: int = 443
    http_port: int = 80
    timeout: float = 8.0

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Target":
        """Read it from the role's JSON, which may hold more."""
        return cls(**{name: value for name, value in data.items() if name in cls.__dataclass_fields__})


def family(address: str) -> str:
    """Say IPv4 or IPv6."""
    return "IPv6" if ":" in address else "IPv4"
