"""Accounts whose holder has not confirmed the mailbox yet: their tokens, kept private meanwhile."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from meentwerk.errors import MeentwerkError
from meentwerk.files import replace_file


@dataclass(frozen=True)
class Signed:
    """What a sign-up gave: a token that works after the confirmation, and the application that can revoke it."""

    token: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)


class Pending:
    """The file of such accounts, 0600; a token leaves it when it is revoked."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "pending.json"
        self._signed: dict[str, Signed] = {}
        if self._file.is_file():
            try:
                found = json.loads(self._file.read_text())
                self._signed = {name: Signed(**value) for name, value in found.items()}
            except (ValueError, TypeError, AttributeError):
                raise MeentwerkError(
                    f"{self._file} is damaged", "move it away; the accounts it named need a new token"
                ) from None

    def get(self, username: str) -> Signed | None:
        """Return what an account's sign-up gave."""
        return self._signed.get(username)

    def put(self, username: str, signed: Signed) -> None:
        """Keep it; it is on the disk when this returns."""
        self._signed[username] = signed
        self._write()

    def drop(self, username: str) -> None:
        """Forget it, after it was revoked."""
        if self._signed.pop(username, None) is not None:
            self._write()

    def _write(self) -> None:
        text = json.dumps({name: asdict(value) for name, value in self._signed.items()})
        replace_file(self._file, text, 0o600)
