"""How much is decided right now, and how fast: ten seconds of wall clock at a time.

Unlike everything else here this goes by when decisions were made (`at_us`), not by when
their requests happened: it answers how the server does.
"""

from dataclasses import dataclass

from kingpost.stats import LogHistogram

__all__ = ["LIVE_BUCKET_US", "LIVE_KEPT_US", "LiveBucket"]

LIVE_BUCKET_US = 10_000_000
LIVE_KEPT_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class LiveBucket:
    """Decisions made within ten seconds.

    Attributes:
        start_us: Wall clock, a multiple of ten seconds.
        total: Time of all stages together.
        failed: Decisions that failed.
    """

    tenant: str
    decision: str
    start_us: int
    rows: int
    failed: int
    total: LogHistogram

    def merge(self, other: "LiveBucket") -> "LiveBucket":
        """Return the bucket of both; it has this one's place."""
        return LiveBucket(
            self.tenant,
            self.decision,
            self.start_us,
            self.rows + other.rows,
            self.failed + other.failed,
            self.total.merge(other.total),
        )
