"""The one error that belongs to releases alone."""

from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit


class UntrustedError(MeentwerkError):
    """A release is not what it claims to be, or nobody who is trusted says so (exit 6)."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message, cure, Exit.REFUSED)
