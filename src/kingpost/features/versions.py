"""Which version of an event counts, by its key.

The rule: the first arrival of a key counts, a later one is a duplicate, also after a
retraction. A correction ends the version before it and begins its own. A retraction ends
what is held; one that comes before its event is kept, and the event, when it comes, is
recorded but never counts. A key that was retracted stays so.

Pure: positions are whole numbers, reading and writing them is left to the callers.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Final

from kingpost.contracts import EventKey
from kingpost.features.key_table import KeyKind, KeyTable

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

    A dictionary over a table: what came since the table was made is in the dictionary.
    Measured on 1.5 million, that takes 120 bytes a whole number and 170 a text of 36
    characters.

    Args:
        base: What came before; it is not changed.
        ended: How many of its keys have no version that counts.
    """

    def __init__(self, base: KeyTable | None = None, ended: int = 0) -> None:
        self._base = base if base is not None and len(base) else None
        self._at: dict[EventKey, int] = {}
        self._count = 0 if base is None else len(base)
        """How many keys there are."""
        self._ended = ended
        self._before = self._untrimmed = 0
        self._may_withhold = self._base is not None and self._base.holds(WITHHELD)

    def __len__(self) -> int:
        """Count the events that count."""
        return self._count - self._ended

    @property
    def ended(self) -> int:
        """How many keys have no version that counts."""
        return self._ended

    @property
    def may_withhold(self) -> bool:
        """Whether a key may have been retracted before an event of it came."""
        return self._may_withhold

    def find(self, key: EventKey) -> int | None:
        """Return the position of the version that counts; RETRACTED, WITHHELD or None else."""
        found = self._at.get(key)
        return self._base.find(key) if found is None and self._base is not None else found

    def arrive(self, key: EventKey, position: int) -> Arrival:
        """Take an event that arrives at a position."""
        found = self._at.setdefault(key, position)
        if found == position:
            before = None if self._base is None else self._base.find(key)
            if before is None:
                self._count += 1
                return Arrival.COUNTS
            del self._at[key]
            found = before
        if found != WITHHELD:
            return Arrival.DUPLICATE
        self._at[key] = RETRACTED
        return Arrival.WITHHELD

    def correct(self, key: EventKey, position: int) -> int | None:
        """Take a correction at a position; return what `find` gave before.

        It counts unless the key was retracted.
        """
        before = self.find(key)
        if before is None or before >= 0:
            self._count += before is None
            self._at[key] = position
        return before

    def retract(self, key: EventKey) -> int | None:
        """Take a retraction; return what `find` gave before."""
        before = self.find(key)
        if before is None or before >= 0:
            self._may_withhold |= before is None
            self._count += before is None
            self._at[key] = WITHHELD if before is None else RETRACTED
            self._ended += 1
        return before

    def load(
        self, keys: Iterable[EventKey], positions: Sequence[int], changed: Mapping[EventKey, int]
    ) -> None:
        """Take many events at once, in the order of their positions; none is a duplicate.

        Args:
            changed: What `find` gives for the keys that a correction or a retraction named.
        """
        held = len(self._at)
        self._at.update(zip(keys, positions, strict=True))
        self._at.update(changed)
        self._count += len(self._at) - held
        self._ended += sum(at < 0 for at in changed.values())
        self._may_withhold |= WITHHELD in changed.values()

    def rebase(self, base: KeyTable, before: int) -> None:
        """Stand on a table of what was held before a position; nothing that is found changes.

        `trim` then lets go of what is in both.
        """
        self._base, self._before = base, before
        self._untrimmed = len(self._at)

    def trim(self, most: int) -> bool:
        """Let go of what the table holds as well, of so many keys; False when all were looked at."""
        base, held = self._base, self._at
        oldest = list(islice(held.items(), min(most, self._untrimmed)))
        for key, at in oldest:
            del held[key]
            if at >= self._before or (at < 0 and (base is None or base.find(key) != at)):
                held[key] = at  # behind the others: it is not looked at again
        self._untrimmed -= len(oldest)
        return self._untrimmed > 0

    def items(self) -> Mapping[EventKey, int]:
        """Return what `find` gives for every key that is not as in the base."""
        return self._at

    def table(self, kind: KeyKind) -> KeyTable:
        """Make a table of all that is held."""
        return (self._base or KeyTable.of(kind, {})).merged(self._at)
