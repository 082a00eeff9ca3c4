"""Counting decisions by the wall clock."""

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.live import LIVE_BUCKET_US, LIVE_KEPT_US, LiveBucket
from kingpost.monitoring.observations import OUTCOMES, Observations
from kingpost.monitoring.store import MonitorStore
from kingpost.monitoring.tally import stage_times
from kingpost.records import Outcome
from kingpost.stats import HISTOGRAM_BINS, LogHistogram, duration_bins

__all__ = ["LiveTally"]

_HELD = 60
_FAILED = OUTCOMES.index(Outcome.FAILED)


class LiveTally:
    """The live buckets of one decision; those not held are read when they are needed."""

    def __init__(self, store: MonitorStore, tenant: str, decision: str) -> None:
        self._store, self._tenant, self._decision = store, tenant, decision
        self._held: dict[int, LiveBucket] = {}
        self._changed: set[int] = set()
        self._newest_us = -(1 << 62)

    def add(self, rows: Observations) -> None:
        """Count rows."""
        self._newest_us = max(self._newest_us, int(rows.at_us.max()))
        bucket = rows.at_us // LIVE_BUCKET_US
        starts, group = np.unique(bucket, return_inverse=True)
        bins = duration_bins(stage_times(rows.stages)[:, 3])
        flat = np.bincount(group * HISTOGRAM_BINS + bins, minlength=len(starts) * HISTOGRAM_BINS)
        failed = np.bincount(group[rows.outcome == _FAILED], minlength=len(starts))
        self._hold(starts * LIVE_BUCKET_US)
        for start, histogram, failures in zip(
            (starts * LIVE_BUCKET_US).tolist(),
            flat.reshape(len(starts), HISTOGRAM_BINS),
            failed.tolist(),
            strict=True,
        ):
            total = LogHistogram(histogram)
            new = LiveBucket(self._tenant, self._decision, start, total.rows, failures, total)
            known = self._held.get(start)
            self._held[start] = new if known is None else known.merge(new)
            self._changed.add(start)

    def save(self) -> int:
        """Save what changed, and return before when buckets are too old to be kept."""
        oldest_us = self._newest_us - LIVE_KEPT_US
        self._store.save_live(
            [self._held[start] for start in sorted(self._changed) if start >= oldest_us]
        )
        self._changed = set()
        held = sorted(self._held)[-_HELD:]
        self._held = {start: self._held[start] for start in held}
        return oldest_us

    def _hold(self, starts_us: NDArray[np.int64]) -> None:
        """Read those that are not held, and may have been saved before."""
        unknown = [start for start in starts_us.tolist() if start not in self._held]
        if unknown:
            for bucket in self._store.live(
                self._tenant, self._decision, min(unknown), max(unknown) + 1
            ):
                self._held.setdefault(bucket.start_us, bucket)
