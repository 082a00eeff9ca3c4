"""Reads of one decision's features, for one request at a time."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from kingpost.contracts import Event
from kingpost.features.feature_set import FeatureSet, Unavailable
from kingpost.features.kernel_columns import unpack_into
from kingpost.features.kernel_plan import (
    Division,
    Source,
    Unpack,
    Value,
    moves_of,
    sources_of,
    unpacks_of,
)
from kingpost.features.retention import Retention
from kingpost.features.window_state import ConsentState, WindowState

__all__ = ["FeatureReader", "Look"]


class Look(NamedTuple):
    """How far a read looks back over a stream with a retention, by which key."""

    retention: Retention
    reach_us: int
    key: str


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
        looks: How far they look back, where events are let go for their age.
    """

    def __init__(
        self,
        features: FeatureSet,
        values: Sequence[tuple[int, Value]],
        states: Mapping[Source, WindowState],
        consents: tuple[ConsentState, ...] = (),
        looks: tuple[Look, ...] = (),
    ) -> None:
        self._features, self._consents, self._looks = features, consents, looks
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

        Raises:
            FeaturesForgotten: It is so late that what it looks back on was let go.
        """
        moment = self._time(event)
        for retention, reach_us, key in self._looks:
            retention.check(moment, reach_us, key)
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
