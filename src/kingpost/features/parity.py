"""Proof that features have the same bits online and offline, on the user's own events.

A slice of a stream is replayed twice: event by event through the online state, reading
at every request, and as one offline computation bounded by the same positions. Every
float64 is compared by its bits.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Contract, Event, events_of
from kingpost.features.feature_set import FeatureSet
from kingpost.features.history import History
from kingpost.features.offline import Requests, feature_matrix
from kingpost.features.online import OnlineFeatures

__all__ = ["Difference", "ParityReport", "as_lived", "check_parity", "different_bits"]

_SHOWN = 20


class Difference(NamedTuple):
    """A value that is not the same; `row` counts the requests of the slice."""

    row: int
    feature: str
    online: float
    offline: float


@dataclass(frozen=True)
class ParityReport:
    """What a comparison found.

    Attributes:
        reads: Values compared: requests times features.
        mismatches: How many differ in a bit.
        shown: The first of them.
    """

    requests: int
    reads: int
    mismatches: int
    shown: tuple[Difference, ...]


def as_lived(
    contracts: Mapping[str, Contract[Event]], histories: Mapping[str, History]
) -> dict[str, History]:
    """Give events the positions they would have had, had each arrived when it became known.

    A history loaded from files holds the labels after everything else; replayed so, no
    request would see one. What was corrected or retracted since is left out: nothing says
    when that would have become known.
    """
    histories = {name: history.live() for name, history in histories.items()}
    names = list(histories)
    known: list[NDArray[np.int64]] = []
    for name in names:
        contract = contracts[name]
        column = (contract.known_time or contract.event_time).name
        known.append(histories[name].events.numbers(column).astype(np.int64))
    sizes = [len(times) for times in known]
    # what becomes known at the very moment of a request counts for it, as in a backfill
    labels_first = [contracts[name].known_time is None for name in names]
    stream = np.repeat(np.array(labels_first), sizes)
    order = np.lexsort(
        (np.concatenate([histories[name].positions for name in names]), stream,
         np.concatenate(known))
    )  # fmt: skip
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    lived: dict[str, History] = {}
    start = 0
    for name, size in zip(names, sizes, strict=True):
        positions = rank[start : start + size]
        by_position = np.argsort(positions, kind="stable")
        events = histories[name].events.take(by_position)
        lived[name] = History(events, positions[by_position])
        start += size
    return lived


def check_parity(
    features: FeatureSet,
    contracts: Mapping[str, Contract[Event]],
    histories: Mapping[str, History],
    *,
    from_us: int,
    until_us: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> ParityReport:
    """Replay the requests of a time slice online and offline and compare the bits.

    Args:
        contracts: The contract of each stream in `histories`.
        histories: The streams of one tenant, by name.
        from_us: First event time of the slice, microseconds UTC.
        until_us: End of the slice, exclusive.
        on_progress: Told (events replayed, events in all) now and then.
    """
    asked = histories[features.request.name].counted()
    times = asked.events.numbers(features.request.event_time.name).astype(np.int64)
    chosen = np.flatnonzero((times >= from_us) & (times < until_us))
    if not len(chosen):
        return ParityReport(0, 0, 0, ())
    first = int(asked.positions[chosen[0]])
    online = OnlineFeatures(slot.view for slot in features.windows)
    reader = online.reader(features)
    for name, history in histories.items():
        online.load(contracts[name], history.before(first))
    wanted = set(asked.positions[chosen].tolist())
    last = int(asked.positions[chosen[-1]])
    width = len(features)
    values = array("d", bytes(8 * width * len(chosen)))
    done = 0
    for count, (name, event, position, is_end) in enumerate(
        _replay(contracts, histories, first, last)
    ):
        if is_end:
            online.retract(name, event, position)
            continue
        online.apply(name, event, position)
        if position in wanted and name == features.request.name:
            reader.read(event, position, values, done * width)
            done += 1
            if on_progress is not None and count % 4096 == 0:
                on_progress(done, len(chosen))
    offline = feature_matrix(
        features,
        Requests(asked.events.take(chosen), asked.positions[chosen], asked.positions[chosen]),
        histories,
    )
    return different_bits(features.names, np.frombuffer(values).reshape(-1, width), offline)


def different_bits(
    names: tuple[str, ...], online: NDArray[np.float64], offline: NDArray[np.float64]
) -> ParityReport:
    """Compare two tables of values, float64, shape (requests, features), bit by bit."""
    differ = np.ascontiguousarray(online).view(np.int64) != np.ascontiguousarray(offline).view(
        np.int64
    )
    both_missing = np.isnan(online) & np.isnan(offline)
    differ &= ~both_missing
    rows, columns = np.nonzero(differ)
    shown = tuple(
        Difference(row, names[column], float(online[row, column]), float(offline[row, column]))
        for row, column in zip(rows[:_SHOWN].tolist(), columns[:_SHOWN].tolist(), strict=True)
    )
    return ParityReport(len(online), online.size, len(rows), shown)


def _replay(
    contracts: Mapping[str, Contract[Event]],
    histories: Mapping[str, History],
    first: int,
    last: int,
) -> Iterator[tuple[str, Event, int, bool]]:
    """Yield what happens in all streams from position `first` to `last`, in their order.

    That is an event with its own position; true when it ends there, by a correction or a
    retraction, and so comes out.
    """
    names = list(histories)
    moments: list[NDArray[np.int64]] = []
    parts: list[NDArray[np.int64]] = []
    iterators: list[Iterator[Event]] = []
    for name in names:
        history = histories[name].counted()
        start, end = np.searchsorted(history.positions, [first, last + 1])
        begun = np.arange(int(start), int(end))
        ended = np.empty(0, np.int64)
        if history.ends is not None:
            ended = np.flatnonzero((history.ends >= first) & (history.ends <= last))
            ended = ended[np.argsort(history.ends[ended], kind="stable")]
        for rows, at in ((ended, history.ends), (begun, history.positions)):
            moments.append(np.empty(0, np.int64) if at is None else at[rows])
            parts.append(history.positions[rows])
            iterators.append(events_of(contracts[name], history.events.take(rows)))
    source = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    positions = np.concatenate(parts)
    # what a correction ends goes out before the corrected event comes in
    for at in np.lexsort((source % 2, np.concatenate(moments))).tolist():
        which = int(source[at])
        yield names[which // 2], next(iterators[which]), int(positions[at]), which % 2 == 0
