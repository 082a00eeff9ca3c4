"""Scores the rows of a batch as the server would answer each of them next.

The rule: a row's answer is a function of the row, the bundle and the journal up to one
position. Its own event is appended and read at its own position, as online, and ends before
the next row's begins: no row sees another, so neither their order nor their parts matter.
An event that the journal holds already, or that was taken back, is not appended again.
"""

from array import array
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from math import isnan

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, EventKey, Texts, join_batches
from kingpost.core import SystemClock
from kingpost.decisions.answer import Verdict
from kingpost.decisions.batch.past import BatchPast
from kingpost.decisions.complaints import Complaints
from kingpost.decisions.lane import FEATURE_ERROR, Lane, lane_scores, no_verdict, row_verdict
from kingpost.decisions.served import ServedDecision
from kingpost.features import NEVER, History, Requests, feature_matrix

__all__ = ["Scored", "score_rows"]

_ROWS_PER_CALL = 8192
_BROKEN = no_verdict(FEATURE_ERROR)


@dataclass(frozen=True)
class Scored:
    """What came of some rows; a score is None where there is none."""

    scores: list[float | None]
    verdicts: list[Verdict]


def score_rows(
    served: ServedDecision, past: BatchPast, rows: ColumnBatch, *, threads: int = 1
) -> Scored:
    """Score rows that keep the contract, each on its own.

    Args:
        threads: For the features; values do not depend on it.
    """
    decision = served.decision
    at = np.arange(past.stop, past.stop + rows.rows, dtype=np.int64)
    histories = dict(past.histories)
    name = decision.request.name
    if any(stream.name == name for stream in decision.features.streams):
        histories[name] = _with_rows(served, past, rows, at)
    complaints, broken = Complaints(SystemClock()), np.zeros(rows.rows, np.bool_)

    def note(row: int, error: Exception) -> None:
        broken[row] = True
        complaints.log("feature_failed", decision.name, error)

    values = feature_matrix(
        decision.features, Requests(rows, at, at), histories, threads=threads, on_failed=note
    )
    return _judged(served, values, broken, complaints)


def _with_rows(
    served: ServedDecision, past: BatchPast, rows: ColumnBatch, at: NDArray[np.int64]
) -> History:
    """Return the history of the requests with each new row in it, for its own position."""
    contract = served.decision.request
    history = past.histories[contract.name]
    new = ~_held(history.events, rows, contract.key.name, past.withheld)
    events, positions = rows.take(new), at[new]
    before = np.full(len(history), NEVER, np.int64) if history.ends is None else history.ends
    nobody = np.zeros(events.rows, np.bool_)
    return replace(
        history,
        events=join_batches(contract, [history.events, events]),
        positions=np.concatenate([history.positions, positions]),
        ends=np.concatenate([before, positions + 1]),
        erased={field: np.concatenate([mask, nobody]) for field, mask in history.erased.items()},
    )


def _held(
    events: ColumnBatch, rows: ColumnBatch, key: str, withheld: AbstractSet[EventKey]
) -> NDArray[np.bool_]:
    """Say which rows have a key that an event has, or had, bool, shape (rows,)."""
    asked = rows.columns[key]
    if isinstance(asked, Texts):
        known = withheld | set(events.texts(key).values)
        return np.array([text in known for text in asked.values], np.bool_)[asked.codes]
    taken = np.array(list(withheld), np.int64)
    return np.isin(asked, np.concatenate([events.numbers(key).astype(np.int64), taken]))


def _judged(
    served: ServedDecision,
    values: NDArray[np.float64],
    broken: NDArray[np.bool_],
    complaints: Complaints,
) -> Scored:
    rows = len(values)
    found = Scored([None] * rows, [_BROKEN] * rows)
    whole = np.flatnonzero(~broken)
    for start in range(0, len(whole), _ROWS_PER_CALL):
        chosen = whole[start : start + _ROWS_PER_CALL]
        lane = Lane(served, array("d"))
        lane.values.frombytes(values[chosen].tobytes())
        for index, score in enumerate(lane_scores(lane, complaints)):
            row = int(chosen[index])
            found.scores[row] = None if score is None or isnan(score) else score
            found.verdicts[row] = row_verdict(served, lane.values, index, score)
    return found
