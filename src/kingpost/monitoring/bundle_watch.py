"""The watch over the decisions of one bundle.

Its minutes and hours are counted here, and its measures taken; what they mean for
incidents is its decision's business, which also says where the stream stands.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.binning import bin_codes
from kingpost.monitoring.board import Board, Part, columns_part, service_part
from kingpost.monitoring.comparison import Comparison
from kingpost.monitoring.counts import COLUMNS_AT, STAGES, STAGES_AT, StageName
from kingpost.monitoring.hours import Hours
from kingpost.monitoring.limits import Limits
from kingpost.monitoring.observations import Observations
from kingpost.monitoring.profile import Profile
from kingpost.monitoring.quality import Finding
from kingpost.monitoring.ring import MinuteRing, Stretches
from kingpost.monitoring.state import MinuteFacts
from kingpost.monitoring.status import Monitor, MonitorStatus
from kingpost.monitoring.store import MonitorStore
from kingpost.monitoring.summary import Summary
from kingpost.monitoring.tally import Tally
from kingpost.monitoring.window import DAY, FAST, HOUR, HOUR_US, MINUTE_US, RING_MINUTES
from kingpost.monitoring.words import Wording
from kingpost.stats import HISTOGRAM_BINS, LogHistogram

__all__ = ["BundleWatch", "HourCounts", "Of"]

_EXAMPLES = 20
_DAY_HOURS = DAY.minutes // 60


class Of(NamedTuple):
    """Whose decisions these are."""

    tenant: str
    decision: str
    bundle: bytes


class HourCounts(NamedTuple):
    """Counts to add to an hour.

    Attributes:
        stood: The hour in which the stream stood when the rows came.
        hour: The hour in which they happened.
    """

    stood: int
    hour: int
    counts: NDArray[np.int64]


class BundleWatch:
    """Counts and measures of one bundle.

    Args:
        stands: The hour in which the stream stands; None when it has not begun.
    """

    def __init__(
        self,
        of: Of,
        store: MonitorStore,
        profile: Profile | None,
        limits: Limits,
        stands: int | None,
    ) -> None:
        self.of, self.profile, self._limits = of, profile, limits
        self.comparison = Comparison(() if profile is None else profile.columns)
        self._inputs = () if profile is None else profile.inputs
        self.wording = Wording(profile, limits)
        self.facts: dict[int, MinuteFacts] = {}
        self._minutes_shown: Board | None = None
        self._day_shown: Board | None = None
        self._said: dict[tuple[str, str, str], MonitorStatus] = {
            (one.monitor, one.column, one.window): one
            for one in store.statuses(of.tenant, of.decision)
            if one.bundle == of.bundle.hex()
        }
        self.hours = Hours(store, *of, self.comparison.widths, stands)
        self.ring = MinuteRing(COLUMNS_AT + self.comparison.bins)
        self._unsaved: int | None = None
        if stands is not None:
            since_us = stands * HOUR_US - RING_MINUTES * MINUTE_US
            kept = [
                one
                for one in store.summaries(
                    of.tenant, of.decision, since_us, np.iinfo(np.int64).max, "minute"
                )
                if one.bundle == of.bundle and one.widths == self.comparison.widths
            ]
            if kept:
                minutes = np.array([one.start_us // MINUTE_US for one in kept], np.int64)
                self.ring.add(minutes, np.stack([one.counts for one in kept]))

    def fits(self, rows: Observations) -> bool:
        """Tell whether rows have the features of the profile, if there is one."""
        features = sum(column.kind == "feature" for column in self.comparison.columns)
        return self.profile is None or rows.features.shape[1] == features

    def tally(self, rows: Observations) -> Tally:
        """Prepare rows for counting."""
        return Tally(rows, self.comparison, self._limits)

    def add_minutes(
        self,
        tally: Tally,
        rows: slice,
        stood_us: NDArray[np.int64],
        at_us: NDArray[np.int64],
        ids: Sequence[bytes],
    ) -> None:
        """Count rows in the minutes in which the stream stood, all given for these rows."""
        minute = stood_us // MINUTE_US
        starts = np.flatnonzero(np.diff(minute, prepend=minute[0] - 1))
        group = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(minute)))
        minutes = minute[starts]
        self.ring.add(minutes, tally.by(group, len(starts), rows))
        first = int(minutes[0])
        self._unsaved = first if self._unsaved is None else min(self._unsaved, first)
        last_at = np.maximum.reduceat(at_us, starts).tolist()
        ends = [*starts[1:].tolist(), len(minute)]
        for one, start, end, first_us, last in zip(
            minutes.tolist(), starts.tolist(), ends, stood_us[starts].tolist(), last_at, strict=True
        ):
            found = tuple(ids[start : min(end, start + _EXAMPLES)])
            known = self.facts.get(one)
            if known is not None:
                first_us, last = known.first_us, max(known.last_at_us, last)
                found = (known.ids + found)[:_EXAMPLES]
            self.facts[one] = MinuteFacts(one, first_us, last, found)

    def hour_counts(
        self,
        tally: Tally,
        rows: slice,
        stood_us: NDArray[np.int64],
        event_time_us: NDArray[np.int64],
    ) -> Iterator[HourCounts]:
        """Count rows by the hour in which they happened, in the order in which they came."""
        stood, hour = stood_us // HOUR_US, event_time_us // HOUR_US
        least = int(hour.min())
        span = int(hour.max()) - least + 1
        both, group = np.unique(stood * span + (hour - least), return_inverse=True)
        counts = tally.by(group, len(both), rows)
        for place, found in zip(both.tolist(), counts, strict=True):
            yield HourCounts(place // span, place % span + least, found)

    def judge_minutes(self, since: int, until: int) -> Board | None:
        """Measure at the end of the minutes from one to before another, once each."""
        last = self.ring.between(since, until)
        if not len(last):
            return None
        parts: list[Part] = []
        lives: dict[str, NDArray[np.int64]] = {}
        stretches: dict[str, Stretches] = {}
        for window in (FAST, HOUR):
            found = self.ring.stretches(window, last)
            head, live = self.ring.sums(found)
            parts.append(columns_part(self.comparison, window, live, found.judged, found.minutes))
            lives[window.name], stretches[window.name] = live, found
            if window is HOUR:
                parts.append(service_part(self._limits, head, found.judged, found.minutes))
        counts, hour = self.ring.counts, stretches[HOUR.name]

        def stage(name: StageName, moment: int) -> LogHistogram:
            start = STAGES_AT + HISTOGRAM_BINS * STAGES.index(name)
            rows = slice(int(hour.first[moment]), int(hour.end[moment]))
            return LogHistogram(counts[rows, start : start + HISTOGRAM_BINS].sum(axis=0))

        return Board(
            (self.ring.minutes[last] + 1) * MINUTE_US,
            parts,
            lambda window, moment: self._positives(lives[window][moment]),
            stage,
            self._inputs,
        )

    def judge_day(self, end_hour: int) -> Board | None:
        """Measure the 24 hours before an hour; None when they are too few, or have few rows."""
        since = end_hour - _DAY_HOURS
        if self.profile is None or self.hours.rows(since, end_hour) < DAY.min_rows:
            return None
        # one hour may have been without decisions, as when the server was not up
        if self.hours.filled(since, end_hour) < self.profile.day_hours - 1:
            return None
        live = self.hours.sum(since, end_hour)[COLUMNS_AT:]
        part = columns_part(
            self.comparison,
            DAY,
            live[None, :],
            np.ones(1, np.bool_),
            np.array([DAY.minutes]),
        )
        return Board(
            np.array([end_hour * HOUR_US]),
            [part],
            lambda window, moment: self._positives(live),
            lambda name, moment: LogHistogram.empty(),
            self._inputs,
        )

    def is_idle(self, hour: int) -> bool:
        """Tell whether it has had no decision for a day and more, as of an hour."""
        return not (len(self.ring.minutes) or self.hours.rows(hour - _DAY_HOURS, hour + 1))

    def facts_before(self, minute: int) -> MinuteFacts | None:
        """Return what is known of the last minute before one that had rows."""
        last = max((one for one in self.facts if one < minute), default=None)
        return None if last is None else self.facts[last]

    def forget(self, stands: int) -> None:
        """Let go of what no window that ends in this minute or later looks at."""
        self.ring.drop_before(stands - RING_MINUTES + 1)
        last = self.facts_before(stands)
        going_on = {minute: one for minute, one in self.facts.items() if minute >= stands}
        self.facts = ({} if last is None else {last.minute: last}) | going_on

    def take(self, stood_us: int) -> list[Summary]:
        """Return the minutes and hours that changed since the last time."""
        changed = self.hours.take(stood_us // HOUR_US)
        if self._unsaved is not None:
            first = int(np.searchsorted(self.ring.minutes, self._unsaved))
            changed += [
                Summary(*self.of, minute * MINUTE_US, MINUTE_US, self.comparison.widths, counts)
                for minute, counts in zip(
                    self.ring.minutes[first:].tolist(),
                    self.ring.counts[first:].copy(),
                    strict=True,
                )
            ]
            self._unsaved = None
        return changed

    def show_minutes(self, board: Board) -> None:
        """Keep what the last of some minutes shows."""
        self._minutes_shown = board

    def show_day(self, board: Board | None) -> None:
        """Keep what a day shows; None when it was not judged."""
        self._day_shown = board
        if board is None:
            self._forget_said(_is_of_day)

    def show_findings(self, monitor: Monitor, findings: Sequence[Finding], at_us: int) -> None:
        """Keep what was found by labels or reviews."""
        self._forget_said(lambda one: one.monitor == monitor)
        for one in findings:
            self._say(
                MonitorStatus(
                    tenant=self.of.tenant,
                    decision=self.of.decision,
                    bundle=self.of.bundle.hex(),
                    monitor=monitor,
                    column=one.column,
                    window=one.window,
                    value=one.value,
                    limit=one.limit,
                    rows=one.rows,
                    breached=one.breached,
                    at_us=at_us,
                    detail=one.title,
                )
            )

    def said(self) -> list[MonitorStatus]:
        """Return what every monitor last said, by monitor, column and window."""
        if self._minutes_shown is not None:
            self._forget_said(lambda one: one.window in (FAST.name, HOUR.name))
            self._say_board(self._minutes_shown)
        if self._day_shown is not None:
            self._forget_said(_is_of_day)
            self._say_board(self._day_shown)
        self._minutes_shown = self._day_shown = None
        return [status for _, status in sorted(self._said.items())]

    def _say_board(self, board: Board) -> None:
        moment = len(board.at_us) - 1
        for cell in np.flatnonzero(board.judged[moment]).tolist():
            what = board.cells[cell]
            value, limit = self.wording.measure(board, moment, cell)
            self._say(
                MonitorStatus(
                    tenant=self.of.tenant,
                    decision=self.of.decision,
                    bundle=self.of.bundle.hex(),
                    monitor=what.monitor,
                    column=what.column,
                    window=what.window,
                    value=value,
                    limit=limit,
                    rows=int(board.rows[moment, cell]),
                    breached=bool(board.breached[moment, cell]),
                    at_us=int(board.at_us[moment]),
                    detail=self.wording.detail(board, moment, cell),
                )
            )

    def _say(self, status: MonitorStatus) -> None:
        self._said[status.monitor, status.column, status.window] = status

    def _forget_said(self, which: Callable[[MonitorStatus], bool]) -> None:
        self._said = {place: one for place, one in self._said.items() if not which(one)}

    def _positives(self, live: NDArray[np.int64]) -> float | None:
        """Read the share of positive answers off the bins of the answers' column."""
        for start, width, column in zip(
            self.comparison.starts.tolist(),
            self.comparison.widths,
            self.comparison.columns,
            strict=True,
        ):
            if column.kind == "positive":
                answered = live[start : start + width - 1]
                total = int(answered.sum())
                at = int(bin_codes(column.edges, np.ones(1))[0])
                return int(answered[at]) / total if total else None
        return None


def _is_of_day(status: MonitorStatus) -> bool:
    return status.window == DAY.name and status.monitor != "overrides"
