"""The one error of the builder: what happened, and what to do next."""


class BuildError(Exception):
    """An expected failure, in words for the person who asked for the build."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
