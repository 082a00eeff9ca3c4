"""Feature values of the past: training sets over millions of rows, by the online kernel.

A read is a function of (key, event time, position). With the position of each request as
its bound, the result is what serving saw, late events and all (`as_recorded`). Without,
it is the classical backfill: everything that had happened and was known by the request's
own time, whenever it reached us; on the request's own stream, events of the same
microsecond count up to the request itself.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Instant, Texts
from kingpost.features.feature_set import NOT_COMPUTABLE, FeatureSet, WindowSlot
from kingpost.features.history import History
from kingpost.features.kernel import backfill
from kingpost.features.kernel_plan import KernelPlan, multiples
from kingpost.features.keys import factorise
from kingpost.features.read_vectors import Chain, seen_from

__all__ = ["Requests", "feature_matrix"]

_ALWAYS = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Requests:
    """The rows to compute features for.

    Attributes:
        events: The requests, by the column.
        positions: Position of each request's own event, int64, shape (rows,).
        read_at: Position each row is read at, or the reads' chain; None asks for the classical backfill.
    """

    events: ColumnBatch
    positions: NDArray[np.int64]
    read_at: NDArray[np.int64] | Chain | None = None

    def __len__(self) -> int:
        return self.events.rows


def feature_matrix(
    features: FeatureSet,
    requests: Requests,
    histories: Mapping[str, History],
    *,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Compute all features of many requests.

    Args:
        histories: The events of each stream that the features window over, by its name.
        threads: Threads for the kernel; the values do not depend on it.

    Returns:
        Values as float64, shape (rows, features), in the order of the requests.
    """
    out = np.empty((len(requests), len(features)), np.float64)
    if len(requests):
        groups: dict[tuple[str, str], list[WindowSlot]] = {}
        for slot in features.windows:
            groups.setdefault((slot.view.stream.name, slot.view.key), []).append(slot)
        for (stream, _), slots in groups.items():
            _fill_windows(features, slots, requests, histories[stream], out, threads)
        _fill_rest(features, requests, out)
    return out


def _fill_windows(
    features: FeatureSet,
    slots: Sequence[WindowSlot],
    requests: Requests,
    history: History,
    out: NDArray[np.float64],
    threads: int,
) -> None:
    """Fill in all windows over one stream by one key: its events are sorted once."""
    view, contract = slots[0].view, slots[0].view.stream.contract
    plan = KernelPlan.of([slot.view for slot in slots])
    width = len(plan.outputs)
    values = np.empty((len(requests), width), np.float64)
    codes, read_codes = _shared_codes(
        history.events.columns[view.key], requests.events.columns[view.key]
    )
    times = _int64(history.events, contract.event_time.name)
    asked = _int64(requests.events, features.request.event_time.name)
    arrival = read_arrival = None
    tie = np.full(len(requests), _ALWAYS, np.int64)
    if requests.read_at is not None:
        arrival, read_arrival = seen_from(history.positions, requests.read_at)
    else:
        if contract.known_time is not None:
            arrival, read_arrival = _int64(history.events, contract.known_time.name), asked
        if contract.name == features.request.name:
            tie = requests.positions
    backfill(
        plan.scales,
        plan.outputs,
        codes,
        times,
        history.positions,
        arrival,
        [multiples(history.events, field) for field in plan.fields],
        read_codes,
        asked,
        tie,
        read_arrival,
        values,
        width,
        0,
        threads,
    )
    first = 0
    for slot in slots:
        end = first + len(slot.view.names)
        out[:, slot.start : slot.start + end - first] = values[:, first:end]
        first = end


def _int64(batch: ColumnBatch, name: str) -> NDArray[np.int64]:
    return np.ascontiguousarray(batch.numbers(name), np.int64)


def _shared_codes(
    events: NDArray[np.generic] | Texts, requests: NDArray[np.generic] | Texts
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number the keys of both columns alike."""
    if isinstance(events, Texts) and isinstance(requests, Texts):
        known = {value: code for code, value in enumerate(events.values)}
        mapped = np.array([known.get(value, -1) for value in requests.values], np.int32)
        return events.codes, mapped[requests.codes]
    events = cast("NDArray[np.generic]", events)
    requests = cast("NDArray[np.generic]", requests)
    if events is requests:
        codes, _ = factorise(events)
        return codes, codes
    codes, _ = factorise(np.concatenate([events, requests]))
    return codes[: len(events)], codes[len(events) :]


def _fill_rest(features: FeatureSet, requests: Requests, out: NDArray[np.float64]) -> None:
    """Fill in fields by the column and functions row by row, as online."""
    for name, at in features.field_slots:
        out[:, at] = requests.events.numbers(name).astype(np.float64)
        if name in requests.events.present:
            out[~requests.events.present[name], at] = math.nan
    for row, at in features.row_slots:
        columns = [_arguments(features, requests, out, name) for name in row.parameters]
        out[:, at] = _row_values(row.function, columns, len(requests))


def _row_values(
    function: Callable[..., float], columns: Sequence[Iterable[object]], rows: int
) -> NDArray[np.float64]:
    try:
        return np.fromiter(map(function, *columns), np.float64, rows)
    except NOT_COMPUTABLE:
        pass  # at least one row has no value: take them one by one, so that the others have
    values = np.empty(rows, np.float64)
    for index, arguments in enumerate(zip(*columns, strict=True)):
        try:
            values[index] = function(*arguments)
        except NOT_COMPUTABLE:
            values[index] = math.nan
    return values


class _Moments:
    """Times as moments, made one at a time: a list of millions would wake the collector."""

    def __init__(self, microseconds: list[int]) -> None:
        self._microseconds = microseconds

    def __iter__(self) -> Iterator[Instant]:
        return map(Instant, self._microseconds)


def _arguments(
    features: FeatureSet, requests: Requests, out: NDArray[np.float64], name: str
) -> Iterable[object]:
    found = features.request.by_name.get(name)
    if found is None:
        return cast("list[float]", out[:, features.names.index(name)].tolist())
    values = requests.events.values(name)
    return _Moments(cast("list[int]", values)) if found.kind == "time" else values
