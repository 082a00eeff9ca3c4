"""Reads bounded by vectors: what had been applied of each partition when a value was read.

The rule: an event journalled at offset o of partition p is seen by a read with vector V
if o <= V[p]. Reads of one store form a chain: of any two, one saw all that the other saw.
Along a chain a rank takes the place of the vector: an event's rank is that of the first
read that saw it, so that it is seen by a read if its rank is not greater. The kernel
takes these ranks as arrivals. Reads of stores apart need not be comparable; `chains`
splits them into groups that are.

Events of all partitions have one order, for ties of their time: `Partitions.sequence`.
Pure functions over arrays; where vectors come from is left to the stores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Contract, Event, join_batches
from kingpost.features.errors import BadPartitions, UnlistedPartition
from kingpost.features.history import NEVER, History
from kingpost.journal import Position

__all__ = [
    "Chain",
    "Partitions",
    "ReadVectors",
    "join_histories",
    "last_of_partition",
    "partition_numbers",
    "seen_from",
]

_OFFSET_BITS = 48
_MOST = 2**14
_NOTHING = -1

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Partitions:
    """The partitions of an installation, numbered by their place in the list.

    The numbers are part of what is stored: add names at the end, never move one.

    Raises:
        BadPartitions: There is none, or a name comes twice, or there are more than 16,384.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.names) <= _MOST or len(set(self.names)) < len(self.names):
            raise BadPartitions(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def number(self, partition: str) -> int:
        """Return a partition's number.

        Raises:
            UnlistedPartition: It is not one of these.
        """
        try:
            return self.names.index(partition)
        except ValueError:
            raise UnlistedPartition(partition, self.names) from None

    def sequence(self, partition: str, offset: int) -> int:
        """Return the place of an event among those of all partitions, 0 to 2^62."""
        return self.number(partition) << _OFFSET_BITS | offset

    def sequences(self, partition: str, offsets: Integers) -> Integers:
        """Return the places of many events of one partition."""
        return np.int64(self.number(partition) << _OFFSET_BITS) | offsets


def partition_numbers(sequences: Integers) -> Integers:
    """Return the numbers of the partitions that events came to; 0 for offsets of an only one."""
    return sequences >> _OFFSET_BITS


def last_of_partition(sequences: Integers) -> Integers:
    """Return the greatest position that there can be in the partitions of some events."""
    return sequences | ((1 << _OFFSET_BITS) - 1)


def join_histories(
    contract: Contract[Event], partitions: Partitions, histories: Mapping[str, History]
) -> History:
    """Put the events of one stream from several partitions into one history.

    Args:
        histories: The stream's events per partition.

    Returns:
        A history whose positions are sequences, to be read as of vectors.
    """
    ordered = sorted(histories, key=partitions.number)
    positions: list[Integers] = []
    ends: list[Integers] = []
    for name in ordered:
        one = histories[name]
        positions.append(partitions.sequences(name, one.positions))
        ended = np.full(len(one), NEVER, np.int64) if one.ends is None else one.ends
        ends.append(np.where(ended == NEVER, NEVER, partitions.sequences(name, ended)))
    fields = {field for name in ordered for field in histories[name].erased}
    nobody = {name: np.zeros(len(histories[name]), np.bool_) for name in ordered}
    return History(
        join_batches(contract, [histories[name].events for name in ordered]),
        np.concatenate(positions),
        None if all(one.ends is None for one in histories.values()) else np.concatenate(ends),
        {
            field: np.concatenate(
                [histories[name].erased.get(field, nobody[name]) for name in ordered]
            )
            for field in fields
        },
    )


@dataclass(frozen=True)
class Chain:
    """Reads of which each saw all that the ones before it saw, and maybe more.

    Attributes:
        bounds: Offsets seen by partition number, int64, shape (reads, partitions), each
            column ascending; -1 where nothing was seen.
        ranks: The place of each read in `bounds`, int64, shape (reads,), in any order.
    """

    bounds: Integers
    ranks: Integers

    def arrivals(self, sequences: Integers) -> Integers:
        """Return the rank of the first read that saw each event.

        Args:
            sequences: As `Partitions.sequence` gives them; NEVER stays so.
        """
        numbers = partition_numbers(sequences)
        offsets = sequences & ((1 << _OFFSET_BITS) - 1)
        ranks = np.full(len(sequences), NEVER, np.int64)
        for number in range(self.bounds.shape[1]):
            rows = np.flatnonzero(numbers == number)
            ranks[rows] = np.searchsorted(self.bounds[:, number], offsets[rows])
        return ranks


def seen_from(
    history: History, read_at: Integers | Chain
) -> tuple[Integers, Integers, Integers | None]:
    """Return arrivals, bounds of reads and ends: seen is what has arrival <= bound < end."""
    if not isinstance(read_at, Chain):
        return history.positions, read_at, history.ends
    ends = None if history.ends is None else read_at.arrivals(history.ends)
    return read_at.arrivals(history.positions), read_at.ranks, ends


@dataclass(frozen=True)
class ReadVectors:
    """What each of many reads was as of.

    Attributes:
        offsets: The last offset seen by partition number, int64, shape (reads, partitions);
            -1 where nothing of it was.
    """

    partitions: Partitions
    offsets: Integers

    @classmethod
    def of(cls, partitions: Partitions, positions: Sequence[Position | None]) -> "ReadVectors":
        """Take the positions that reads recorded; None for one before any event.

        Raises:
            UnlistedPartition: A position speaks of a partition that is not listed.
        """
        rows: dict[Position | None, list[int]] = {}
        for position in positions:
            if position not in rows:
                row = rows[position] = [_NOTHING] * len(partitions)
                for name in position.partitions if position else ():
                    row[partitions.number(name)] = position.offset(name) if position else _NOTHING
        table = [rows[position] for position in positions]
        return cls(partitions, np.array(table, np.int64).reshape(-1, len(partitions)))

    def __len__(self) -> int:
        return len(self.offsets)

    def chains(self) -> list[tuple[Integers, Chain]]:
        """Split the reads into chains: the rows of each, and the chain.

        One when the reads come from one store. Two or more stores that lag behind each
        other give about as many; each costs a pass over the events.
        """
        distinct, inverse = np.unique(self.offsets, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        order = np.argsort(distinct.sum(axis=1), kind="stable")
        distinct = distinct[order]
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        group = _first_fit(distinct)
        found: list[tuple[Integers, Chain]] = []
        for number in range(int(group.max(initial=-1)) + 1):
            members = np.flatnonzero(group == number)
            rows = np.flatnonzero(group[place[inverse]] == number)
            ranks = np.searchsorted(members, place[inverse[rows]])
            found.append((rows, Chain(distinct[members], ranks.astype(np.int64))))
        return found


def _first_fit(vectors: Integers) -> Integers:
    """Give each vector the first chain whose last one it is not behind; sums ascend."""
    if (np.diff(vectors, axis=0) >= 0).all():
        return np.zeros(len(vectors), np.int64)
    lasts: list[tuple[int, ...]] = []
    group = np.empty(len(vectors), np.int64)
    rows = cast("list[list[int]]", vectors.tolist())
    for row, vector in enumerate(map(tuple, rows)):
        for number, last in enumerate(lasts):
            if all(before <= now for before, now in zip(last, vector, strict=True)):
                lasts[number] = vector
                break
        else:
            number = len(lasts)
            lasts.append(vector)
        group[row] = number
    return group
