"""The hours of one bundle: those that windows are made of in memory, older ones on demand."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.counts import COLUMNS_AT, Count
from kingpost.monitoring.store import MonitorStore
from kingpost.monitoring.summary import Summary
from kingpost.monitoring.window import HOUR_US

__all__ = ["Hours"]

_KEPT = 25


class Hours:
    """Counts by hour, as in a `Summary`; an hour that is asked for may be changed.

    Args:
        stands: The hour in which the stream stands; None when it has not begun.
    """

    def __init__(
        self,
        store: MonitorStore,
        tenant: str,
        decision: str,
        bundle: bytes,
        widths: tuple[int, ...],
        stands: int | None,
    ) -> None:
        self._store, self._tenant, self._decision, self._bundle = store, tenant, decision, bundle
        self._widths, self._width = widths, COLUMNS_AT + sum(widths)
        self._hours: dict[int, NDArray[np.int64]] = {}
        self._changed: set[int] = set()
        self._known_from: int | None = None
        if stands is not None:
            self._known_from = stands - _KEPT
            self._read(self._known_from, None)

    def get(self, hour: int) -> NDArray[np.int64] | None:
        """Return the counts of an hour to look at; None when it has none."""
        if hour not in self._hours and self._known_from is not None and hour < self._known_from:
            self._read(hour, hour + 1)
        return self._hours.get(hour)

    def change(self, hour: int) -> NDArray[np.int64]:
        """Return the counts of an hour to add to."""
        found = self.get(hour)
        if found is None:
            found = self._hours[hour] = np.zeros(self._width, np.int64)
        self._changed.add(hour)
        return found

    def rows(self, since: int, until: int) -> int:
        """Count decisions from an hour to before another, neither older than a day."""
        found = map(self._hours.get, range(since, until))
        return sum(int(counts[Count.ROWS]) for counts in found if counts is not None)

    def filled(self, since: int, until: int) -> int:
        """Count hours that have decisions, from one to before another, as `rows` does."""
        found = map(self._hours.get, range(since, until))
        return sum(counts is not None and bool(counts[Count.ROWS]) for counts in found)

    def sum(self, since: int, until: int) -> NDArray[np.int64]:
        """Add up hours from one to before another, neither older than a day."""
        found = map(self._hours.get, range(since, until))
        total = np.zeros(self._width, np.int64)
        for counts in found:
            if counts is not None:
                total += counts
        return total

    def labelled(self, since: int, until: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Give right and wrong answers, shape (4,), of the hours that have labels."""
        labels = slice(Count.TRUE_POSITIVE, Count.FALSE_NEGATIVE + 1)
        for summary in self._stored(since, until):
            if summary.counts[labels].any():
                yield summary.start_us // HOUR_US, summary.counts[labels].copy()

    def take(self, stands: int) -> list[Summary]:
        """Return the hours that changed since the last time, and let go of old ones."""
        changed = [
            Summary(
                self._tenant,
                self._decision,
                self._bundle,
                hour * HOUR_US,
                HOUR_US,
                self._widths,
                self._hours[hour].copy(),
            )
            for hour in sorted(self._changed)
        ]
        self._changed = set()
        known_from = stands - _KEPT
        self._hours = {hour: counts for hour, counts in self._hours.items() if hour >= known_from}
        self._known_from = known_from
        return changed

    def _read(self, since: int, until: int | None) -> None:
        for summary in self._stored(since, until):
            hour = summary.start_us // HOUR_US
            if hour not in self._hours:
                self._hours[hour] = self._fitting(summary)

    def _stored(self, since: int, until: int | None) -> Iterator[Summary]:
        end = np.iinfo(np.int64).max if until is None else until * HOUR_US
        stored = self._store.summaries(
            self._tenant, self._decision, since * HOUR_US, int(end), "hour"
        )
        return (summary for summary in stored if summary.bundle == self._bundle)

    def _fitting(self, summary: Summary) -> NDArray[np.int64]:
        """Take over what was counted, without the columns if those were of another profile."""
        if summary.widths == self._widths:
            return summary.counts.copy()
        counts = np.zeros(self._width, np.int64)
        counts[:COLUMNS_AT] = summary.counts[:COLUMNS_AT]
        return counts
