"""Feature values as of now: state in memory, updated by each event, read by each request.

One `OnlineFeatures` belongs to one tenant, so that no key can reach another tenant's
events. It applies events in the order of their positions; a read sees all that were
applied. Rebuilding it from the journal gives the same bits.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from kingpost.contracts import Contract, Event
from kingpost.features.consent import Consent
from kingpost.features.consent_log import ConsentLog
from kingpost.features.declare import WindowFeatures
from kingpost.features.erasures import key_of
from kingpost.features.feature_reader import FeatureReader, Look
from kingpost.features.feature_set import FeatureSet
from kingpost.features.history import History
from kingpost.features.kernel_plan import (
    Source,
    WindowPlan,
)
from kingpost.features.retention import Retention
from kingpost.features.spill import MemoryRoom
from kingpost.features.window_state import ConsentState, WindowState, Withdrawn

__all__ = ["OnlineFeatures"]


class OnlineFeatures:
    """The windows of one tenant, kept up to date event by event.

    Args:
        views: Every group of windowed features that some decision reads.
        consents: Those that some decision's features need beside the groups' own.
        room: Where keys go that memory has no room for; None keeps all of them.
        now_us: The clock, which tells how old events are; None lets none go for its age.

    Attributes:
        streams: Of each state of windows, the streams that it is made from, by the digest
            of what it is made from.
        consent_streams: The streams that say who consents.
    """

    def __init__(
        self,
        views: Iterable[WindowFeatures],
        *,
        consents: Iterable[Consent] = (),
        room: MemoryRoom | None = None,
        now_us: Callable[[], int] | None = None,
    ) -> None:
        views = tuple(views)
        needed = dict.fromkeys([*(view.consent for view in views if view.consent), *consents])
        self._plan = plan = WindowPlan.of(views, needed)
        self._states = {
            source: WindowState(source, one, room) for source, one in plan.sources.items()
        }
        self._consents = {
            one: ConsentState(one, self._states[take.source], take.output)
            for one, take in plan.consents.items()
        }
        self._by_stream: dict[str, list[WindowState]] = {}
        for source, state in self._states.items():
            self._by_stream.setdefault(source.stream, []).append(state)
            if source.consent is not None:
                state.consents = self._consents[source.consent]
                state.consents.windows.append(state)
        for states in self._by_stream.values():
            # an event counts by the consent before it, also where it is about consent itself
            states.sort(key=lambda state: state.consents is None)
        self._consents_by_stream: dict[str, list[ConsentState]] = {}
        for one, state in self._consents.items():
            self._consents_by_stream.setdefault(one.stream, []).append(state)
        self.consent_streams = frozenset(self._consents_by_stream)
        self._inserts = {
            stream: tuple([state.insert for state in states])
            for stream, states in self._by_stream.items()
        }
        self._by_digest = {
            one.events_digest(source): self._states[source] for source, one in plan.sources.items()
        }
        self.streams: Mapping[str, tuple[str, ...]] = {
            digest: _streams_of(state.source) for digest, state in self._by_digest.items()
        }
        self._retentions = {
            source.stream: Retention(
                one.contract, one.retention_us, self._by_stream[source.stream], now_us
            )
            for source, one in plan.sources.items()
            if one.retention_us is not None
        }
        self._apart = self.consent_streams.union(self._retentions)

    def apply(
        self, stream: str, event: Event, position: int, *, erased: frozenset[str] = frozenset()
    ) -> Sequence[Withdrawn]:
        """Add one event that the journal holds at `position`; return what consent it ends.

        Args:
            erased: Windows grouped by one of these fields do not take it.
        """
        if stream in self._apart:
            if stream in self.consent_streams:
                return self._change(stream, None, (event, position), erased)
            if not self._retentions[stream].takes(event):
                return ()
        if erased:
            for state in self._by_stream.get(stream, ()):
                if erased.isdisjoint(state.source.keys):
                    state.insert(event, position)
        else:
            for insert in self._inserts.get(stream, ()):
                insert(event, position)
        return ()

    def retract(self, stream: str, event: Event, position: int) -> Sequence[Withdrawn]:
        """Take an event out again that was added at `position`; return what consent that ends."""
        return self._change(stream, (event, position), None)

    def correct(
        self,
        stream: str,
        old: Event,
        came_at: int,
        event: Event,
        position: int,
        *,
        erased: frozenset[str] = frozenset(),
    ) -> Sequence[Withdrawn]:
        """Put an event in the place of one that was added at `came_at`, as `apply`."""
        return self._change(stream, (old, came_at), (event, position), erased)

    def holds(self, stream: str, field: str, value: object) -> bool | None:
        """Say whether windows over a stream hold a value of the field that groups them.

        None where no windows are grouped by it alone.
        """
        for state in self._by_stream.get(stream, ()):
            if state.source.keys == (field,):
                return value in state.codes
        return None

    def given(self, event: Event) -> frozenset[Consent]:
        """Return the consents that an event's or a request's entities give now."""
        return frozenset(
            one
            for one, state in self._consents.items()
            if state.is_given(getattr(event, one.entity, None))
        )

    def _change(
        self,
        stream: str,
        old: tuple[Event, int] | None,
        new: tuple[Event, int] | None,
        erased: frozenset[str] = frozenset(),
    ) -> Sequence[Withdrawn]:
        """Take an event out and another one in, as one step for those that consent."""
        events = [one[0] for one in (old, new) if one is not None]
        consents = self._consents_by_stream.get(stream, ())
        retention = self._retentions.get(stream)
        if new is not None and retention is not None and not retention.takes(new[0]):
            new = None
        before = [one.entities(events) for one in consents]
        for state in self._by_stream.get(stream, ()):
            if old is not None:
                state.retract(*old)
            if new is not None and erased.isdisjoint(state.source.keys):
                state.insert(*new)
        return [
            ended
            for one, entities in zip(consents, before, strict=True)
            for ended in one.drop_without(entities)
        ]

    def forget(
        self, entity: str, key: str, *, consent: Consent | None = None, within: range | None = None
    ) -> int:
        """Drop all that is held of an entity; return how many keys there were.

        Args:
            entity: The field that names it; windows that are not grouped by it stay.
            key: Its value there, as text.
            consent: Only from windows that need it; from all when None.
            within: Only what came in at these positions; everything when None.
        """
        forgotten = 0
        for source, state in self._states.items():
            if entity not in source.keys or consent not in (None, source.consent):
                continue
            value = key_of(self._plan.sources[source].contract.by_name[entity], key)
            if value is not None:
                forgotten += state.forget(entity, value, within)
        # windows grouped by other fields too were dropped above: consent names one of theirs
        return forgotten

    def load(
        self, histories: Mapping[str, History], *, only: Collection[str] | None = None
    ) -> None:
        """Take all events there were up to some position into states that hold none.

        Args:
            histories: By stream, the streams of the states and of their consents.
            only: The digests of the states that take them; all of them when None.
        """
        logs: dict[Consent, ConsentLog] = {}
        for stream, retention in self._retentions.items():
            if stream in histories:
                retention.note(histories[stream])
        for digest, state in self._by_digest.items():
            source = state.source
            if (only is not None and digest not in only) or source.stream not in histories:
                continue
            history = histories[source.stream].kept_for(source.keys)
            if (consent := source.consent) is not None:
                if consent not in logs:
                    logs[consent] = ConsentLog.of(consent, histories[consent.stream])
                history = logs[consent].allowed(history)
            history = history.live()
            if (retention := self._retentions.get(source.stream)) is not None:
                history = retention.held(history)
            if len(history):
                state.load([history])
        self._let_go_of_all()

    def extend(self, contract: Contract[Event], histories: Sequence[History]) -> None:
        """Add many events of a stream that come after all that is held, as at a start.

        Between them nobody's consent may change: events of `consent_streams` are applied
        one by one.
        """
        if (retention := self._retentions.get(contract.name)) is not None:
            for history in histories:
                retention.note(history)
            histories = [retention.held(history) for history in histories]
        for state in self._by_stream.get(contract.name, ()):
            if state.consents is None:
                state.load(histories)
            else:
                state.load([state.consents.allowed(history) for history in histories])
        self._let_go_of_all()

    def dump(self, digest: str) -> Mapping[str, memoryview]:
        """Return the events of one state of windows by the column, in the order of keys.

        Keys are MessagePack, each key's number its place among them; numbers of keys are
        int32, all else int64, little-endian. Where the stream has a retention, `low` is the
        time up to which events were let go.
        """
        self._let_go_of_all()
        state = self._by_digest[digest]
        if (retention := self._retentions.get(state.source.stream)) is None:
            return state.dump()
        return {**state.dump(), "low": memoryview(array("q", [retention.low_us])).cast("B")}

    def restore(self, digest: str, columns: Mapping[str, memoryview]) -> None:
        """Take what `dump` gave into a state that has no events yet."""
        state = self._by_digest[digest]
        state.restore(columns)
        if (retention := self._retentions.get(state.source.stream)) is not None:
            times = np.asarray(columns["times"].cast("B").cast("q"), np.int64)
            retention.resume(columns["low"].cast("B").cast("q")[0], times)

    def _let_go_of_all(self) -> None:
        for retention in self._retentions.values():
            retention.let_go_of_all()

    def events(self) -> Mapping[str, int]:
        """Count the events held, by stream and the number of the state that holds them."""
        return {
            f"{stream}/{index}": state.state.events()
            for stream, states in self._by_stream.items()
            for index, state in enumerate(states)
        }

    def reader(self, features: FeatureSet) -> "FeatureReader":
        """Prepare reads of one decision's features."""
        return FeatureReader(
            features,
            self._plan.placed((slot.view, slot.start) for slot in features.windows),
            self._states,
            tuple(self._consents[one] for one in features.consents),
            self._looks(features),
        )

    def _looks(self, features: FeatureSet) -> "tuple[Look, ...]":
        """Find how far some features look back over each stream that has a retention."""
        farthest: dict[str, Look] = {}
        for view in (slot.view for slot in features.windows):
            retention = self._retentions.get(view.stream.name)
            reach_us = max(window.reach_us for window in view.windowed.windows)
            found = farthest.get(view.stream.name)
            if retention is not None and (found is None or found.reach_us < reach_us):
                look = Look(retention, reach_us, ", ".join(view.keys))
                farthest[view.stream.name] = look
        return tuple(farthest.values())


def _streams_of(source: Source) -> tuple[str, ...]:
    return (source.stream,) if source.consent is None else (source.stream, source.consent.stream)
