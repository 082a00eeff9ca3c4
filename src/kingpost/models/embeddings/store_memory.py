"""Embeddings in memory; gone when the process ends."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from kingpost.models.embeddings.store import ENTRY_BYTES, EmbeddingSpace, HeldEmbeddings

__all__ = ["MemoryEmbeddings"]

_Key = tuple[EmbeddingSpace, bytes]


class MemoryEmbeddings:
    """An `EmbeddingStore` of one thread.

    Args:
        most_bytes: The most memory that is taken.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._size_bytes = most_bytes, 0
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()

    def get(self, space: EmbeddingSpace, contents: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for content in contents:
            vector = self._kept.get((space, content))
            if vector is not None:
                self._kept.move_to_end((space, content))
                found[content] = vector
        return found

    def put(self, space: EmbeddingSpace, vectors: Mapping[bytes, bytes]) -> int:
        for content, vector in vectors.items():
            if (space, content) in self._kept:
                self._kept.move_to_end((space, content))
            else:
                self._kept[space, content] = vector
                self._size_bytes += ENTRY_BYTES + len(vector)
        before = len(self._kept)
        while self._size_bytes > self._most_bytes:
            self._remove(next(iter(self._kept)))
        return before - len(self._kept)

    def drop_model(self, model: bytes) -> int:
        return self._remove_where(lambda key: key[0].model == model)

    def forget(self, tenant: str, contents: Sequence[bytes]) -> int:
        going = frozenset(contents)
        return self._remove_where(lambda key: key[0].tenant == tenant and key[1] in going)

    def held(self) -> HeldEmbeddings:
        return HeldEmbeddings(len(self._kept), self._size_bytes)

    def _remove_where(self, is_going: Callable[[_Key], bool]) -> int:
        going = [key for key in self._kept if is_going(key)]
        for key in going:
            self._remove(key)
        return len(going)

    def _remove(self, key: _Key) -> None:
        self._size_bytes -= ENTRY_BYTES + len(self._kept.pop(key))
