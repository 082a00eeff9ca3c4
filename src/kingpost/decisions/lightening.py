"""A live engine that lets go of what a snapshot of it holds: keys of events, places of records.

The rule: nothing that is found changes. Memory then grows with what is new since the last
snapshot, and not with all that ever came; the system keeps the file's pages while it has room.
"""

from kingpost.decisions.memory import Memory
from kingpost.decisions.snapshot import Snapshot

__all__ = ["Lightening"]

KEYS_AT_ONCE = 2000
"""So that no request waits behind it for more than a millisecond."""


class Lightening:
    """One snapshot and the memory that it makes lighter, in the engine's thread.

    Args:
        snapshot: Of the same journal.
        memory: What the engine holds; it is passed over when the engine has another by then.
    """

    def __init__(self, snapshot: Snapshot, memory: Memory) -> None:
        self._snapshot, self._memory = snapshot, memory
        self._is_begun = False

    def step(self) -> bool:
        """Let go of some; False when nothing is left to do."""
        if not self._is_begun:
            self._is_begun = True
            self._snapshot.lighten(self._memory)
        has_more = [
            versions.trim(KEYS_AT_ONCE)
            for state in self._memory.tenants.values()
            for versions in state.keys.values()
        ]
        return any(has_more)
