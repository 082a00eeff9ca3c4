"""The other side's limits: how long a call has to wait for its turn.

The rule: within any stretch of the declared length there are never more calls than
declared. The service's own word goes first: after a 429 with `Retry-After`, or an answer
that says that nothing is left, no call goes out until the time it named.

No I/O and no clock: times are monotonic nanoseconds that the caller passes.
"""

import re
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kingpost.calls.service import RateLimit, seconds_of

__all__ = ["CallLimiter", "retry_after_s"]

_LONGEST_S = 3600.0
"""A service that says to wait for longer is asked again after this."""
_EPOCH_S = 1_000_000_000
_REMAINING = re.compile(r"(?:;\s*r|remaining)=(\d{1,15})")
_RESET = re.compile(r"(?:;\s*t|reset)=(\d{1,15})")


class CallLimiter:
    """The turns of one service; may be used from several threads."""

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._per_ns = round(seconds_of(limit.per) * 1e9) if limit else 0
        self._turns: deque[int] = deque(maxlen=limit.calls if limit else 0)
        self._paused_until_ns = 0
        self._lock = threading.Lock()

    def reserve(self, now_ns: int, before_ns: int) -> tuple[bool, int]:
        """Take the next turn; return whether it is before a time, and when it is.

        A turn that is not before that time is not taken.
        """
        with self._lock:
            at_ns = max(now_ns, self._paused_until_ns)
            if self._limit is not None and self._turns:
                at_ns = max(at_ns, self._turns[-1])  # turns are taken in their order
                if len(self._turns) == self._limit.calls:
                    at_ns = max(at_ns, self._turns[0] + self._per_ns)
            if at_ns > now_ns and at_ns >= before_ns:
                return False, at_ns
            if self._limit is not None:
                self._turns.append(at_ns)
            return True, at_ns

    def learn(self, status: int, headers: Mapping[str, str], now_ns: int, now_s: float) -> None:
        """Heed what an answer says of the limit.

        Args:
            headers: By name in lower case.
            now_s: UTC seconds since 1970.
        """
        wait_s = _told_wait_s(headers, now_s)
        if status == 429:
            wait_s = max(wait_s, retry_after_s(headers, now_s) or 0.0)
        if wait_s > 0:
            until_ns = now_ns + round(min(wait_s, _LONGEST_S) * 1e9)
            with self._lock:
                self._paused_until_ns = max(self._paused_until_ns, until_ns)


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Read `Retry-After` (RFC 9110, section 10.2.3), seconds or a date; None without one."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.fromtimestamp(now_s, UTC)).total_seconds())


def _told_wait_s(headers: Mapping[str, str], now_s: float) -> float:
    """Return how long the service wants to be left alone: nothing is left until its reset."""
    if field := headers.get("ratelimit", ""):
        return _field_wait_s(field)
    for prefix in ("ratelimit-", "x-ratelimit-"):
        if headers.get(f"{prefix}remaining", "").strip() == "0":
            return _reset_s(headers.get(f"{prefix}reset", "").strip(), now_s)
    return 0.0


def _field_wait_s(field: str) -> float:
    """Read `RateLimit`: several policies with `r` and `t`, or one as it was written before.

    Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    """
    policies = field.split(",") if ";" in field else [field]
    waits = [0.0]
    for policy in policies:
        remaining, reset = _REMAINING.search(policy), _RESET.search(policy)
        if remaining and reset and int(remaining[1]) == 0:
            waits.append(float(reset[1]))
    return max(waits)


def _reset_s(text: str, now_s: float) -> float:
    try:
        number = float(text[:20])
    except ValueError:
        return 0.0
    if not 0 <= number < 1e15:
        return 0.0
    return max(0.0, number - now_s) if number > _EPOCH_S else number
