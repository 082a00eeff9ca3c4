"""Whether a call is sent again, and after which wait.

The rule: again is only what cannot do anything twice. No I/O and no clock.
"""

import threading
from collections.abc import Callable, Mapping

from kingpost.calls.limits import retry_after_s
from kingpost.calls.service import Retries, seconds_of

__all__ = ["RETRY_STATUSES", "SAFE_METHODS", "RetryBudget", "wait_before"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Sending them again does nothing more (RFC 9110, section 9.2.2)."""
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class RetryBudget:
    """How many further attempts a service's calls have earned; for several threads."""

    def __init__(self, retries: Retries) -> None:
        self._share, self._most = retries.budget, float(retries.reserve)
        self._left = self._most
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Count a call."""
        with self._lock:
            self._left = min(max(self._most, 1.0), self._left + self._share)

    def spend(self) -> bool:
        """Take a further attempt, if one is left."""
        with self._lock:
            # shares add up to a whole only nearly
            has_left = self._left > 1 - 1e-9
            self._left -= has_left
            return has_left


def wait_before(
    attempt: int,
    retries: Retries,
    headers: Mapping[str, str],
    now_s: float,
    random: Callable[[], float],
) -> float:
    """Return the wait in seconds before an attempt, the second being number 1.

    Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    What the service says in `Retry-After` is never undercut.

    Args:
        random: Gives numbers from 0 to 1.
    """
    doubled = seconds_of(retries.first_wait) * 2 ** min(attempt - 1, 60)
    jittered = random() * min(doubled, seconds_of(retries.longest_wait))
    return max(jittered, retry_after_s(headers, now_s) or 0.0)
