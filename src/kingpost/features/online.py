"""Feature values as of now: state in memory, updated by each event, read by each request.

One `OnlineFeatures` belongs to one tenant, so that no key can reach another tenant's
events. It applies events in the order of their positions; a read sees all that were
applied. Rebuilding it from the journal gives the same bits.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, cast

import msgspec
import numpy as np

from kingpost.contracts import Contract, Event
from kingpost.features.consent import Consent
from kingpost.features.consent_log import ConsentLog
from kingpost.features.declare import WindowFeatures
from kingpost.features.erasures import key_of
from kingpost.features.feature_set import FeatureSet, Unavailable
from kingpost.features.filters import mask, matcher
from kingpost.features.history import History
from kingpost.features.kernel import State
from kingpost.features.kernel_columns import row_encoder, unpack_into
from kingpost.features.kernel_plan import (
    Division,
    KernelPlan,
    Source,
    Unpack,
    Value,
    WindowPlan,
    moves_of,
    sources_of,
    unpacks_of,
)
from kingpost.features.key_columns import numbered_keys
from kingpost.features.spill import BoundedState, MemoryRoom

__all__ = ["FeatureReader", "OnlineFeatures"]

_AFTER_ALL_US: Final = 2**61
_ALL_HELD: Final = 2**63 - 1


class _WindowState:
    """The events of one source, held once for all windows over them."""

    def __init__(self, source: Source, plan: KernelPlan, room: MemoryRoom | None) -> None:
        self.width = len(plan.outputs)
        state = State(plan.scales, plan.outputs)
        self.state = state if room is None else BoundedState(state, len(plan.columns), room)
        self.codes: dict[object, int] = {}
        self.key = attrgetter(*source.keys)
        self.source = source
        self.consents: _ConsentState | None = None
        self._plan, self._room = plan, room
        self._free: list[int] = []
        self._matches = matcher(source.filters)
        self._time = attrgetter(f"{plan.contract.event_time.name}.us")
        self._values = row_encoder(plan.columns)

    def insert(self, event: Event, position: int) -> None:
        if self._matches is not None and not self._matches(event):
            return
        if self.consents is not None and not self.consents.is_given_by(event):
            return
        key = self.key(event)
        code = self.codes.get(key)
        if code is None:
            code = self._new_code(key)
        self.state.insert(code, self._time(event), position, self._values(event))

    def retract(self, event: Event, position: int) -> None:
        if self._matches is not None and not self._matches(event):
            return
        code = self.codes.get(self.key(event))
        if code is not None:
            self.state.retract(code, self._time(event), position)

    def forget(self, entity: str, value: object) -> int:
        """Drop every key that has a value in a field; return how many there were."""
        if self.source.keys == (entity,):
            keys = [value] if value in self.codes else []
        else:
            at = self.source.keys.index(entity)
            keys = [key for key in self.codes if cast("tuple[object, ...]", key)[at] == value]
        for key in keys:
            code = self.codes.pop(key)
            self.state.take(code)
            self._free.append(code)
        if keys and self._room is not None:
            self._room.scrub()
        return len(keys)

    def load(self, history: History) -> None:
        """Add events of which all count; those without consent are left out already."""
        batch, positions = history.events, history.positions
        passes = mask(self.source.filters, batch)
        if passes is not None:
            batch, positions = batch.take(passes), positions[passes]
        found, keys = numbered_keys(batch, self.source.keys)
        codes = np.full(len(keys), -1, np.int32)
        # a batch may name keys of which it has no row: they are nobody's business here
        for at in np.flatnonzero(np.bincount(found, minlength=len(keys))).tolist():
            code = self.codes.get(keys[at])
            codes[at] = self._new_code(keys[at]) if code is None else code
        rows = codes[found]
        times = batch.numbers(self._plan.contract.event_time.name).astype(np.int64, copy=False)
        values = [column.encode(batch) for column in self._plan.columns]
        self.state.load(np.ascontiguousarray(rows, np.int32), times, positions, values)

    def dump(self) -> Mapping[str, memoryview]:
        codes, times, positions, values = self.state.dump()
        if self._free:  # codes that no key has: number the others anew, in their order
            places = np.full(len(self.codes) + len(self._free), -1, np.int32)
            held = sorted(self.codes.values())
            places[held] = np.arange(len(held), dtype=np.int32)
            codes = places[np.frombuffer(codes, np.int32)].tobytes()
        columns = {
            "keys": memoryview(
                msgspec.msgpack.encode(sorted(self.codes, key=self.codes.__getitem__))
            ),
            "codes": memoryview(codes),
            "times": memoryview(times),
            "positions": memoryview(positions),
        }
        return columns | {f"value_{at}": memoryview(one) for at, one in enumerate(values)}

    def restore(self, columns: Mapping[str, memoryview]) -> None:
        keys = msgspec.msgpack.decode(columns["keys"], type=list[_StoredKey])
        self.codes.update(zip(map(_key_of, keys), range(len(keys)), strict=True))
        self.state.load(
            columns["codes"].cast("i"),
            columns["times"].cast("q"),
            columns["positions"].cast("q"),
            [columns[f"value_{at}"].cast("q") for at in range(len(self._plan.columns))],
        )

    def _new_code(self, key: object) -> int:
        code = self._free.pop() if self._free else len(self.codes)
        self.codes[key] = code
        return code


class _ConsentState:
    """What each entity consents to now, and the windows that depend on it."""

    def __init__(self, consent: Consent, state: _WindowState, output: int) -> None:
        self.consent, self._state, self._output = consent, state, output
        self._entity_of = attrgetter(consent.entity)
        self._values = array("d", bytes(8 * state.width))
        self.windows: list[_WindowState] = []

    def is_given_by(self, event: Event) -> bool:
        """Say whether the entity that an event or a request names consents."""
        return self.is_given(self._entity_of(event))

    def is_given(self, entity: object) -> bool:
        """Say whether an entity consents."""
        code = self._state.codes.get(entity)
        if code is None:
            return False
        self._state.state.read(code, _AFTER_ALL_US, _ALL_HELD, self._values, 0)
        return self._values[self._output] != 0.0

    def entities(self, events: Iterable[Event]) -> list[object]:
        """Return those that some events of its own stream name and that consent now."""
        named = dict.fromkeys(self._entity_of(event) for event in events)
        return [entity for entity in named if self.is_given(entity)]

    def drop_without(self, entities: Iterable[object]) -> None:
        """Drop what the windows hold of those that do not consent any more."""
        for entity in entities:
            if not self.is_given(entity):
                for state in self.windows:
                    state.forget(self.consent.entity, entity)


_StoredKey = str | int | list[str | int]


def _key_of(stored: _StoredKey) -> object:
    return tuple(stored) if isinstance(stored, list) else stored


class OnlineFeatures:
    """The windows of one tenant, kept up to date event by event.

    Args:
        views: Every group of windowed features that some decision reads.
        consents: Those that some decision's features need beside the groups' own.
        room: Where keys go that memory has no room for; None keeps all of them.

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
    ) -> None:
        views = tuple(views)
        needed = dict.fromkeys([*(view.consent for view in views if view.consent), *consents])
        self._plan = plan = WindowPlan.of(views, needed)
        self._states = {
            source: _WindowState(source, one, room) for source, one in plan.sources.items()
        }
        self._consents = {
            one: _ConsentState(one, self._states[take.source], take.output)
            for one, take in plan.consents.items()
        }
        self._by_stream: dict[str, list[_WindowState]] = {}
        for source, state in self._states.items():
            self._by_stream.setdefault(source.stream, []).append(state)
            if source.consent is not None:
                state.consents = self._consents[source.consent]
                state.consents.windows.append(state)
        for states in self._by_stream.values():
            # an event counts by the consent before it, also where it is about consent itself
            states.sort(key=lambda state: state.consents is None)
        self._consents_by_stream: dict[str, list[_ConsentState]] = {}
        for one, state in self._consents.items():
            self._consents_by_stream.setdefault(one.stream, []).append(state)
        self.consent_streams = frozenset(self._consents_by_stream)
        self._by_digest = {
            one.events_digest(source): self._states[source] for source, one in plan.sources.items()
        }
        self.streams: Mapping[str, tuple[str, ...]] = {
            digest: _streams_of(state.source) for digest, state in self._by_digest.items()
        }

    def apply(
        self, stream: str, event: Event, position: int, *, erased: frozenset[str] = frozenset()
    ) -> None:
        """Add one event that the journal holds at `position`.

        Args:
            erased: Windows grouped by one of these fields do not take it.
        """
        if stream in self.consent_streams:
            self._change(stream, None, (event, position))
            return
        for state in self._by_stream.get(stream, ()):
            if not erased or erased.isdisjoint(state.source.keys):
                state.insert(event, position)

    def retract(self, stream: str, event: Event, position: int) -> None:
        """Take an event out again that was added at `position`."""
        self._change(stream, (event, position), None)

    def correct(self, stream: str, old: Event, came_at: int, event: Event, position: int) -> None:
        """Put an event in the place of one that was added at `came_at`."""
        self._change(stream, (old, came_at), (event, position))

    def _change(
        self, stream: str, old: tuple[Event, int] | None, new: tuple[Event, int] | None
    ) -> None:
        """Take an event out and another one in, as one step for those that consent."""
        events = [one[0] for one in (old, new) if one is not None]
        consents = self._consents_by_stream.get(stream, ())
        before = [one.entities(events) for one in consents]
        for state in self._by_stream.get(stream, ()):
            if old is not None:
                state.retract(*old)
            if new is not None:
                state.insert(*new)
        for one, entities in zip(consents, before, strict=True):
            one.drop_without(entities)

    def forget(self, entity: str, key: str) -> int:
        """Drop all that is held of an entity; return how many keys there were.

        Args:
            entity: The field that names it; windows that are not grouped by it stay.
            key: Its value there, as text.
        """
        forgotten = 0
        for source, state in self._states.items():
            if entity not in source.keys:
                continue
            value = key_of(self._plan.sources[source].contract.by_name[entity], key)
            if value is not None:
                forgotten += state.forget(entity, value)
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
            if len(history):
                state.load(history)

    def extend(self, contract: Contract[Event], history: History) -> None:
        """Add many events of a stream that come after all that is held, as at a start.

        Between them nobody's consent may change: events of `consent_streams` are applied
        one by one.
        """
        for state in self._by_stream.get(contract.name, ()):
            if state.consents is None:
                state.load(history)
                continue
            codes, keys = numbered_keys(history.events, (state.consents.consent.entity,))
            given = np.array([state.consents.is_given(key) for key in keys], np.bool_)
            state.load(history.only(given[codes] if len(keys) else np.zeros(0, np.bool_)))

    def dump(self, digest: str) -> Mapping[str, memoryview]:
        """Return the events of one state of windows by the column, in the order of keys.

        Keys are MessagePack, each key's number its place among them; numbers of keys are
        int32, all else int64, little-endian.
        """
        return self._by_digest[digest].dump()

    def restore(self, digest: str, columns: Mapping[str, memoryview]) -> None:
        """Take what `dump` gave into a state that has no events yet."""
        self._by_digest[digest].restore(columns)

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
        )


