"""Feature values as of now: state in memory, updated by each event, read by each request.

One `OnlineFeatures` belongs to one tenant, so that no key can reach another tenant's
events. It applies events in the order of their positions; a read sees all that were
applied. Rebuilding it from the journal gives the same bits.
"""

from array import array
from collections.abc import Iterable, Mapping
from operator import attrgetter

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
    """The events behind one group of windowed features."""

    def __init__(self, view: WindowFeatures) -> None:
        plan = KernelPlan.of(view)
        contract = view.stream.contract
        self.state = State(plan.scales, plan.outputs)
        self.codes: dict[object, int] = {}
        self._key = attrgetter(view.key)
        self._key_name = view.key
        self._time = attrgetter(f"{contract.event_time.name}.us")
        self._columns = tuple((attrgetter(f.name), f) for f in plan.fields)
        self._fields = plan.fields

    def insert(self, event: Event, position: int) -> None:
        codes = self.codes
        key = self._key(event)
        code = codes.get(key)
        if code is None:
            code = codes[key] = len(codes)
        values = tuple([field.multiple(get(event)) for get, field in self._columns])
        self.state.insert(code, self._time(event), position, values)

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


class OnlineFeatures:
    """The windows of one tenant, kept up to date event by event.

    Args:
        views: Every group of windowed features that some decision reads.
    """

    def __init__(self, views: Iterable[WindowFeatures]) -> None:
        self._states: dict[int, _WindowState] = {}
        self._by_stream: dict[str, list[_WindowState]] = {}
        for view in views:
            if id(view) not in self._states:
                state = self._states[id(view)] = _WindowState(view)
                self._by_stream.setdefault(view.stream.name, []).append(state)

    def apply(self, stream: str, event: Event, position: int) -> None:
        """Add one event that the journal holds at `position`."""
        for state in self._by_stream.get(stream, ()):
            state.insert(event, position)

    def load(self, contract: Contract[Event], history: History) -> None:
        """Add many events at once, as at a start."""
        if len(history):
            for state in self._by_stream.get(contract.name, ()):
                state.load(contract, history.events, history.positions)

    def events(self) -> Mapping[str, int]:
        """Count the events held, by stream and group."""
        return {
            f"{stream}/{index}": state.state.events()
            for stream, states in self._by_stream.items()
            for index, state in enumerate(states)
        }

    def reader(self, features: FeatureSet) -> "FeatureReader":
        """Prepare reads of one decision's features."""
        return FeatureReader(
            features, tuple((self._states[id(slot.view)], slot.start) for slot in features.windows)
        )


class FeatureReader:
    """Reads the features of one decision for one request at a time."""

    def __init__(self, features: FeatureSet, states: tuple[tuple[_WindowState, int], ...]) -> None:
        self._features = features
        self._time = attrgetter(f"{features.request.event_time.name}.us")
        self._windows = tuple(
            (state.state.read, state.codes.get, attrgetter(slot.view.key), start)
            for (state, start), slot in zip(states, features.windows, strict=True)
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
        for read, code_of, key, at in self._windows:
            read(code_of(key(event), -1), moment, position, out, start + at)
        return self._features.complete(event, out, start)
