"""Shadows: requests that were answered are decided once more, by a bundle that answers nobody.

The rule: an answer never waits for its shadow. A thread of its own scores what lies in a short
queue; what finds no room there is counted as dropped. Features are those that the answer had.
A shadow's record has the id of the answer's, and lies in the journal as an entry `shadow`.
"""

import logging
import queue
import threading
from array import array
from collections.abc import Callable, Sequence

import msgspec

from kingpost.core import Clock
from kingpost.decisions.complaints import Complaints
from kingpost.decisions.drafts import Draft, Scored, verdict_of
from kingpost.decisions.lane import Lane, lane_scores
from kingpost.decisions.release_judge import Seen
from kingpost.decisions.routing import Route, Routed, see
from kingpost.decisions.token_notes import Noted, noting, usage_entries
from kingpost.journal import Entry
from kingpost.records import DecisionRecord, Outcome, Role, Stages, encode_record

__all__ = ["Shadows"]

_BATCHES = 256
_log = logging.getLogger(__name__)


class Shadows:
    """Decides shadows in a thread of its own.

    Args:
        write: Takes entries for the journal, in that thread; must not wait.
    """

    def __init__(self, write: Callable[[Sequence[Entry]], None], *, clock: Clock) -> None:
        self._write, self._clock = write, clock
        self._complaints = Complaints(clock)
        self._waiting: queue.Queue[tuple[Route, Routed] | None] = queue.Queue(_BATCHES)
        self._thread = threading.Thread(target=self._run, name="kingpost-shadows", daemon=True)
        self._thread.start()

    def offer(self, route: Route, routed: Routed) -> None:
        """Take a batch, or drop it when there is no room."""
        try:
            self._waiting.put_nowait((route, routed))
        except queue.Full:
            route.counts[route.new.bundle].dropped += len(routed.drafts)

    def close(self) -> None:
        """Leave what still waits."""
        while self._thread.is_alive():
            try:
                self._waiting.put_nowait(None)
                break
            except queue.Full:
                self._waiting.get()
        self._thread.join()

    def _run(self) -> None:
        while (taken := self._waiting.get()) is not None:
            try:
                self._decide(*taken)
            except Exception:  # noqa: BLE001  the boundary of a batch: the next one may do
                _log.exception("shadow_failed")

    def _decide(self, route: Route, routed: Routed) -> None:
        new = route.new
        pairs = [
            (draft, record)
            for draft, record in zip(routed.drafts, routed.records, strict=True)
            if draft.lane_row >= 0
        ]
        if not pairs:
            return
        width = new.width
        values = array("d")
        for draft, _ in pairs:
            values.extend(routed.values[draft.lane_row * width : (draft.lane_row + 1) * width])
        begun_ns = self._clock.monotonic_ns()
        lane = Lane(new, values)
        noted: dict[str, Noted] = {}
        with noting(new.decision, noted):
            scores = lane_scores(lane, self._complaints)
        took_us = (self._clock.monotonic_ns() - begun_ns) / 1000
        name = new.decision.name
        scored = Scored({name: lane}, {name: scores}, 0, 0, (0, round(took_us / len(pairs))))
        counts = route.counts[new.bundle]
        counts.calls, counts.calls_us = counts.calls + 1, counts.calls_us + took_us
        mine, theirs = (
            Seen(call_us=took_us),
            Seen(),
        )
        theirs.call_us = routed.call_us.get(route.champion.bundle)
        entries: list[Entry] = []
        for row, (draft, record) in enumerate(pairs):
            shadow = _record(_draft(draft, route, row), record, scored)
            entries.append(Entry("shadow", record.tenant, name, encode_record(shadow)))
            counts.requests += 1
            counts.failures += shadow.outcome is Outcome.FAILED
            see(mine, _draft(draft, route, row), shadow, scores)
            see(theirs, draft, record, routed.scores)
        for tokens in noted.values():
            entries += usage_entries(tokens, [record for _, record in pairs])
        route.answered += len(pairs)
        route.judge.note(mine, theirs)
        self._write(entries)


def _draft(draft: Draft, route: Route, row: int) -> Draft:
    return Draft(
        draft.ask,
        route.new,
        draft.state,
        draft.keys,
        draft.event_key,
        draft.digest,
        draft.offset,
        draft.is_event,
        draft.position,
        draft.event_time_us,
        draft.body,
        row,
    )


def _record(draft: Draft, answered: DecisionRecord, scored: Scored) -> DecisionRecord:
    verdict = verdict_of(draft, scored)
    return msgspec.structs.replace(
        answered,
        bundle=draft.served.bundle,
        model=draft.served.model,
        answer=verdict.answer,
        confidence=verdict.confidence,
        outcome=verdict.outcome,
        reason=verdict.reason,
        stages=Stages(0, 0, scored.stages[1], 0),
        role=Role.SHADOW,
        is_cached=False,
    )
