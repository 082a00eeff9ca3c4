"""The watch over one decision of one tenant.

The rule: everything is taken in the order of the journal, and judged when the stream has
passed on: a minute when a row of a later minute has come, a day when an hour is over. So
however the journal is cut into batches, the same things are found. The stream stands at
the greatest event time seen; a time more than a day ahead of the clock is somebody's
mistake, and moves nothing.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.alarm_book import AlarmBook, Alarmed
from kingpost.monitoring.board import Board
from kingpost.monitoring.bundle_watch import BundleWatch, HourCounts, Of
from kingpost.monitoring.counts import Count
from kingpost.monitoring.incident import RUNBOOKS, Incident, incident_id
from kingpost.monitoring.incident_book import Breach, IncidentBook
from kingpost.monitoring.limits import Limits
from kingpost.monitoring.live_tally import LiveTally
from kingpost.monitoring.observations import (
    LabelledDecision,
    Observations,
    ReviewedDecision,
)
from kingpost.monitoring.profile import Profile
from kingpost.monitoring.quality import (
    OVERRIDE_HOURS,
    QUALITY_HOURS,
    Finding,
    Quality,
    override_finding,
)
from kingpost.monitoring.slo_watch import SloWatch
from kingpost.monitoring.state import (
    BundleState,
    DecisionState,
    decode_state,
    encode_state,
)
from kingpost.monitoring.status import Monitor
from kingpost.monitoring.store import MonitorStore
from kingpost.monitoring.summary import Summary
from kingpost.monitoring.tally import Tally
from kingpost.monitoring.window import DAY, HOUR_US, MINUTE_US, RING_MINUTES
from kingpost.records import Outcome

__all__ = ["DecisionWatch"]

_AHEAD_US = 24 * HOUR_US
_AT_ONCE = 2048
_JUDGED_ANSWERS = (Outcome.DECIDED, Outcome.REVIEW)
_MOST_FACTS = 10
_DAY_HOURS = DAY.minutes // 60
_MINUTE, _HOUR, _REVIEW = range(3)
"""What comes first of what happens at one moment of stream time."""
_NOTHING = np.empty(0, np.int64)
_Line = TypeVar("_Line", LabelledDecision, ReviewedDecision)
_log = logging.getLogger(__name__)


class _Rows(NamedTuple):
    """Rows of one bundle that wait to be judged; `places` are theirs among all bundles'."""

    watch: BundleWatch
    rows: Observations
    tally: Tally
    places: NDArray[np.int64]
    stood_us: NDArray[np.int64]

    def between(self, start: int, end: int) -> slice:
        first = int(np.searchsorted(self.places, start))
        return slice(first, int(np.searchsorted(self.places, end)))


class _Journal(NamedTuple):
    """Rows of all bundles in the order of the journal, and where the stream stood at each."""

    offset: NDArray[np.int64]
    stood_us: NDArray[np.int64]
    groups: Sequence[_Rows]


class _Pause(NamedTuple):
    """A time without decisions, in the order of what is heard."""

    until_us: int
    order: int
    bundle: bytes
    since_us: int


class _Heard(NamedTuple):
    """A breach with its place in the order of things."""

    at_us: int
    order: int
    bundle: bytes
    breach: Breach


