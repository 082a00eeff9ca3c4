"""Where embeddings are kept: bounded, and the one unused for longest goes first."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

__all__ = ["ENTRY_BYTES", "EmbeddingSpace", "EmbeddingStore", "HeldEmbeddings"]

ENTRY_BYTES = 256
"""What an embedding takes beside its vector: its key, twice, and its place in the order."""


class EmbeddingSpace(NamedTuple):
    """Whose embeddings, of which model: its digest."""

    tenant: str
    model: bytes


class HeldEmbeddings(NamedTuple):
    """How many are kept, and about what they take."""

    entries: int
    size_bytes: int


class EmbeddingStore(Protocol):
    """Vectors as float32 in little-endian bytes, by the digest of what they stand for.

    Calls may raise `StorageFull`, `StorageBusy` and `StorageFailed`; nothing was changed then.
    """

    def get(self, space: EmbeddingSpace, contents: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return those of the vectors that are kept; they are the last to go from here on."""
        ...

    def put(self, space: EmbeddingSpace, vectors: Mapping[bytes, bytes]) -> int:
        """Keep vectors, together or not at all; one that is there stays. Return how many went."""
        ...

    def drop_model(self, model: bytes) -> int:
        """Forget all vectors of a model; return how many."""
        ...

    def forget(self, tenant: str, contents: Sequence[bytes]) -> int:
        """Forget some vectors of a tenant, of every model; return how many."""
        ...

    def held(self) -> HeldEmbeddings:
        """Return what is kept."""
        ...
