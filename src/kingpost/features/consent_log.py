"""Who consented as of which position, by the column: what consent does to reads of the past.

The rule: the same as online. What an entity consents to changes at the positions where one
of its events comes or ends. An event counts for features that need consent from its own
position, if there was consent just before it, to the position where consent next ends.
Consents count in the partition that they came to: who gives one is an entity there.
"""

import dataclasses
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch
from kingpost.features.consent import Consent
from kingpost.features.filters import mask
from kingpost.features.history import NEVER, History
from kingpost.features.kernel import backfill
from kingpost.features.key_columns import numbered_keys, shared_codes
from kingpost.features.read_vectors import partition_numbers
from kingpost.features.windows import ALL_TIME_US

__all__ = ["ConsentLog"]

Integers = NDArray[np.int64]


class _Turns(NamedTuple):
    """Where the consent of entities changes, in the order of entities and positions.

    Attributes:
        rows: An event of the entity.
        positions: As of which position.
        is_given: Whether there is consent from there on.
    """

    rows: Integers
    positions: Integers
    is_given: NDArray[np.bool_]

    def take(self, at: Integers) -> "_Turns":
        return _Turns(self.rows[at], self.positions[at], self.is_given[at])


class ConsentLog:
    """Everything that was ever said of one consent; made by `of`."""

    def __init__(self, consent: Consent, events: ColumnBatch, turns: _Turns) -> None:
        self._consent, self._events, self._turns = consent, events, turns

    @classmethod
    def of(cls, consent: Consent, history: History) -> Self:
        """Read who consented when.

        Args:
            history: The stream that says so.
        """
        history = history.kept_for((consent.entity,)).counted()
        passes = mask(consent.filters, history.events)
        if passes is not None:
            history = history.only(passes)
        return cls(consent, history.events, _turns(consent, history))

    def allowed(self, history: History) -> History:
        """Return the events of another stream as features that need the consent see them."""
        turns, owners, asked = self._turns_for(history.events, history.positions)
        at = _latest(owners, turns.positions, asked, history.positions, side="left")
        is_given = (at >= 0) & np.append(turns.is_given, False)[at]
        after = np.minimum(at + 1, len(owners))
        # a turn after one that gives consent is the one that ends it
        ends_here = np.append(owners, -1)[after] == asked
        ends = np.where(ends_here, np.append(turns.positions, NEVER)[after], NEVER)
        if history.ends is not None:
            ends = np.minimum(ends, history.ends)
        return dataclasses.replace(history, ends=np.where(is_given, ends, history.positions))

    def given(self, requests: ColumnBatch, read_at: Integers) -> NDArray[np.bool_]:
        """Say which requests are read with consent, bool, shape (rows,).

        Args:
            requests: With the field that names the entity.
            read_at: The position that each is read at, in the partition that it came to.
        """
        turns, owners, asked = self._turns_for(requests, read_at)
        at = _latest(owners, turns.positions, asked, read_at, side="right")
        return (at >= 0) & np.append(turns.is_given, False)[at]

    def _turns_for(
        self, asking: ColumnBatch, positions: Integers
    ) -> tuple[_Turns, Integers, Integers]:
        """Return the turns in the order of who gives the consent, and position.

        Args:
            asking: Events or requests that name entities, and the position of each.

        Returns:
            The turns; whose each is; and for all that ask, whose consent it is, -1 for
            nobody's.
        """
        codes, asked = shared_codes(self._events, asking, (self._consent.entity,))
        owners, whose = _owners(
            codes[self._turns.rows], self._turns.positions, asked, np.asarray(positions)
        )
        order = np.lexsort((self._turns.positions, owners))
        return self._turns.take(order), owners[order], whose


def _owners(
    codes: NDArray[np.int32], positions: Integers, asked: NDArray[np.int32], asked_at: Integers
) -> tuple[Integers, Integers]:
    """Number entities in each partition alike, for turns and for who asks."""
    partitions, asked_in = partition_numbers(positions), partition_numbers(asked_at)
    count = 1 + max(int(partitions.max(initial=0)), int(asked_in.max(initial=0)))
    owners = codes.astype(np.int64) * count + partitions
    whose = np.where(asked < 0, -1, asked.astype(np.int64) * count + asked_in)
    known, owners = np.unique(owners, return_inverse=True)
    at = np.searchsorted(known, whose)
    is_known = np.append(known, -2)[at] == whose
    return owners.reshape(-1).astype(np.int64), np.where(is_known, at, -1)


def _turns(consent: Consent, history: History) -> _Turns:
    """Look up the consent at every position where it may change, and keep where it does."""
    rows = np.arange(len(history))
    at = history.positions
    if history.ends is not None:
        ended = np.flatnonzero(history.ends != NEVER)
        rows, at = np.concatenate([rows, ended]), np.concatenate([at, history.ends[ended]])
    codes = _entities(consent, history)
    order = np.lexsort((at, codes[rows]))
    rows, at = rows[order], at[order]
    is_given = _looked_up(consent, history, codes, rows, at)
    owners = codes[rows]
    before = np.concatenate([[False], is_given[:-1]]) if len(rows) else is_given
    before = before & np.concatenate([[False], owners[1:] == owners[:-1]])[: len(rows)]
    return _Turns(rows, at, is_given).take(np.flatnonzero(is_given != before))


def _entities(consent: Consent, history: History) -> NDArray[np.int32]:
    """Number the entities of events, apart for each partition."""
    codes, _ = numbered_keys(history.events, (consent.entity,))
    owners, _ = _owners(codes, history.positions, codes[:0], history.positions[:0])
    return owners.astype(np.int32)


def _looked_up(
    consent: Consent, history: History, codes: NDArray[np.int32], rows: Integers, at: Integers
) -> NDArray[np.bool_]:
    """Return what the latest event of the entity of each row says, as of a position."""
    contract = consent.contract
    times = np.ascontiguousarray(history.events.numbers(contract.event_time.name), np.int64)
    given = np.ascontiguousarray(history.events.numbers(consent.field), np.int64)
    out = np.zeros(len(rows), np.float64)
    if len(rows):
        backfill(
            [1],
            [("last", 0, ALL_TIME_US, 0, 0.0, 0, 0)],
            codes,
            times,
            history.positions,
            history.positions,
            history.ends,
            [given],
            np.ascontiguousarray(codes[rows]),
            np.full(len(rows), times.max(), np.int64),
            np.full(len(rows), NEVER, np.int64),
            np.ascontiguousarray(at),
            out,
            1,
            0,
            1,
        )
    return out != 0.0


def _latest(
    owners: Integers,
    positions: Integers,
    asked: Integers,
    at: Integers,
    *,
    side: str,
) -> Integers:
    """Find the last turn of each one asked for up to a position, -1 where there is none.

    Args:
        owners, positions: Of each turn, in the order of both.
        side: `left` for turns before the position, `right` for those at it too.
    """
    moments = np.unique(positions)
    width = len(moments) + 1
    turns = owners * width + np.searchsorted(moments, positions)
    # how many moments have passed takes the place of the position: that fits, whatever it is
    passed = np.searchsorted(moments, at, side="left" if side == "left" else "right")
    found = np.searchsorted(turns, asked * width + passed) - 1
    known = (asked >= 0) & (found >= 0)
    if len(owners):
        known &= owners[np.maximum(found, 0)] == asked
    else:
        known[:] = False
    return np.where(known, found, -1)
