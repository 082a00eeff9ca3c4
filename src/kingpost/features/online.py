"""Feature values as of now: state in memory, updated by each event, read by each request.

One `OnlineFeatures` belongs to one tenant, so that no key can reach another tenant's
events. It applies events in the order of their positions; a read sees all that were
applied. Rebuilding it from the journal gives the same bits.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Contract, Event
from kingpost.features.declare import WindowFeatures
from kingpost.features.feature_set import FeatureSet
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


class _WindowState:
    """The events of one source, held once for all windows over them."""

    def __init__(self, source: Source, plan: KernelPlan, room: MemoryRoom | None) -> None:
        self.width = len(plan.outputs)
        state = State(plan.scales, plan.outputs)
        self.state = state if room is None else BoundedState(state, len(plan.columns), room)
        self.codes: dict[object, int] = {}
        self.key = attrgetter(*source.keys)
        self._source, self._plan = source, plan
        self._matches = matcher(source.filters)
        self._time = attrgetter(f"{plan.contract.event_time.name}.us")
        self._values = row_encoder(plan.columns)

    def insert(self, event: Event, position: int) -> None:
        if self._matches is not None and not self._matches(event):
            return
        codes = self.codes
        key = self.key(event)
        code = codes.get(key)
        if code is None:
            code = codes[key] = len(codes)
        self.state.insert(code, self._time(event), position, self._values(event))

    def retract(self, event: Event, position: int) -> None:
        if self._matches is not None and not self._matches(event):
            return
        code = self.codes.get(self.key(event))
        if code is not None:
            self.state.retract(code, self._time(event), position)

    def load(
        self, contract: Contract[Event], batch: ColumnBatch, positions: NDArray[np.int64]
    ) -> None:
        passes = mask(self._source.filters, batch)
        if passes is not None:
            batch, positions = batch.take(passes), positions[passes]
        found, keys = numbered_keys(batch, self._source.keys)
        codes = self.codes
        mapped = [codes.setdefault(key, len(codes)) for key in keys]
        rows = np.array(mapped, np.int32)[found] if mapped else found
        times = batch.numbers(contract.event_time.name).astype(np.int64, copy=False)
        values = [column.encode(batch) for column in self._plan.columns]
        self.state.load(np.ascontiguousarray(rows, np.int32), times, positions, values)

    def dump(self) -> Mapping[str, memoryview]:
        codes, times, positions, values = self.state.dump()
        columns = {
            "keys": memoryview(msgspec.msgpack.encode(list(self.codes))),
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


_StoredKey = str | int | list[str | int]


def _key_of(stored: _StoredKey) -> object:
    return tuple(stored) if isinstance(stored, list) else stored


class OnlineFeatures:
    """The windows of one tenant, kept up to date event by event.

    Args:
        views: Every group of windowed features that some decision reads.
        room: Where keys go that memory has no room for; None keeps all of them.

    Attributes:
        streams: Of each state of windows, its stream by the digest of what it is made from.
    """

    def __init__(self, views: Iterable[WindowFeatures], *, room: MemoryRoom | None = None) -> None:
        self._plan = WindowPlan.of(views)
        self._states = {
            source: _WindowState(source, plan, room) for source, plan in self._plan.sources.items()
        }
        self._by_stream: dict[str, list[_WindowState]] = {}
        for source, state in self._states.items():
            self._by_stream.setdefault(source.stream, []).append(state)
        self._by_digest = {
            plan.events_digest(source): self._states[source]
            for source, plan in self._plan.sources.items()
        }
        self.streams: Mapping[str, str] = {
            plan.events_digest(source): source.stream for source, plan in self._plan.sources.items()
        }

    def apply(self, stream: str, event: Event, position: int) -> None:
        """Add one event that the journal holds at `position`."""
        for state in self._by_stream.get(stream, ()):
            state.insert(event, position)

    def retract(self, stream: str, event: Event, position: int) -> None:
        """Take an event out again that was added at `position`."""
        for state in self._by_stream.get(stream, ()):
            state.retract(event, position)

    def load(
        self,
        contract: Contract[Event],
        history: History,
        *,
        only: Collection[str] | None = None,
    ) -> None:
        """Add many events at once, as at a start; those that have ended are left out.

        Args:
            only: The digests of the states that take them; all of them when None.
        """
        history = history.live()
        if not len(history):
            return
        wanted = None if only is None else [self._by_digest.get(digest) for digest in only]
        for state in self._by_stream.get(contract.name, ()):
            if wanted is None or state in wanted:
                state.load(contract, history.events, history.positions)

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
        )


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
    """

    def __init__(
        self,
        features: FeatureSet,
        values: Sequence[tuple[int, Value]],
        states: Mapping[Source, _WindowState],
    ) -> None:
        self._features = features
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

    def read(self, event: Event, position: int, out: "array[float]", start: int) -> tuple[str, ...]:
        """Write the values for a request, float64, into `out[start:]`.

        Args:
            event: The request; already applied when its stream is one of those read.
            position: The position the read is as of.

        Returns:
            The names of features that could not be computed; their values are NaN.
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
        return self._features.complete(event, out, start)
