"""Which version of an event counts, by its key.

The rule: the first arrival of a key counts, a later one is a duplicate, also after a
retraction. A correction ends the version before it and begins its own. A retraction ends
what is held; one that comes before its event is kept, and the event, when it comes, is
recorded but never counts. A key that was retracted stays so.

Pure: positions are whole numbers, reading and writing them is left to the callers.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

from kingpost.contracts import EventKey

__all__ = ["RETRACTED", "WITHHELD", "Arrival", "Versions"]

RETRACTED: Final = -1
"""Found for a key whose event was retracted."""

WITHHELD: Final = -2
"""Found for a key that was retracted before an event of it came."""


class Arrival(Enum):
    """What an event is when it arrives."""

    COUNTS = "counts"
    WITHHELD = "withheld"
    """It is recorded, but was retracted before it came, so it never counts."""
    DUPLICATE = "duplicate"


class Versions:
    """The position of the version that counts, by key, for one stream of one tenant.

    A dictionary: measured on 1.5 million, 120 bytes a whole number and 170 a text of 36
    characters.
    """

    def __init__(self) -> None:
        self._at: dict[EventKey, int] = {}
        self._ended = 0

    def __len__(self) -> int:
        """Count the events that count."""
        return len(self._at) - self._ended

    def find(self, key: EventKey) -> int | None:
        """Return the position of the version that counts; RETRACTED, WITHHELD or None else."""
        return self._at.get(key)

    def arrive(self, key: EventKey, position: int) -> Arrival:
        """Take an event that arrives at a position."""
        found = self._at.setdefault(key, position)
        if found == position:
            return Arrival.COUNTS
        if found != WITHHELD:
            return Arrival.DUPLICATE
        self._at[key] = RETRACTED
        return Arrival.WITHHELD

    def correct(self, key: EventKey, position: int) -> int | None:
        """Take a correction at a position; return what `find` gave before.

        It counts unless the key was retracted.
        """
        before = self._at.get(key)
        if before is None or before >= 0:
            self._at[key] = position
        return before

    def retract(self, key: EventKey) -> int | None:
        """Take a retraction; return what `find` gave before."""
        before = self._at.get(key)
        if before is None or before >= 0:
            self._at[key] = WITHHELD if before is None else RETRACTED
            self._ended += 1
        return before

    def load(
        self, keys: Iterable[EventKey], positions: Sequence[int], changed: Mapping[EventKey, int]
    ) -> None:
        """Take many events at once, in the order of their positions.

        Args:
            changed: What `find` gives for the keys that a correction or a retraction named.
        """
        self._at.update(zip(keys, positions, strict=True))
        self._at.update(changed)
        self._ended += sum(at < 0 for at in changed.values())

    def items(self) -> Mapping[EventKey, int]:
        """Return what `find` gives for every key."""
        return self._at
