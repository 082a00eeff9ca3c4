"""A position: how far into each partition a reader has come, or may look.

There is an order only within a partition, so positions compare partition by partition:
`a <= b` holds when no partition of `a` is ahead of `b`, and two positions may well be
neither before nor after each other. To callers the text form is opaque.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kingpost.journal.errors import (
    BadPartitionName,
    BadPosition,
    DifferentPartitions,
    UnknownPartition,
)

__all__ = ["Position", "partition_name"]

_PARTITION = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_OFFSET = re.compile(r"[0-9]{1,20}")


def partition_name(name: str) -> str:
    """Return the name when it can name a partition.

    Raises:
        BadPartitionName: It cannot.
    """
    if _PARTITION.fullmatch(name) is None:
        raise BadPartitionName(name)
    return name


@dataclass(frozen=True, slots=True)
class Position:
    """An offset in each of some partitions; make one with `of`."""

    _offsets: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, offsets: Mapping[str, int]) -> "Position":
        """Make a position from partition -> offset.

        Raises:
            BadPartitionName: A name cannot name a partition.
            BadPosition: There is no partition, or an offset is negative.
        """
        if not offsets or min(offsets.values()) < 0:
            raise BadPosition(repr(dict(offsets)))
        return cls(tuple(sorted((partition_name(name), at) for name, at in offsets.items())))

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read the text form.

        Raises:
            BadPosition: The text is not one.
        """
        offsets: dict[str, int] = {}
        for part in text.split(","):
            partition, _, offset = part.partition(":")
            if not (_PARTITION.fullmatch(partition) and _OFFSET.fullmatch(offset)):
                raise BadPosition(text)
            if partition in offsets:
                raise BadPosition(text)
            offsets[partition] = int(offset)
        return cls.of(offsets)

    def __str__(self) -> str:
        return ",".join(f"{partition}:{offset}" for partition, offset in self._offsets)

    @property
    def partitions(self) -> tuple[str, ...]:
        """The partitions it speaks of, sorted."""
        return tuple(partition for partition, _ in self._offsets)

    def offset(self, partition: str) -> int:
        """Return the offset in one partition.

        Raises:
            UnknownPartition: The position says nothing of it.
        """
        for name, offset in self._offsets:
            if name == partition:
                return offset
        raise UnknownPartition(partition, str(self))

    def moved(self, partition: str, offset: int) -> "Position":
        """Return this position with another offset in one partition."""
        return Position.of(dict(self._offsets) | {partition: offset})

    def __le__(self, other: "Position") -> bool:
        return all(mine <= theirs for mine, theirs in self._pairs(other))

    def __lt__(self, other: "Position") -> bool:
        return self <= other and self != other

    def __ge__(self, other: "Position") -> bool:
        return other <= self

    def __gt__(self, other: "Position") -> bool:
        return other < self

    def _pairs(self, other: "Position") -> list[tuple[int, int]]:
        if self.partitions != other.partitions:
            raise DifferentPartitions(str(self), str(other))
        return [
            (mine, theirs)
            for (_, mine), (_, theirs) in zip(self._offsets, other._offsets, strict=True)
        ]
