"""First passwords: made here, written for one recipient or for this user alone, and never shown.

A file is written before the account is made, and carries the run's name, as the account does on the server. After a
crash the server says which run made an account, and so which file holds its password; the others never were valid.
"""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage

from meentwerk.accounts.account import Account
from meentwerk.errors import UsageError
from meentwerk.files import create_private_file, sync_folder

LETTERS = string.ascii_letters + string.digits
LENGTH = 24  # characters: 142 bits
_EXCEPT = str.maketrans("", "", "0O1lI")  # read aloud or typed from paper once


def new_password() -> str:
    """Return a password that nobody guesses and everybody can type."""
    letters = LETTERS.translate(_EXCEPT)
    return "".join(secrets.choice(letters) for _ in range(LENGTH))


def recipients(texts: Sequence[str]) -> list[Any]:
    """Read recipients: age1... or an OpenSSH public key (ssh-ed25519, ssh-rsa)."""
    found: list[Any] = []
    for text in texts:
        kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
        try:
            found.append(kind.from_str(text.strip()))
        except Exception:  # the library's own kinds of errors
            raise UsageError(
                f"{text.strip()[:40]!r} is no recipient", "give age1..., or the line of an ssh public key (.pub)"
            ) from None
    return found


def read_recipients(values: Sequence[str]) -> list[str]:
    """Return recipients as given, or those in a file with one a line."""
    found = []
    for value in values:
        if value.startswith(("age1", "ssh-")):
            found.append(value)
            continue
        try:
            lines = Path(value).expanduser().read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            raise UsageError(
                f"{value[:60]!r} is neither a recipient nor a file of them", "give age1..., or a .pub file"
            ) from None
        found += [line for line in lines if line.strip() and not line.startswith("#")]
    return found


@dataclass
class Store:
    """The folder with first passwords of one instance."""

    folder: Path
    url: str
    recipients: Sequence[Any] = ()

    def path(self, username: str, attempt: str) -> Path:
        """Return the file of an account that a run makes."""
        return self.folder / f"{username}.{attempt}.{'age' if self.recipients else 'txt'}"

    def write(self, account: Account, attempt: str) -> str:
        """Make a password and write it; return it for the server. The file is on the disk when this returns."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        password = new_password()
        text = (
            f"# First sign-in on {self.url}. Change the password there, then delete this file.\n"
            f"username: {account.username}\nemail: {account.email}\npassword: {password}\n"
        )
        create_private_file(self.path(account.username, attempt), self._sealed(text))
        return password

    def _sealed(self, text: str) -> str:
        if not self.recipients:
            return text
        sealed: bytes = pyrage.encrypt(text.encode(), list(self.recipients), armored=True)
        return sealed.decode()

    def settle(self, username: str, attempt: str | None) -> Path | None:
        """Keep the file of the run that made the account and remove those of others; return what was kept."""
        kept = None
        for file in self.folder.glob(f"{username}.*.*"):
            if attempt is not None and file.name.split(".")[1] == attempt:
                kept = file
            else:
                file.unlink(missing_ok=True)
        return kept

    def pending(self) -> set[str]:
        """Return the names of accounts that have a file here."""
        return {file.name.split(".")[0] for file in self.folder.glob("*.*.*")}

    def sync(self) -> None:
        """Make the names of new files survive a power cut."""
        if self.folder.is_dir():
            sync_folder(self.folder)
