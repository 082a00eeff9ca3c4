"""Where the keys of data subjects are kept, each wrapped by the master key.

The rule: a key is durable before `add` returns, and gone, from the file too, before `destroy`
returns. That there was one is remembered, so that what it encrypted reads as erased.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["KeyStore", "WrappedKey"]


class WrappedKey(NamedTuple):
    """The key of a subject.

    Attributes:
        id: Random, 16 bytes.
        subject: Keyed digest of tenant, entity and name, 32 bytes.
        since: What it encrypts lies at this offset of the journal or later.
        wrapped: The key itself, encrypted; empty once it was destroyed.
    """

    id: bytes
    subject: bytes
    since: int
    wrapped: bytes


class KeyStore(Protocol):
    """Keeps keys; for any thread."""

    @property
    def check(self) -> bytes:
        """What tells the right master key, empty while nothing was kept."""
        ...

    def begin(self, check: bytes) -> None:
        """Keep what tells the right master key."""
        ...

    def add(self, keys: Sequence[WrappedKey]) -> None:
        """Keep keys, all or none."""
        ...

    def get(self, identifier: bytes) -> WrappedKey | None:
        """Return a key, also one that was destroyed; None when there never was one."""
        ...

    def newest(self, subject: bytes) -> WrappedKey | None:
        """Return the latest key of a subject that was not destroyed."""
        ...

    def rewind(self, offset: int) -> None:
        """Let keys that were made for what lies beyond an offset encrypt from there on."""
        ...

    def destroy(self, subject: bytes, until: int) -> int:
        """Destroy the keys of a subject made for what lies at an offset or before it.

        Returns:
            How many there were.
        """
        ...

    def close(self) -> None:
        """Release it."""
        ...
