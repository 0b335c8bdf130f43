"""Tokens come from a file or the environment, never from the command line: every user of a machine can read that."""

import os
import re
from pathlib import Path

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit

VARIABLE = "MEENTWERK_TOKEN"
MOST = 4096  # bytes
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")  # RFC 6750, section 2.1
_OTHERS = 0o077


def read_token(file: Path | None = None, variable: str = VARIABLE) -> str:
    """Return the access token of `file`, else of the environment; messages never quote it.

    Raises UsageError when there is none or it is no token, and refuses (exit 6) a file that others can read.
    """
    if file is None:
        text, place = os.environ.get(variable, ""), f"the environment variable {variable}"
        if not text:
            raise UsageError("no token", f"give --token-file FILE, or set {variable}")
    else:
        text, place = _from_file(file), str(file)
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise UsageError(f"{place} holds no token", "it holds the access token alone, on one line")
    return token


def _from_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            others = os.fstat(opened.fileno()).st_mode & _OTHERS
            content = opened.read(MOST)
    except FileNotFoundError:
        raise UsageError(f"there is no file {file}", "give the file that holds the token") from None
    except IsADirectoryError:
        raise UsageError(f"{file} is a folder", "give the file that holds the token") from None
    if others:
        raise MeentwerkError(f"others can read {file}, which holds a token", f"chmod 600 {file}", Exit.REFUSED)
    return content.decode(errors="replace")
