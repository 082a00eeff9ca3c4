"""What is taken of one inference; the body's size is in the settings."""

from kingpost.core import KingpostError
from kingpost.serving.oip.errors import BadInference

__all__ = ["MOST_ROWS", "TooManyRows", "check_rows"]

MOST_ROWS = 4096
"""Rows of one request: to a decision, or to a model."""


class TooManyRows(KingpostError):
    """More rows than are taken at a time."""

    code = "too_many_rows"

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the request holds more than {self.limit:,} rows and none was taken; split it"


def check_rows(rows: int) -> None:
    """Refuse a request without rows, or with too many.

    Raises:
        BadInference, TooManyRows: It is such a one.
    """
    if not rows:
        raise BadInference("the request holds no rows")
    if rows > MOST_ROWS:
        raise TooManyRows(MOST_ROWS)
