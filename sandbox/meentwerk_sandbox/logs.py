"""Logs on stderr, one line each; journald adds the time. Requests are not logged here: nginx does it."""

import logging
import sys


def setup(name: str) -> logging.Logger:
    """Set up logging of a process."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", force=True)
    for noisy in ("uvicorn.error", "uvicorn.access", "sqlalchemy", "python_multipart", "multipart", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return logging.getLogger(f"sandbox.{name}")
