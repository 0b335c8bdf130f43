"""The errors a person is meant to read: what happened, where, and what to do next."""

from meentwerk.exits import Exit


class MeentwerkError(Exception):
    """An expected failure; `meentwerk.cli.main` prints it in one or two lines and exits with its code.

    `message` says what happened and where; `cure`, if there is one, what to do next. Neither may hold a secret.
    """

    def __init__(self, message: str, cure: str = "", exit: Exit = Exit.UNEXPECTED) -> None:  # noqa: A002  # the contract's word
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.exit = exit

    def __str__(self) -> str:
        return f"{self.message}\n{self.cure}" if self.cure else self.message


class UsageError(MeentwerkError):
    """The person's input is wrong; nothing was changed (exit 2)."""

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message, cure, Exit.USAGE)