class DecisionWatch:
    """Watches one decision; made anew, it goes on from what the store has."""

    def __init__(
        self,
        tenant: str,
        decision: str,
        store: MonitorStore,
        profile_of: Callable[[str, bytes], Profile | None],
        limits: Limits,
        state: bytes | None,
    ) -> None:
        self._tenant, self._decision, self._store = tenant, decision, store
        self._profile_of, self._limits = profile_of, limits
        self._live = LiveTally(store, tenant, decision)
        self._waiting: dict[bytes, list[Observations]] = {}
        self._labels: list[LabelledDecision] = []
        self._reviews: list[ReviewedDecision] = []
        self._alarms: list[Alarmed] = []
        self._alarm_book = (
            None if limits.alarm is None else AlarmBook(tenant, decision, store, limits.alarm)
        )
        self._watches: dict[bytes, BundleWatch] = {}
        self._quality: dict[bytes, Quality] = {}
        known = None if state is None else decode_state(state)
        self._stood_us = None if known is None else known.stood_us
        self._labelled = {} if known is None else dict(known.labelled)
        self._book = IncidentBook({} if known is None else known.going_on)
        self._slos = SloWatch(
            tenant, decision, limits.objectives, None if known is None else known.slo
        )
        for bundle in () if known is None else known.bundles:
            self._watch_of(bundle.bundle).facts = {one.minute: one for one in bundle.facts}

    def observe(self, bundle: bytes, rows: Observations) -> None:
        """Take note of decisions."""
        if len(rows):
            self._waiting.setdefault(bundle, []).append(rows)

    def labelled(self, lines: Sequence[LabelledDecision]) -> None:
        """Take note of labels."""
        self._labels += lines

    def reviewed(self, lines: Sequence[ReviewedDecision]) -> None:
        """Take note of reviews."""
        self._reviews += lines

    def alarmed(self, alarms: Sequence[Alarmed]) -> None:
        """Take note of alarms, each of a decision that was observed."""
        self._alarms += alarms

    @property
    def has_news(self) -> bool:
        """Whether anything was noted since the last `flush`."""
        return bool(self._waiting or self._labels or self._reviews)

    def flush(self) -> Sequence[Incident]:
        """Judge what was noted, save it, and return the incidents that were opened."""
        waiting = {bundle: _joined(parts) for bundle, parts in sorted(self._waiting.items())}
        self._waiting = {}
        journal = _Journal(_NOTHING, _NOTHING, ())
        if waiting:
            journal = self._in_order(waiting)
            self._slos.observe(waiting)
        rows = len(journal.offset)
        for start in range(0, max(rows, 1), _AT_ONCE):
            end = min(start + _AT_ONCE, rows)
            self._advance(journal, start, end)
        return [*self._save(), *self._save_alarms()]

    def _in_order(self, waiting: Mapping[bytes, Observations]) -> _Journal:
        """Put what waits into the journal's order, and say where the stream stood."""
        for rows in waiting.values():
            self._live.add(rows)
        offset = np.concatenate([rows.offset for rows in waiting.values()])
        event_time = np.concatenate([rows.event_time_us for rows in waiting.values()])
        at = np.concatenate([rows.at_us for rows in waiting.values()])
        order = np.argsort(offset, kind="stable")
        offset, event_time, at = offset[order], event_time[order], at[order]
        if self._stood_us is None:
            self._stood_us = int(min(event_time[0], at[0] + _AHEAD_US))
        believed = np.where(event_time > at + _AHEAD_US, self._stood_us, event_time)
        stood_us = np.maximum(np.maximum.accumulate(believed), self._stood_us)
        place_of = np.empty(len(order), np.int64)
        place_of[order] = np.arange(len(order))
        groups: list[_Rows] = []
        first = 0
        for bundle, rows in waiting.items():
            places = place_of[first : first + len(rows)]
            first += len(rows)
            watch = self._watch_of(bundle, rows)
            groups.append(_Rows(watch, rows, watch.tally(rows), places, stood_us[places]))
        return _Journal(offset, stood_us, groups)

    def _watch_of(self, bundle: bytes, rows: Observations | None = None) -> BundleWatch:
        """Return the watch of a bundle, which goes without a profile that does not fit it."""
        watch = self._watches.get(bundle)
        if watch is None:
            watch = self._new_watch(bundle, self._profile_of(self._decision, bundle))
        if rows is not None and not watch.fits(rows):
            _log.error(
                "profile_mismatch", extra={"decision": self._decision, "bundle": bundle.hex()}
            )
            facts, watch = watch.facts, self._new_watch(bundle, None)
            watch.facts = facts
        return watch

    def _new_watch(self, bundle: bytes, profile: Profile | None) -> BundleWatch:
        of = Of(self._tenant, self._decision, bundle)
        stands = None if self._stood_us is None else self._stood_us // HOUR_US
        watch = BundleWatch(of, self._store, profile, self._limits, stands)
        self._watches[bundle] = watch
        return watch

    def _advance(self, journal: _Journal, start: int, end: int) -> None:
        """Take in some rows, and everything that came before the next one."""
        until = int(journal.offset[end]) if end < len(journal.offset) else None
        labels, self._labels = _before(until, self._labels)
        reviews, self._reviews = _before(until, self._reviews)
        if self._stood_us is None:
            return  # nothing was ever decided: nothing can be labelled or reviewed
        before_us = self._stood_us
        offset, stood_us = journal.offset[start:end], journal.stood_us[start:end]
        now_us = int(stood_us[-1]) if end > start else before_us
        self._stood_us = now_us
        hours = self._take_rows(journal.groups, start, end)
        heard = list(self._judge_minutes(before_us // MINUTE_US, now_us // MINUTE_US))
        hour = before_us // HOUR_US
        stood_hours = stood_us // HOUR_US
        crossings = np.flatnonzero(np.diff(stood_hours, prepend=hour)).tolist()
        for crossing in [*crossings, None]:
            upto = None if crossing is None else int(offset[crossing])
            due, labels = _before(upto, labels)
            for watch, counts in hours.get(hour, ()):
                watch.hours.change(counts.hour)[:] += counts.counts
            self._take_labels(due)
            given, reviews = _before(upto, reviews)
            for review in given:
                last = int(np.searchsorted(offset, review.offset)) - 1
                heard += self._take_review(review, before_us if last < 0 else int(stood_us[last]))
            if crossing is not None:
                heard += self._judge_hour(hour + 1)
                hour = int(stood_hours[crossing])
        # sorting is stable: what was heard of one bundle at one time stays in order
        for one in sorted([*heard, *_pauses(before_us, stood_us)], key=lambda one: one[:3]):
            if isinstance(one, _Pause):
                self._book.pause(one.since_us, one.until_us)
            else:
                self._book.tell(one.breach)
        self._book.pass_to(now_us // MINUTE_US * MINUTE_US)
        for watch in self._watches.values():
            watch.forget(now_us // MINUTE_US)

    def _take_rows(
        self, groups: Sequence[_Rows], start: int, end: int
    ) -> Mapping[int, Sequence[tuple[BundleWatch, HourCounts]]]:
        """Count rows in their minutes, and return what to add to hours, by where it stood."""
        hours: dict[int, list[tuple[BundleWatch, HourCounts]]] = {}
        for group in groups:
            rows = group.between(start, end)
            if rows.start == rows.stop:
                continue
            stood_us = group.stood_us[rows]
            group.watch.add_minutes(
                group.tally, rows, stood_us, group.rows.at_us[rows], group.rows.ids[rows]
            )
            for counts in group.watch.hour_counts(
                group.tally, rows, stood_us, group.rows.event_time_us[rows]
            ):
                hours.setdefault(counts.stood, []).append((group.watch, counts))
        return hours

    def _judge_minutes(self, since: int, until: int) -> Iterator[_Heard]:
        for bundle, watch in self._watches.items():
            board = watch.judge_minutes(since, until)
            if board is not None:
                watch.show_minutes(board)
                yield from self._heard(bundle, board, _MINUTE)

    def _judge_hour(self, end_hour: int) -> Iterator[_Heard]:
        """Judge the day and the quality of bundles that had decisions in it."""
        for bundle, watch in self._watches.items():
            if not watch.hours.rows(end_hour - _DAY_HOURS, end_hour):
                continue
            board = watch.judge_day(end_hour)
            watch.show_day(board)
            if board is not None:
                yield from self._heard(bundle, board, _HOUR)
            findings = self._quality_of(bundle).findings(watch.profile)
            at_us = end_hour * HOUR_US
            watch.show_findings("quality", findings, at_us)
            breached = [one for one in findings if one.breached]
            if breached:
                describe = partial(self._found, watch, "quality", breached, at_us, at_us - HOUR_US)
                columns = [one.column for one in breached]
                breach = Breach("quality", at_us, at_us + HOUR_US, columns, describe)
                yield _Heard(at_us, _HOUR, bundle, breach)

    def _heard(self, bundle: bytes, board: Board, order: int) -> Iterator[_Heard]:
        for moment in np.flatnonzero(board.breached.any(axis=1)).tolist():
            at_us = int(board.at_us[moment])
            until_us = at_us + (HOUR_US if order == _HOUR else 0)
            for monitor, cells in board.worst(moment).items():
                columns = list(dict.fromkeys(board.cells[cell].column for cell in cells))
                describe = partial(self._measured, bundle, board, moment, monitor, cells)
                yield _Heard(
                    at_us, order, bundle, Breach(monitor, at_us, until_us, columns, describe)
                )

    def _take_labels(self, lines: Sequence[LabelledDecision]) -> None:
        counted: dict[tuple[bytes, int], NDArray[np.int64]] = {}
        for line in lines:
            if line.positive is None or line.outcome not in _JUDGED_ANSWERS:
                continue
            if line.was == line.label:
                continue
            place = (line.bundle, line.event_time_us // HOUR_US)
            counts = counted.get(place)
            if counts is None:
                counts = counted[place] = np.zeros(4, np.int64)
            counts[_verdict(line.positive, line.label)] += 1
            if line.was is not None:
                counts[_verdict(line.positive, line.was)] -= 1
        for (bundle, hour), counts in counted.items():
            self._quality_of(bundle).add(hour, counts)
            changed = self._watch_of(bundle).hours.change(hour)
            changed[Count.TRUE_POSITIVE : Count.FALSE_NEGATIVE + 1] += counts
            self._labelled[bundle] = max(self._labelled.get(bundle, hour), hour)

    def _quality_of(self, bundle: bytes) -> Quality:
        found = self._quality.get(bundle)
        if found is None:
            found = self._quality[bundle] = Quality()
            newest = self._labelled.get(bundle)
            if newest is not None:
                hours = self._watch_of(bundle).hours
                for hour, counts in hours.labelled(newest - QUALITY_HOURS + 1, newest + 1):
                    found.add(hour, counts)
        return found

    def _take_review(self, review: ReviewedDecision, stood_us: int) -> Iterator[_Heard]:
        if not review.asked:
            return
        watch, hour = self._watch_of(review.bundle), stood_us // HOUR_US
        counts = watch.hours.change(hour)
        counts[Count.OVERRIDDEN if review.overridden else Count.APPROVED] += 1
        lately = [watch.hours.get(one) for one in range(hour - OVERRIDE_HOURS + 1, hour + 1)]
        approved, overridden = (
            sum(int(one[place]) for one in lately if one is not None)
            for place in (Count.APPROVED, Count.OVERRIDDEN)
        )
        finding = override_finding(watch.profile, approved, overridden)
        watch.show_findings("overrides", [] if finding is None else [finding], stood_us)
        if finding is not None and finding.breached:
            describe = partial(self._found, watch, "overrides", [finding], stood_us, stood_us)
            breach = Breach("overrides", stood_us, stood_us, [], describe)
            yield _Heard(stood_us, _REVIEW, review.bundle, breach)

    def _measured(
        self, bundle: bytes, board: Board, moment: int, monitor: Monitor, cells: Sequence[int]
    ) -> Incident:
        """Describe what a board shows."""
        watch, at_us = self._watches[bundle], int(board.at_us[moment])
        facts = watch.facts_before(at_us // MINUTE_US)
        value, limit = watch.wording.measure(board, moment, cells[0])
        window = board.cells[cells[0]].window
        is_day = window == DAY.name
        return Incident(
            id=incident_id(self._tenant, self._decision, monitor, at_us),
            tenant=self._tenant,
            decision=self._decision,
            kind=monitor,
            title=watch.wording.title(board, moment, cells),
            columns=tuple(dict.fromkeys(board.cells[cell].column for cell in cells)),
            opened_us=at_us,
            breach_since_us=at_us - HOUR_US if is_day or facts is None else facts.first_us,
            value=value,
            limit=limit,
            window=window,
            rows=int(board.rows[moment, cells[0]]),
            bundle=bundle.hex(),
            records=() if facts is None else tuple(one.hex() for one in facts.ids),
            last_at_us=0 if facts is None else facts.last_at_us,
            facts=tuple(watch.wording.detail(board, moment, cell) for cell in cells[:_MOST_FACTS]),
            runbook=RUNBOOKS[monitor],
        )

    def _found(
        self,
        watch: BundleWatch,
        monitor: Monitor,
        findings: Sequence[Finding],
        at_us: int,
        since_us: int,
    ) -> Incident:
        """Describe what labels or reviews show."""
        worst = findings[0]
        facts = watch.facts_before(at_us // MINUTE_US)
        return Incident(
            id=incident_id(self._tenant, self._decision, monitor, at_us),
            tenant=self._tenant,
            decision=self._decision,
            kind=monitor,
            title=worst.title,
            columns=tuple(one.column for one in findings if one.column),
            opened_us=at_us,
            breach_since_us=since_us,
            value=worst.value,
            limit=worst.limit,
            window=worst.window,
            rows=worst.rows,
            bundle=watch.of.bundle.hex(),
            last_at_us=0 if facts is None else facts.last_at_us,
            facts=tuple(one.title for one in findings),
            runbook=RUNBOOKS[monitor],
        )

    def _save(self) -> Sequence[Incident]:
        if self._stood_us is None:
            return ()
        summaries: list[Summary] = []
        hour = self._stood_us // HOUR_US
        for bundle, watch in list(self._watches.items()):
            summaries += watch.take(self._stood_us)
            is_idle = watch.is_idle(hour)
            said = () if is_idle else watch.said()
            self._store.save_statuses(self._tenant, self._decision, bundle.hex(), said)
            if is_idle:
                del self._watches[bundle]
        self._store.save_summaries(summaries)
        changed, opened = self._book.take()
        burning, burst = self._slos.take()
        for incident in (*changed, *burning):
            self._store.save_incident(incident)
        self._store.save_state(
            self._tenant,
            self._decision,
            encode_state(
                DecisionState(
                    1,
                    self._stood_us,
                    tuple(
                        BundleState(bundle, tuple(watch.facts.values()))
                        for bundle, watch in sorted(self._watches.items())
                    ),
                    self._labelled,
                    dict(self._book.going_on),
                    self._slos.state,
                )
            ),
        )
        self._store.purge(
            self._tenant,
            self._decision,
            minutes_before_us=(self._stood_us // MINUTE_US - RING_MINUTES + 1) * MINUTE_US,
            live_before_us=self._live.save(),
        )
        return [*opened, *burst]

    def _save_alarms(self) -> Sequence[Incident]:
        alarms, self._alarms = self._alarms, []
        if self._alarm_book is None or self._stood_us is None:
            return ()
        for alarm in alarms:
            if alarm.event_time_us <= alarm.at_us + _AHEAD_US:
                self._alarm_book.tell(alarm)
        self._alarm_book.pass_to(self._stood_us)
        changed, opened = self._alarm_book.take()
        for incident in changed:
            self._store.save_incident(incident)
        return opened


def _pauses(before_us: int, stood_us: NDArray[np.int64]) -> Iterator[_Pause]:
    """Find the times in which nothing was decided for so long that incidents would end."""
    since_us = np.concatenate([[before_us], stood_us[:-1]])
    for at in np.flatnonzero(stood_us - since_us[: len(stood_us)] > HOUR_US).tolist():
        yield _Pause(int(stood_us[at]), -1, b"", int(since_us[at]))


def _joined(parts: Sequence[Observations]) -> Observations:
    if len(parts) == 1:
        return parts[0]
    return Observations(
        offset=np.concatenate([one.offset for one in parts]),
        event_time_us=np.concatenate([one.event_time_us for one in parts]),
        at_us=np.concatenate([one.at_us for one in parts]),
        outcome=np.concatenate([one.outcome for one in parts]),
        features=np.concatenate([one.features for one in parts]),
        score=np.concatenate([one.score for one in parts]),
        confidence=np.concatenate([one.confidence for one in parts]),
        positive=np.concatenate([one.positive for one in parts]),
        stages=np.concatenate([one.stages for one in parts]),
        ids=[identifier for one in parts for identifier in one.ids],
    )


def _before(until: int | None, lines: list[_Line]) -> tuple[list[_Line], list[_Line]]:
    """Part what lies before an offset of the journal from the rest; None is behind it all."""
    if until is None:
        return lines, []
    at = bisect_left(lines, until, key=lambda line: line.offset)
    return lines[:at], lines[at:]


def _verdict(positive: bool, label: bool) -> int:
    """Return the place among true positives, false positives, true and false negatives."""
    if positive:
        return 0 if label else 1
    return 3 if label else 2
