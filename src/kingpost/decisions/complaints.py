"""What fails in a user's code, logged without flooding the log.

Each failure is in its record and in the metrics anyway. Thousands a second, each with its
traceback, would fill the disk that the journal needs.
"""

import logging

from kingpost.core import Clock

__all__ = ["Complaints"]

QUIET_NS = 60_000_000_000
_log = logging.getLogger(__name__)


class Complaints:
    """Logs a failure, and the same one again only after a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logged_ns: dict[tuple[str, str, type[Exception]], int] = {}

    def log(self, event: str, decision: str, error: Exception) -> None:
        """Log an event of a decision with its cause, if it is time."""
        now_ns = self._clock.monotonic_ns()
        key = (event, decision, type(error))
        logged_ns = self._logged_ns.get(key)
        if logged_ns is None or now_ns - logged_ns > QUIET_NS:
            self._logged_ns[key] = now_ns
            _log.error(event, exc_info=error, extra={"decision": decision})
