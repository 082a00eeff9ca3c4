"""How far back the events of a stream are held: what is older than its retention is let go.

The rule: retention says what is held, never what a value is. Up to one moment, `low_us`,
events may be gone; a read that looks back beyond it is refused, and an event that comes
from before it is not held. That moment is the retention before the newest event, or before
now where an event is dated later, and moves on in steps of a 16th of the retention: each
time the keys are gone over once, a few with every event that comes.

The journal keeps every event; what is computed offline sees all of them.
"""

import logging
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Contract, Event
from kingpost.features.errors import FeaturesForgotten
from kingpost.features.history import History
from kingpost.features.windows import ALL_TIME_US

__all__ = ["HeldEvents", "Retention"]

STEPS = 16
"""A retention passes in so many steps: no event is held for more than one beyond it."""

_log = logging.getLogger(__name__)


class HeldEvents(Protocol):
    """The events of one state of windows."""

    def drop(self, low_us: int, first: int) -> int | None:
        """Drop the events up to a time of some keys, from a number on.

        Returns:
            The number of the key to go on with; None after the last one.
        """
        ...

    def scrub(self) -> bool:
        """Write over some of what was dropped and lies in a file; False when some is left.

        Raises:
            OSError: The disk refused.
        """
        ...


class Retention:
    """What of one stream is held, in all states of windows over it.

    Args:
        length_us: How long events are held.
        now_us: The clock; with None nothing more is let go.

    Attributes:
        low_us: Events up to this time are not held; `-ALL_TIME_US` when all are.
    """

    def __init__(
        self,
        contract: Contract[Event],
        length_us: int,
        held: Sequence[HeldEvents],
        now_us: Callable[[], int] | None,
    ) -> None:
        self.low_us = -ALL_TIME_US
        self._name, self._time = contract.name, contract.event_time.name
        self._time_of = attrgetter(f"{self._time}.us")
        self._length_us, self._step_us = length_us, length_us // STEPS
        self._held, self._now_us = held, now_us
        self._newest_us, self._oldest_us = -ALL_TIME_US, ALL_TIME_US
        self._due_us = -ALL_TIME_US
        """While the newest event is before this time, it is not time to move on."""
        self._sweeping: list[HeldEvents] = []
        self._next: int | None = 0

    def takes(self, event: Event) -> bool:
        """Note an event that comes in, and go over a few keys when it is time.

        Returns:
            Whether it is held: not when it is too old.
        """
        time = self._time_of(event)
        self._newest_us = max(self._newest_us, time)
        if self._oldest_us <= time and self._newest_us < self._due_us:
            return True  # nearly always: nothing moves on
        if time > self.low_us:
            self._oldest_us = min(self._oldest_us, time)
        if self._sweeping or self.advance():  # also when it is too old: the clock has moved
            self._sweep()
        return time > self.low_us

    def note(self, history: History) -> None:
        """Note many events that come in, and move on before they do."""
        self._note(self._times(history))
        self.advance()

    def held(self, history: History) -> History:
        """Return those that are not too old to be held."""
        young = self._times(history) > self.low_us
        return history if young.all() else history.only(young)

    def resume(self, low_us: int, times: NDArray[np.int64]) -> None:
        """Go on from what a snapshot holds: events up to a time were let go, these are held."""
        self.low_us = max(self.low_us, low_us)
        self._newest_us = max(self._newest_us, low_us + self._length_us)
        self._note(times)

    def check(self, time_us: int, reach_us: int, key: str) -> None:
        """Refuse a read that looks back to where events may be gone.

        Raises:
            FeaturesForgotten: It does.
        """
        if time_us - reach_us < self.low_us:
            late_us = self.low_us + self._length_us - time_us
            raise FeaturesForgotten(self._name, key, late_us / 1e6)

    def let_go_of_all(self) -> None:
        """Go over all keys where that was begun, or is due."""
        while self._sweeping or self.advance():
            self._sweep()

    def advance(self) -> bool:
        """Move on when that is a step, and begin to go over the keys."""
        begin_us = max(self.low_us, self._oldest_us - 1)
        self._due_us = begin_us + self._length_us + self._step_us
        if self._newest_us < self._due_us or self._now_us is None:
            return False
        low_us = min(self._newest_us, self._now_us()) - self._length_us
        if low_us - begin_us < self._step_us:
            return False
        self.low_us = low_us
        self._oldest_us = low_us + 1
        self._sweeping, self._next = list(self._held), 0
        self._due_us = -ALL_TIME_US
        return True

    def _sweep(self) -> None:
        """Go over some more keys of a state, and at last over the file that others lie in."""
        held = self._sweeping[0]
        if self._next is not None:
            self._next = held.drop(self.low_us, self._next)
            return
        try:
            is_done = held.scrub()
        except OSError as error:  # what is left in free places is written over the next time
            _log.error("dropped_events_in_file", extra={"reason": str(error)})
            is_done = True
        if is_done:
            del self._sweeping[0]
            self._next = 0
        if not self._sweeping:
            self._due_us = self.low_us + self._length_us + self._step_us

    def _times(self, history: History) -> NDArray[np.int64]:
        return history.events.numbers(self._time).astype(np.int64, copy=False)

    def _note(self, times: NDArray[np.int64]) -> None:
        if len(times):
            self._newest_us = max(self._newest_us, int(times.max()))
            # what is too old is not held, and lets in none that is as old
            self._oldest_us = min(self._oldest_us, max(int(times.min()), self.low_us + 1))
