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
    request would see one. What was corrected, retracted or erased since is left out: nothing
    says when that would have become known.
    """
    histories = {name: one.kept_for(one.erased).live() for name, one in histories.items()}
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

    Both leave out the events of entities that were erased since.

    Args:
        contracts: The contract of each stream in `histories`.
        histories: The streams of one tenant, by name.
        from_us: First event time of the slice, microseconds UTC.
        until_us: End of the slice, exclusive.
        on_progress: Told (events replayed, events in all) now and then.
    """
    histories = {name: one.kept_for(one.erased) for name, one in histories.items()}
    asked = histories[features.request.name].counted()
    times = asked.events.numbers(features.request.event_time.name).astype(np.int64)
    chosen = np.flatnonzero((times >= from_us) & (times < until_us))
    if not len(chosen):
        return ParityReport(0, 0, 0, ())
    first = int(asked.positions[chosen[0]])
    online = OnlineFeatures((slot.view for slot in features.windows), consents=features.consents)
    reader = online.reader(features)
    online.load({name: history.until(first) for name, history in histories.items()})
    wanted = set(asked.positions[chosen].tolist())
    last = int(asked.positions[chosen[-1]])
    width = len(features)
    values = array("d", bytes(8 * width * len(chosen)))
    done = 0
    for count, (name, event, position, ended) in enumerate(
        _replay(contracts, histories, first, last)
    ):
        if ended is not None and event is None:
            online.retract(name, *ended)
        if event is None:
            continue
        if ended is None:
            online.apply(name, event, position)
        else:
            online.correct(name, *ended, event, position)
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


class _Happening(NamedTuple):
    """What happens at one position of a stream: an event comes in, another goes out, or both.

    Attributes:
        ended: An event that is corrected or retracted, and the position it had come at.
    """

    stream: str
    event: Event | None
    position: int
    ended: tuple[Event, int] | None


def _replay(
    contracts: Mapping[str, Contract[Event]],
    histories: Mapping[str, History],
    first: int,
    last: int,
) -> Iterator[_Happening]:
    """Yield what happens in all streams from position `first` to `last`, in their order."""
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
    moment = np.concatenate(moments)
    leaving: _Happening | None = None
    # what a correction ends goes out before the corrected event comes in
    for at in np.lexsort((source % 2, moment)).tolist():
        which, now = int(source[at]), int(moment[at])
        stream, event = names[which // 2], next(iterators[which])
        is_end = which % 2 == 0
        if leaving is not None and (is_end or (leaving.stream, leaving.position) != (stream, now)):
            yield leaving
            leaving = None
        if is_end:
            leaving = _Happening(stream, None, now, (event, int(positions[at])))
        else:
            yield _Happening(stream, event, now, None if leaving is None else leaving.ended)
            leaving = None
    if leaving is not None:
        yield leaving
