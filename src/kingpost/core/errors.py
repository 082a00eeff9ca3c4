"""The root of every error Kingpost raises.

An error carries a stable `code`, its facts as attributes, and a message that says what
is wrong, where, what was expected and what to do. It knows nothing of HTTP.
"""

from typing import ClassVar

__all__ = ["KingpostError"]


class KingpostError(Exception):
    """Any condition that Kingpost names; catch it to catch them all."""

    code: ClassVar[str] = "kingpost_error"
    retry_safe: ClassVar[bool] = False
    """Whether the same call may be sent again without doing anything twice."""
