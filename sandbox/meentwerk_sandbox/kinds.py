"""Names for what has no type of its own."""

from typing import Any

Json = Any  # anything JSON can hold
Column = Any  # a column of a table: SQLAlchemy's classes of them share no public base
