"""Requests joined with what was later learned about them.

The rule: a label counts only when it was known by the moment asked for, as if training
had run then. A request whose label is not known yet is left out, never taken for negative.
Of requests and labels alike only the versions count that are held now: what was corrected
or retracted since is gone, whenever that happened, and so are requests of those who were
erased since.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Column, Texts
from kingpost.decisions.declare import Decision
from kingpost.features import History, Requests

__all__ = ["Labelled", "labelled_requests", "last_rows_of"]


class Labelled(NamedTuple):
    """Requests with their labels, row by row, in the order of the requests' positions.

    Attributes:
        labels: float64, shape (rows,).
        known_us: When each label became known, int64 microseconds UTC, shape (rows,).
    """

    requests: Requests
    labels: NDArray[np.float64]
    known_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.requests)

    def take(self, rows: NDArray[np.int64]) -> "Labelled":
        """Return some rows, in the order asked for."""
        asked = Requests(self.requests.events.take(rows), self.requests.positions[rows])
        return Labelled(asked, self.labels[rows], self.known_us[rows])


def labelled_requests(
    decision: Decision,
    histories: Mapping[str, History],
    *,
    known_until_us: int | None,
    since_us: int | None = None,
) -> Labelled:
    """Join a decision's requests with the labels known by a moment.

    Args:
        histories: The request's and the label's stream of one tenant, by name.
        known_until_us: Labels known later are left out; None takes all.
        since_us: Requests that happened before are left out; None takes all.
    """
    asked = histories[decision.request.name]
    asked = asked.kept_for(asked.erased).live()
    label, contract = decision.model.label, decision.model.label.stream.contract
    told = histories[contract.name].live()
    known_time = contract.known_time or contract.event_time
    known_us = told.events.numbers(known_time.name).astype(np.int64)
    usable = np.ones(len(told), np.bool_)
    if known_until_us is not None:
        usable &= known_us <= known_until_us
    if label.field in told.events.present:
        usable &= told.events.present[label.field]
    rows = np.flatnonzero(usable)
    known = told.events.take(rows)
    found = last_rows_of(
        known.columns[contract.key.name], asked.events.columns[decision.request.key.name]
    )
    wanted = found >= 0
    if since_us is not None:
        at_us = asked.events.numbers(decision.request.event_time.name).astype(np.int64)
        wanted &= at_us >= since_us
    chosen = np.flatnonzero(wanted)
    labels = known.numbers(label.field)[found[chosen]].astype(np.float64)
    return Labelled(
        Requests(asked.events.take(chosen), asked.positions[chosen]),
        labels,
        known_us[rows][found[chosen]],
    )


def last_rows_of(keys: Column, wanted: Column) -> NDArray[np.int64]:
    """Find the last row of each wanted key; -1 where there is none.

    Args:
        keys: Where to look, whole numbers or text.
        wanted: What to look for, of the same kind.

    Returns:
        Rows of `keys`, int64, one per row of `wanted`.
    """
    if isinstance(keys, Texts) and isinstance(wanted, Texts):
        last = np.full(len(keys.values) + 1, -1, np.int64)  # the slot at the end: no such key
        last[keys.codes] = np.arange(len(keys.codes))  # of equal indices the last one counts
        code_of = {value: code for code, value in enumerate(keys.values)}
        codes = np.array([code_of.get(value, -1) for value in wanted.values], np.int64)
        return last[codes[wanted.codes]] if len(codes) else np.empty(0, np.int64)
    numbers = cast("NDArray[np.int64]", keys)
    asked = cast("NDArray[np.int64]", wanted)
    if not len(numbers):
        return np.full(len(asked), -1, np.int64)
    order = np.argsort(numbers, kind="stable")
    ascending = numbers[order]
    at = np.searchsorted(ascending, asked, side="right") - 1
    return np.where(ascending[at] == asked, order[at], -1)
