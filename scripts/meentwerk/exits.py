"""What an exit code says. Other programs decide on these numbers, so none ever changes its meaning."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of all commands and scripts."""

    DONE = 0
    """Done; for a plan or a check: nothing differs."""
    UNEXPECTED = 1
    """Something no one foresaw, or the machine failed: disk full, network gone."""
    USAGE = 2
    """The command line or an input is wrong; nothing was sent or changed."""
    FINDINGS = 3
    """It ran, and found drift or problems."""
    PARTIAL = 4
    """Some items were done and some failed; the output names each."""
    NOT_ALLOWED = 5
    """Token, scope, role or file permission is missing."""
    REFUSED = 6
    """A safety guard said no: the step would destroy or expose something."""
    GAVE_UP = 7
    """Waited as long as allowed (rate limit, timeout) without an answer."""
    INTERRUPTED = 130
    """Ctrl-C; every command can be run again."""
    TERMINATED = 143
    """Stopped by SIGTERM; every command can be run again."""
