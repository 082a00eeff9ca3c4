"""Feature values of the past: training sets over millions of rows, by the online kernel.

A read is a function of (key, event time, position). With the position of each request as
its bound, the result is what serving saw, late events and all (`as_recorded`): an event
counts from its own position to that of its correction or retraction. Without, it is the
classical backfill: everything that had happened and was known by the request's own time,
whenever it reached us, as corrected since; on the request's own stream, events of the same
microsecond count up to the request itself.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Instant
from kingpost.features.consent import Consent
from kingpost.features.consent_log import ConsentLog
from kingpost.features.feature_set import NOT_COMPUTABLE, FeatureSet
from kingpost.features.filters import mask
from kingpost.features.history import History
from kingpost.features.kernel import backfill
from kingpost.features.kernel_columns import unpacked
from kingpost.features.kernel_plan import (
    Division,
    KernelPlan,
    Source,
    Take,
    WindowPlan,
    moves_of,
    unpacks_of,
)
from kingpost.features.key_columns import shared_codes
from kingpost.features.read_vectors import Chain, last_of_partition, seen_from

__all__ = ["Requests", "feature_matrix"]

_ALWAYS = np.iinfo(np.int64).max
OnFailed = Callable[[int, Exception], None]


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
    on_failed: OnFailed | None = None,
) -> NDArray[np.float64]:
    """Compute all features of many requests.

    Args:
        histories: The events of each stream that the features window over, by its name.
        threads: Threads for the kernel; the values do not depend on it.
        on_failed: Told of each row on which a function of the user's breaks, whose values
            mean nothing then; without, what it raises is raised.

    Returns:
        Values as float64, shape (rows, features), in the order of the requests.
    """
    out = np.empty((len(requests), len(features)), np.float64)
    if len(requests):
        logs = {one: ConsentLog.of(one, histories[one.stream]) for one in features.consents}
        _fill_windows(features, requests, histories, logs, out, threads)
        _fill_rest(features, requests, out, _withheld(features, requests, logs), on_failed)
    return out


def _withheld(
    features: FeatureSet, requests: Requests, logs: Mapping[Consent, ConsentLog]
) -> Mapping[int, NDArray[np.bool_]]:
    """Say for each feature that needs consent which rows have none, bool, shape (rows,)."""
    found: dict[int, NDArray[np.bool_]] = {}
    read_at = _consents_at(requests)
    for consent, log in logs.items():
        refused = ~log.given(requests.events, read_at)
        for at in features.needing(consent):
            found[at] = found[at] | refused if at in found else refused
    return found


def _consents_at(requests: Requests) -> NDArray[np.int64]:
    """Return the position at which each request's consents are looked up, in its partition."""
    if requests.read_at is None:
        return last_of_partition(requests.positions)
    if isinstance(requests.read_at, Chain):  # of its own partition, a request saw all to itself
        return requests.positions
    return requests.read_at


def _fill_windows(
    features: FeatureSet,
    requests: Requests,
    histories: Mapping[str, History],
    logs: Mapping[Consent, ConsentLog],
    out: NDArray[np.float64],
    threads: int,
) -> None:
    """Fill in all windows; the events of each source are sorted once."""
    plan = WindowPlan.of(slot.view for slot in features.windows)
    slots = plan.placed((slot.view, slot.start) for slot in features.windows)
    divisions = [(at, one) for at, one in slots if isinstance(one, Division)]
    parts = {part for _, one in divisions for part in (one.numerator, one.denominator)}
    kept: dict[Take, NDArray[np.float64]] = {}
    for source, kernel in plan.sources.items():
        width, moves = len(kernel.outputs), moves_of(source, slots)
        history = histories[source.stream].kept_for(source.keys)
        if source.consent is not None:
            history = logs[source.consent].allowed(history)
        call = _Call(features, source, kernel, requests, history, threads)
        if [move[:2] for move in moves] == [(0, width)]:
            values, start = out, moves[0][2]  # all side by side: they need no moving
        else:
            values, start = np.empty((len(requests), width), np.float64), 0
        _write(call, values, start)
        if values is not out:
            for first, end, at in moves:
                out[:, at : at + end - first] = values[:, first:end]
            for at, one in unpacks_of(source, slots):
                out[:, at : at + one.width] = unpacked(values[:, one.first : one.end], one.width)
        for part in parts:
            if part.source == source:
                kept[part] = values[:, start + part.output].copy()
    for at, one in divisions:
        below = kept[one.denominator]
        out[:, at] = one.default
        with np.errstate(all="ignore"):
            np.divide(kept[one.numerator], below, out=out[:, at], where=below != 0.0)


class _Call(NamedTuple):
    """What the kernel is asked: the outputs of one source for every request."""

    features: FeatureSet
    source: Source
    plan: KernelPlan
    requests: Requests
    history: History
    threads: int


