"""Feature values as of now: state in memory, updated by each event, read by each request.

One `OnlineFeatures` belongs to one tenant, so that no key can reach another tenant's
events. It applies events in the order of their positions; a read sees all that were
applied. Rebuilding it from the journal gives the same bits.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Contract, Event, Texts
from kingpost.features.declare import WindowFeatures
from kingpost.features.feature_set import FeatureSet
from kingpost.features.history import History
from kingpost.features.kernel import State
from kingpost.features.kernel_plan import KernelPlan, multiples

__all__ = ["FeatureReader", "OnlineFeatures"]


class _WindowState:
    """The events of one stream by one key, held once for all windows over them."""

    def __init__(self, views: Sequence[WindowFeatures]) -> None:
        plan = KernelPlan.of(views)
        view, contract = views[0], views[0].stream.contract
        self.width = len(plan.outputs)
        self.state = State(plan.scales, plan.outputs)
        self.codes: dict[object, int] = {}
        self.key = attrgetter(view.key)
        self._key_name = view.key
        self._time = attrgetter(f"{contract.event_time.name}.us")
        self._columns = tuple((attrgetter(f.name), f) for f in plan.fields)
        self._fields = plan.fields

    def insert(self, event: Event, position: int) -> None:
        codes = self.codes
        key = self.key(event)
        code = codes.get(key)
        if code is None:
            code = codes[key] = len(codes)
        values = tuple([field.multiple(get(event)) for get, field in self._columns])
        self.state.insert(code, self._time(event), position, values)

    def retract(self, event: Event, position: int) -> None:
        code = self.codes.get(self.key(event))
        if code is not None:
            self.state.retract(code, self._time(event), position)

    def load(
        self, contract: Contract[Event], batch: ColumnBatch, positions: NDArray[np.int64]
    ) -> None:
        column = batch.columns[self._key_name]
        codes = self.codes
        if isinstance(column, Texts):
            mapped = [codes.setdefault(value, len(codes)) for value in column.values]
            rows = np.array(mapped, np.int32)[column.codes] if mapped else column.codes
        else:
            distinct, inverse = np.unique(column, return_inverse=True)
            mapped = [codes.setdefault(value, len(codes)) for value in distinct.tolist()]
            rows = np.array(mapped, np.int32)[inverse]
        times = batch.numbers(contract.event_time.name).astype(np.int64, copy=False)
        values = [multiples(batch, field) for field in self._fields]
        self.state.load(np.ascontiguousarray(rows, np.int32), times, positions, values)


class _Slice(NamedTuple):
    """Where the values of one group of features lie among those that its state gives."""

    state: _WindowState
    first: int
    end: int


class OnlineFeatures:
    """The windows of one tenant, kept up to date event by event.

    Args:
        views: Every group of windowed features that some decision reads.
    """

    def __init__(self, views: Iterable[WindowFeatures]) -> None:
        groups: dict[tuple[str, str], list[WindowFeatures]] = {}
        for view in {id(view): view for view in views}.values():
            groups.setdefault((view.stream.name, view.key), []).append(view)
        self._by_stream: dict[str, list[_WindowState]] = {}
        self._slices: dict[int, _Slice] = {}
        for (stream, _), group in groups.items():
            state = _WindowState(group)
            self._by_stream.setdefault(stream, []).append(state)
            first = 0
            for view in group:
                self._slices[id(view)] = _Slice(state, first, first + len(view.names))
                first += len(view.names)

    def apply(self, stream: str, event: Event, position: int) -> None:
        """Add one event that the journal holds at `position`."""
        for state in self._by_stream.get(stream, ()):
            state.insert(event, position)

    def retract(self, stream: str, event: Event, position: int) -> None:
        """Take an event out again that was added at `position`."""
        for state in self._by_stream.get(stream, ()):
            state.retract(event, position)

    def load(self, contract: Contract[Event], history: History) -> None:
        """Add many events at once, as at a start; those that have ended are left out."""
        history = history.live()
        if len(history):
            for state in self._by_stream.get(contract.name, ()):
                state.load(contract, history.events, history.positions)

    def events(self) -> Mapping[str, int]:
        """Count the events held, by stream and the number of the key they are grouped by."""
        return {
            f"{stream}/{index}": state.state.events()
            for stream, states in self._by_stream.items()
            for index, state in enumerate(states)
        }

    def reader(self, features: FeatureSet) -> "FeatureReader":
        """Prepare reads of one decision's features."""
        return FeatureReader(features, [self._slices[id(slot.view)] for slot in features.windows])


class _Read(NamedTuple):
    """One read of a state, and where its values go."""

    read: Callable[[int, int, int, "array[float]", int], None]
    code_of: Callable[[object, int], int]
    key: Callable[[Event], object]
    values: "array[float]"
    moves: tuple[tuple[int, int, int], ...]
    """(first, end) in `values` and the place of the first one among the features."""


class FeatureReader:
    """Reads the features of one decision for one request at a time."""

    def __init__(self, features: FeatureSet, slices: Sequence[_Slice]) -> None:
        self._features = features
        self._time = attrgetter(f"{features.request.event_time.name}.us")
        states = {id(one.state): one.state for one in slices}
        self._reads = tuple(
            _Read(
                state.state.read,
                state.codes.get,
                state.key,
                array("d", bytes(8 * state.width)),
                tuple(
                    (one.first, one.end, slot.start)
                    for one, slot in zip(slices, features.windows, strict=True)
                    if one.state is state
                ),
            )
            for state in states.values()
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
        for read, code_of, key, values, moves in self._reads:
            read(code_of(key(event), -1), moment, position, values, 0)
            for first, end, at in moves:
                out[start + at : start + at + end - first] = values[first:end]
        return self._features.complete(event, out, start)