def _streams_of(source: Source) -> tuple[str, ...]:
    return (source.stream,) if source.consent is None else (source.stream, source.consent.stream)


class _Read(NamedTuple):
    """One read of a state, and where its values go."""

    read: Callable[[int, int, int, "array[float]", int], None]
    code_of: Callable[[object, int], int]
    key: Callable[[Event], object]
    values: "array[float]"
    moves: Sequence[tuple[int, int, int]]
    vectors: Sequence[tuple[int, Unpack]]


class _Quotient(NamedTuple):
    """One value over another, and the place of the feature that it is."""

    above: "array[float]"
    above_at: int
    below: "array[float]"
    below_at: int
    default: float
    place: int


class FeatureReader:
    """Reads the features of one decision for one request at a time.

    Args:
        values: Where each windowed feature comes from, by its place among the features.
        consents: Those that some of them need.
    """

    def __init__(
        self,
        features: FeatureSet,
        values: Sequence[tuple[int, Value]],
        states: Mapping[Source, _WindowState],
        consents: tuple[_ConsentState, ...] = (),
    ) -> None:
        self._features, self._consents = features, consents
        self._time = attrgetter(f"{features.request.event_time.name}.us")
        sources = sources_of(values)
        found = {source: array("d", bytes(8 * states[source].width)) for source in sources}
        self._reads = tuple(
            _Read(
                states[source].state.read,
                states[source].codes.get,
                states[source].key,
                room,
                moves_of(source, values),
                unpacks_of(source, values),
            )
            for source, room in found.items()
        )
        self._quotients = tuple(
            _Quotient(
                found[one.numerator.source],
                one.numerator.output,
                found[one.denominator.source],
                one.denominator.output,
                one.default,
                at,
            )
            for at, one in values
            if isinstance(one, Division)
        )

    def read(self, event: Event, position: int, out: "array[float]", start: int) -> Unavailable:
        """Write the values for a request, float64, into `out[start:]`.

        Args:
            event: The request; already applied when its stream is one of those read.
            position: The position the read is as of.

        Returns:
            The features that have no value; they are NaN.
        """
        moment = self._time(event)
        for read, code_of, key, values, moves, vectors in self._reads:
            read(code_of(key(event), -1), moment, position, values, 0)
            for first, end, at in moves:
                out[start + at : start + at + end - first] = values[first:end]
            for at, one in vectors:
                unpack_into(values[one.first : one.end], out, start + at, one.width)
        for above, above_at, below, below_at, default, place in self._quotients:
            divisor = below[below_at]
            out[start + place] = above[above_at] / divisor if divisor else default
        if not self._consents:
            return self._features.complete(event, out, start)
        refused = tuple([one.consent for one in self._consents if not one.is_given_by(event)])
        return self._features.complete(event, out, start, refused)