def _write(call: _Call, out: NDArray[np.float64], start: int) -> None:
    """Compute one source and write its outputs side by side from a column on."""
    requests, plan, contract = call.requests, call.plan, call.plan.contract
    history = _that_counts(call)
    codes, read_codes = shared_codes(history.events, requests.events, call.source.keys)
    asked = _int64(requests.events, call.features.request.event_time.name)
    arrival = read_arrival = ends = None
    tie = np.full(len(requests), _ALWAYS, np.int64)
    if requests.read_at is not None:
        arrival, read_arrival, ends = seen_from(history, requests.read_at)
    else:
        if contract.known_time is not None:
            arrival, read_arrival = _int64(history.events, contract.known_time.name), asked
        if contract.name == call.features.request.name:
            tie = requests.positions
    backfill(
        plan.scales,
        plan.outputs,
        codes,
        _int64(history.events, contract.event_time.name),
        history.positions,
        arrival,
        ends,
        [column.encode(history.events) for column in plan.columns],
        read_codes,
        asked,
        tie,
        read_arrival,
        out,
        out.shape[1],
        start,
        call.threads,
    )


def _that_counts(call: _Call) -> History:
    """Return the events that any read can see: those that pass the filters and ever counted."""
    history = call.history
    history = history.live() if call.requests.read_at is None else history.counted()
    events = history.events
    passes = mask(call.source.filters, events)
    if passes is None:
        return history
    rows, needed = np.flatnonzero(passes), _columns_of(call.source, call.plan)
    fewer = ColumnBatch(
        events.rows,
        {name: events.columns[name] for name in needed},
        {name: events.present[name] for name in needed if name in events.present},
    )
    ends = None if history.ends is None else history.ends[rows]
    return History(fewer.take(rows), history.positions[rows], ends)


def _columns_of(source: Source, plan: KernelPlan) -> set[str]:
    times = {plan.contract.event_time.name}
    if plan.contract.known_time is not None:
        times.add(plan.contract.known_time.name)
    return times | set(source.keys) | {column.field.name for column in plan.columns}


def _int64(batch: ColumnBatch, name: str) -> NDArray[np.int64]:
    return np.ascontiguousarray(batch.numbers(name), np.int64)


def _fill_rest(
    features: FeatureSet,
    requests: Requests,
    out: NDArray[np.float64],
    withheld: Mapping[int, NDArray[np.bool_]],
    on_failed: OnFailed | None,
) -> None:
    """Fill in fields by the column and functions row by row, as online."""
    for name, at in features.field_slots:
        out[:, at] = requests.events.numbers(name).astype(np.float64)
        if name in requests.events.present:
            out[~requests.events.present[name], at] = math.nan
    for name, slot in features.vector_fields:
        block = out[:, slot.start : slot.start + slot.width]
        block[:] = requests.events.numbers(name)
        if name in requests.events.present:
            block[~requests.events.present[name]] = math.nan
    for at, rows in withheld.items():
        out[rows, at] = math.nan
    for row, at in features.row_slots:
        asked, rows = requests, None
        if at in withheld:
            rows = np.flatnonzero(~withheld[at])
            asked = Requests(requests.events.take(rows), requests.positions[rows])
        values = out if rows is None else out[rows]
        columns = [_arguments(features, asked, values, name) for name in row.parameters]
        found, broken = _row_values(
            row.function, columns, len(asked), keep_going=on_failed is not None
        )
        if on_failed is not None:
            for index, error in broken.items():
                on_failed(index if rows is None else int(rows[index]), error)
        if rows is None:
            out[:, at] = found
        else:
            out[rows, at] = found


def _row_values(
    function: Callable[..., float],
    columns: Sequence[Iterable[object]],
    rows: int,
    *,
    keep_going: bool,
) -> tuple[NDArray[np.float64], Mapping[int, Exception]]:
    """Return the values, and the rows on which the function broke if it is to go on."""
    caught = (Exception,) if keep_going else NOT_COMPUTABLE
    broken: dict[int, Exception] = {}
    try:
        return np.fromiter(map(function, *columns), np.float64, rows), broken
    except caught:
        pass  # at least one row has no value: take them one by one, so that the others have
    values = np.empty(rows, np.float64)
    for index, arguments in enumerate(zip(*columns, strict=True)):
        try:
            values[index] = function(*arguments)
        except NOT_COMPUTABLE:
            values[index] = math.nan
        except caught as error:
            values[index] = math.nan
            broken[index] = error
    return values, broken


class _Vectors:
    """Vectors as tuples, made one at a time: a list of them would be four times as large."""

    def __init__(self, made: Callable[[], Iterator[object]]) -> None:
        self._made = made

    def __iter__(self) -> Iterator[object]:
        return self._made()


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
    if found is not None and found.kind == "vector":
        return _Vectors(lambda: requests.events.vectors(name))
    if name in features.vectors:
        slot = features.vectors[name]
        block = out[:, slot.start : slot.start + slot.width]
        return _Vectors(lambda: (tuple(cast("list[float]", row.tolist())) for row in block))
    if found is None:
        return cast("list[float]", out[:, features.names.index(name)].tolist())
    values = requests.events.values(name)
    return _Moments(cast("list[int]", values)) if found.kind == "time" else values
