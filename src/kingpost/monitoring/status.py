"""What a monitor last measured."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Monitor", "MonitorStatus"]

Monitor = Literal[
    "drift",
    "missing",
    "score",
    "confidence",
    "positive_rate",
    "latency",
    "failures",
    "overrides",
    "quality",
    "stale",
    "extraction",
    "release",
    "alarm",
    "cost",
    "slo",
]
"""The kinds of monitors, and of the incidents that they open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorStatus:
    """One measure beside its limit.

    Attributes:
        column: The feature, the stage (`total`, `features`, `model`), `precision` or
            `recall`, or empty.
        window: `fast`, `hour`, `day` or `week`.
        value: A population stability index in nats, a share, or microseconds.
        rows: Rows that it was measured on.
        at_us: The end of the window, stream time.
        bundle: Digest of the bundle that ran, in hex.
        detail: The same in words.
    """

    tenant: str
    decision: str
    bundle: str
    monitor: Monitor
    column: str
    window: str
    value: float
    limit: float
    rows: int
    breached: bool
    at_us: int
    detail: str
